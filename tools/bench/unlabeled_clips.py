"""Clips per second of the unlabelled loader for few and for many videos, and its start-up.

    python tools/bench/unlabeled_clips.py [--videos 4 12 100] [--frames 1000] [--group 50]
                                          [--size 512 640] [--hours 100]

The videos are links to one synthetic video, so that they differ in nothing but their number. Rounds
of clips are drawn in this process, the numbers of videos taking turns; printed are the clips per
second of all rounds, also by processor time, and the ratio to the first number. Then the start-up
with so many videos of an hour is timed, and how often a video is looked through is counted, before
and after clips are drawn.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from lp_core.video import VideoSource
from lp_data.datasets.clips import ClipDataset
from lp_data.testing.encoding import Encoding, encode, lengthen
from lp_data.video.open import open_video

CLIP = 16
MODEL_SIZE = (256, 256)
HOUR = 90_000  # frames at 25 per second
ROUND = 24  # clips


class Counter:
    """Opens videos, and counts how often one had to be looked through."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, path: Path) -> VideoSource:
        """Open a video at model size."""
        self.count += 1
        return open_video(path, reader="pyav", resize_to=MODEL_SIZE)


def links(video: Path, count: int) -> list[Path]:
    """So many names of one file."""
    folder = video.parent / f"{video.stem}_{count}"
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{number}{video.suffix}" for number in range(count)]
    for path in paths:
        path.hardlink_to(video)
    return paths


def rounds(dataset: ClipDataset, count: int) -> Iterator[tuple[float, float]]:
    """Wall and processor seconds of each round."""
    for number in range(count):
        wall, cpu = time.perf_counter(), time.process_time()
        for index in range(number * ROUND, (number + 1) * ROUND):
            dataset[index]
        yield time.perf_counter() - wall, time.process_time() - cpu


def throughput(video: Path, counts: list[int], repeats: int) -> None:
    """Print the clips per second for each number of videos."""
    datasets = {n: ClipDataset(links(video, n), CLIP, MODEL_SIZE) for n in counts}
    turns = zip(*(rounds(dataset, repeats) for dataset in datasets.values()), strict=True)
    seconds = dict(zip(counts, zip(*turns, strict=True), strict=True))
    clips = ROUND * repeats
    speed = {n: [clips / sum(kind) for kind in zip(*r, strict=True)] for n, r in seconds.items()}
    first = speed[counts[0]]
    for n, (wall, cpu) in speed.items():
        print(
            f"{n:4d} videos: {wall:6.1f} clips a second ({wall / first[0]:.2f}); "
            f"{cpu:6.1f} by processor time ({cpu / first[1]:.2f})"
        )


def start_up(video: Path, count: int) -> None:
    """Print how long it takes until clips of so many long videos can be drawn."""
    opener = Counter()
    wall, cpu = time.perf_counter(), time.process_time()
    dataset = ClipDataset(links(video, count), CLIP, MODEL_SIZE, open_video=opener)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{count} videos of an hour: {wall:.1f} s, {cpu:.1f} s of processor time")
    print(f"videos looked through: {opener.count}", end="")
    for index in range(50):
        dataset[index]
    print(f"; after 50 clips: {opener.count}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, nargs="+", default=[4, 12, 100])
    parser.add_argument("--frames", type=int, default=1000, help="of each video")
    parser.add_argument("--group", type=int, default=50, help="frames from keyframe to keyframe")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 640), metavar=("H", "W"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--hours", type=int, default=100, help="videos of an hour; 0 for none")
    chosen = parser.parse_args()
    options = {"preset": "veryfast", "crf": "20", "g": str(chosen.group)}
    how = Encoding(count=500, size=tuple(chosen.size), grain=10, options=options)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        film = encode(folder / "film.mp4", how)
        throughput(
            lengthen(film, chosen.frames, folder / "short.mp4"), chosen.videos, chosen.repeats
        )
        if chosen.hours:
            start_up(lengthen(film, HOUR, folder / "long.mp4"), chosen.hours)


if __name__ == "__main__":
    main()
