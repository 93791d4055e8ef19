"""What an ensemble costs to predict with, beside its first member alone.

    OMP_NUM_THREADS=1 python tools/bench/ensemble.py ENSEMBLE VIDEO [--frames 256] [--rounds 5]

Measured in turns, in one process, is all of `litpose predict`, from the video to its tables: by the
first member, and by the ensemble. Printed are milliseconds of the processor per frame, and the
ratio, as the median over rounds with the smallest and the largest. The time of the processor counts
the threads that decode ahead, too, and hardly depends on what else runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import torch

from lp_analysis.prediction.videos import VideoPredictor
from lp_core.allocator import keep_large_buffers
from lp_data.inference.ensemble import EnsembleHandler
from lp_data.testing.encoding import lengthen
from lp_io.checkpoint import member_folders, read_ensemble
from lp_pipeline.model import Model


def predictor(folder: Path) -> VideoPredictor:
    """What predicts videos with a model directory."""
    model = Model.from_dir(folder, device="cpu")
    return VideoPredictor(model.handler, model.scorer, model.calibration)


def cost(work: VideoPredictor, video: Path, table: Path) -> float:
    """Milliseconds of the processor per frame."""
    started = time.process_time()
    done = work.predict(video, table)
    return 1e3 * (time.process_time() - started) / done.frames


def main() -> None:
    """Measure in turns, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("ensemble", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    keep_large_buffers()
    torch.set_num_threads(1)
    said = read_ensemble(given.ensemble)
    if said is None:
        parser.error(f"{given.ensemble} is not an ensemble")
    one = predictor(member_folders(given.ensemble, said)[0])
    every = predictor(given.ensemble)
    assert isinstance(every.handler, EnsembleHandler)  # it was read as one
    with tempfile.TemporaryDirectory() as folder:
        video, table = Path(folder) / "video.mp4", Path(folder) / "table.csv"
        lengthen(given.video, given.frames, video)
        for work in (one, every):  # first calls are slower
            cost(work, video, table)
        rounds = [(cost(one, video, table), cost(every, video, table)) for _ in range(given.rounds)]
    ratios = [all_of / single for single, all_of in rounds]
    single, all_of = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(f"one member {single:.2f} ms, {len(said.members)} members {all_of:.2f} ms per frame")
    middle = statistics.median(ratios)
    print(f"ratio {middle:.3f} ({min(ratios):.3f} to {max(ratios):.3f})")


if __name__ == "__main__":
    main()
