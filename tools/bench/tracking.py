"""How fast animals are followed, and how much memory that takes.

    OMP_NUM_THREADS=1 python tools/bench/tracking.py [--frames 10000 100000] [--animals 4]

Animals of 24 keypoints wander in a box and cross each other's ways; they are made as they are
followed, frame by frame, so that memory is that of the tracker. Printed are frames per second of
processor time of the tracker alone, and the peak memory of the process, after so many frames.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.tracks import OnlineTracker, TrackingOptions

KEYPOINTS, SIZE, ARENA = 24, 50.0, 500.0


def wandering(animals: int, frames: int) -> Iterator[Float[ndarray, "animals keypoints 2"]]:
    """The poses of all animals, frame by frame, in px."""
    draw = np.random.default_rng(0)
    along = np.linspace(-1, 1, KEYPOINTS)
    body = np.stack([0.45 * along, 0.2 * np.sin(along * 7)], axis=1) * SIZE
    place, heading = draw.uniform(100, 400, (animals, 2)), draw.uniform(0, 6.28, animals)
    for _ in range(frames):
        to_middle = np.arctan2(*(ARENA / 2 - place).T[::-1])
        outside = (np.abs(place - ARENA / 2) > 0.4 * ARENA).any(axis=1)
        wish = np.angle(np.exp(1j * (to_middle - heading)))
        heading = heading + draw.normal(0, 0.05, animals) + 0.2 * outside * np.clip(wish, -1, 1)
        ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1)
        place = place + 5 * ahead
        across = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
        shape = body[:, :1] * ahead[:, None] + body[:, 1:] * across[:, None]
        yield place[:, None] + shape + draw.normal(0, 0.5, shape.shape)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--animals", type=int, default=4)
    options = parser.parse_args()
    for frames in options.frames:
        tracker = OnlineTracker(KEYPOINTS, options=TrackingOptions(animals=options.animals))
        spent = 0.0
        for points in wandering(options.animals, frames):
            started = time.process_time()
            tracker.step(points)
            spent += time.process_time() - started
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{options.animals} animals, {frames} frames: {frames / spent:.0f} frames/s,"
            f" peak memory {memory:.1f} MiB, {tracker.tracks} tracks",
            flush=True,
        )


if __name__ == "__main__":
    main()
