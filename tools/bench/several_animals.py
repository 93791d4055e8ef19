"""What it costs to predict a video of several animals, beside its two networks alone.

    OMP_NUM_THREADS=1 python tools/bench/several_animals.py MODEL_DIR VIDEO [--frames 256]

MODEL_DIR is of several animals, as `litpose train` makes it (`litpose demo --animals 3` makes a
project to train on). Measured in turns, in one process, are the detector and the tracker alone on
tensors that are ready, the tracker on as many crops as the detector finds, and all of `litpose
predict`: from the video to the table with tracks. Printed are milliseconds per frame, of the
processor and by the clock, and how many times the networks' own cost the whole costs. The time of
the processor counts the threads that decode ahead, too, and hardly depends on what else runs.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lp_analysis.prediction.top_down import TopDownPredictor
from lp_analysis.prediction.videos import VideoPredictor
from lp_core.allocator import keep_large_buffers
from lp_core.geometry import affine
from lp_data.datasets.samples import channels_first
from lp_data.inference.handler import PredictionHandler
from lp_data.testing.encoding import lengthen
from lp_data.video.open import open_video
from lp_pipeline.model import Model


class Cost(NamedTuple):
    """Milliseconds per frame.

    Attributes:
        processor: Of all threads.
        clock: Until it is done.
    """

    processor: float
    clock: float


def cost(work: Callable[[], object], frames: int) -> Cost:
    """What some work costs."""
    processor, clock = time.process_time(), time.perf_counter()
    work()
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    return Cost(1e3 * processor / frames, 1e3 * clock / frames)


def network_alone(handler: PredictionHandler, images: int) -> Callable[[], None]:
    """Runs the network of a handler on so many images, in chunks as at prediction."""
    size = (min(handler.chunk, images), *handler.image_size, 3)
    random = np.random.default_rng(0).integers(0, 256, size, np.uint8)
    ready = channels_first(random)
    maps = affine.resizing(handler.image_size, handler.image_size).float().expand(len(ready), 2, 3)

    def run() -> None:
        for start in range(0, images, handler.chunk):
            some = slice(0, min(handler.chunk, images - start))
            handler.predict_labeled({"images": ready[some], "to_frame": maps[some]})  # type: ignore[typeddict-item]

    return run


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    options = parser.parse_args()
    keep_large_buffers()
    torch.set_num_threads(1)
    model = Model.from_dir(options.model_dir, device="cpu", precision=options.precision)
    top_down = model.animals
    if not isinstance(top_down, TopDownPredictor):
        raise SystemExit("this model looks at whole frames")
    finder, chunk = top_down.finder, model.handler.chunk
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = lengthen(options.video, options.frames, folder / "bench.mp4")
        with open_video(video) as source:
            frames, crops = len(source), []
            for part in source.chunks(chunk):
                place, _, _ = finder.find(finder.resized(part), source.size)
                crops.append(len(place))
        print(f"{frames} frames, {sum(crops) / frames:.2f} crops in each; detector at "
              f"{finder.handler.image_size}, crops at {model.handler.image_size}")  # fmt: skip
        predictor = VideoPredictor(model.handler, model.scorer, animals=top_down)
        work = {
            "detector": network_alone(finder.handler, frames),
            "tracker": network_alone(model.handler, sum(crops)),
            "predict": lambda: predictor.predict(video, folder / "table.csv"),
        }
        found: dict[str, list[Cost]] = {name: [] for name in work}
        for each in work.values():
            each()  # warm up
        for _ in range(options.rounds):
            for name, each in work.items():
                found[name].append(cost(each, frames))
    for name, costs in found.items():
        processor, clock = (statistics.median(values) for values in zip(*costs, strict=True))
        print(f"{name:10} {processor:8.2f} ms of the processor {clock:8.2f} ms by the clock")
    rounds = list(zip(*found.values(), strict=True))
    for place, kind in enumerate(Cost._fields):
        ratios = [whole[place] / (one[place] + two[place]) for one, two, whole in rounds]
        spread = f"{min(ratios):.3f} to {max(ratios):.3f} in {len(ratios)} rounds"
        print(f"whole / networks by the {kind}: {statistics.median(ratios):.3f} ({spread})")


if __name__ == "__main__":
    main()
