"""A video to a table of predictions on the CPU: ours beside Lightning Pose.

    python tools/bench/video_to_csv.py VIDEO [--peer-python PEER/bin/python] [--frames 192]
    python tools/bench/video_to_csv.py VIDEO --precision bf16-mixed

Both sides run a heatmap tracker with the same backbone and input size, with random weights, in
processes of their own that take turns, on a video made of the first packets of VIDEO. `--precision`
is ours: Lightning Pose, 2.4.3, predicts on a CPU in 32-true only; asked for bf16-mixed it ends
with an error (numpy has no bfloat16). Each is measured with glibc's own allocator settings and with
those that keep large buffers. Printed are frames per second from the opened and warmed model to the
complete table; for ours also those of decoding alone and of the network alone, and what share of
the slower of them the whole reaches.
README.md beside this file tells how to make the peer's environment.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

KEYPOINTS, SIDE, BATCH = 17, 256, 32
NAMES = [f"keypoint{number}" for number in range(KEYPOINTS)]
ALLOCATORS = {
    "default": {},
    "keeping buffers": {
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
    },
}


def shortened(video: Path, frames: int, path: Path) -> Path:
    """A video of so many frames."""
    from lp_data.testing.encoding import lengthen

    return lengthen(video, frames, path)


def measure_ours(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Frames per second of ours: the whole, decoding alone, the network alone."""
    import torch

    from lp_analysis.prediction.videos import VideoPredictor
    from lp_core.registry import MODELS, load_plugin
    from lp_data.inference.handler import PredictionHandler
    from lp_data.video.open import open_video

    kind = load_plugin(MODELS, "heatmap")
    given = kind.Options(  # type: ignore[attr-defined]
        keypoint_names=tuple(NAMES),
        image_size=(SIDE, SIDE),
        backbone=options.backbone,
        backbone_pretrained=False,
    )
    handler = PredictionHandler(kind(given), device="cpu", precision=options.precision, chunk=BATCH)
    with open_video(options.video, resize_to=(SIDE, SIDE)) as source:
        chunk = next(iter(source.chunks(BATCH)))
        list(handler.predict_frames([chunk], source.size))  # warm up
        start = time.perf_counter()
        decoded = sum(len(chunk) for chunk in source.chunks(BATCH))
        decoding = decoded / (time.perf_counter() - start)
        batch = torch.from_numpy(chunk).permute(0, 3, 1, 2)
        maps = torch.eye(3)[:2].expand(len(batch), 2, 3)
        times = []
        for _ in range(max(2, options.frames // BATCH)):
            start = time.perf_counter()
            handler.predict_labeled({"frames": batch, "to_frame": maps})  # type: ignore[arg-type]
            times.append(time.perf_counter() - start)
        network = BATCH / statistics.mean(times)
    start = time.perf_counter()
    result = VideoPredictor(handler, "bench").predict(options.video, folder / "ours.csv")
    whole = result.frames / (time.perf_counter() - start)
    return {"whole": whole, "decoding alone": decoding, "network alone": network}


def measure_public(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Frames per second of Lightning Pose."""
    import torch
    from lightning_pose.models import HeatmapTracker
    from lightning_pose.utils.predictions import predict_video
    from omegaconf import OmegaConf

    tracker = HeatmapTracker(num_keypoints=KEYPOINTS, backbone=options.backbone, pretrained=False)
    config = OmegaConf.create(
        {
            "data": {
                "image_resize_dims": {"height": SIDE, "width": SIDE},
                "keypoint_names": NAMES,
                "num_keypoints": KEYPOINTS,
            },
            "model": {"model_type": "heatmap", "model_name": "bench"},
            "dali": {
                "general": {"seed": 123456},
                "base": {"predict": {"sequence_length": BATCH}},
                "context": {"predict": {"sequence_length": BATCH}},
            },
        }
    )
    model = SimpleNamespace(
        model=tracker.eval(), config=SimpleNamespace(cfg=config), pl_precision="32-true"
    )
    with torch.inference_mode():
        tracker(torch.rand(BATCH, 3, SIDE, SIDE))  # warm up
    start = time.perf_counter()
    table = predict_video(str(options.video), model, str(folder / "public.csv"))
    return {"whole": len(table) / (time.perf_counter() - start)}


SIDES = {"ours": measure_ours, "public": measure_public}


def measured(python: str, side: str, settings: dict[str, str], options: argparse.Namespace) -> dict:
    """What one side measures in a process of its own."""
    command = [python, __file__, str(options.video), "--side", side]
    command += ["--backbone", options.backbone, "--frames", str(options.frames)]
    command += ["--precision", options.precision]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{side} cannot be measured:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(name: str, found: dict[str, list[dict[str, float]]]) -> None:
    """Print the medians of all rounds, and the two ratios that count."""
    medians = {
        side: {key: statistics.median(each[key] for each in all_) for key in all_[0]}
        for side, all_ in found.items()
    }
    ours = medians["ours"]
    for side, values in medians.items():
        for key, value in values.items():
            print(f"{name:16}  {side:7} {key:15} {value:8.1f} frames per second")
    slower = min(ours["decoding alone"], ours["network alone"])
    print(f"{name:16}  ours reaches {ours['whole'] / slower:.0%} of the slower part alone")
    if "public" in medians:
        ratio = ours["whole"] / medians["public"]["whole"]
        print(f"{name:16}  ours is {ratio:.2f} times as fast")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--peer-python", help="the Python of an environment with the peer")
    parser.add_argument("--backbone", default="efficientnet_b0")
    parser.add_argument("--frames", type=int, default=192)
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--allocator", choices=ALLOCATORS, help="one only; default: each")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.side:
            found = SIDES[options.side](options, folder)
            print(json.dumps(found))
            return
        options.video = shortened(options.video, options.frames, folder / "bench.mp4")
        pythons = {"ours": sys.executable}
        if options.peer_python:
            pythons["public"] = options.peer_python
        for allocator in [options.allocator] if options.allocator else ALLOCATORS:
            rounds: dict[str, list[dict[str, float]]] = {side: [] for side in pythons}
            for _ in range(options.rounds):
                for side, python in pythons.items():
                    rounds[side].append(measured(python, side, ALLOCATORS[allocator], options))
            report(allocator, rounds)


if __name__ == "__main__":
    main()
