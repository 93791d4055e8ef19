"""One animal that is small in the frame: finding it first, beside looking at the whole frame.

    OMP_NUM_THREADS=1 python tools/bench/small_animal.py FOLDER --backbone NAME [--weights FILE]

In FOLDER a synthetic project is made: frames of 640×640 px with an animal 60 px long. On it are
trained, each for the same time of the processor: a tracker that sees the whole frame at 256×256 px
(the default), one that sees it at 640×640 px, and the detector and the tracker of
`animals.top_down`. Printed are, for the held-out video, the mean and the median error of visible
keypoints, and what a frame costs.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
import yaml

from lp_core.allocator import keep_large_buffers

FRAME, ANIMAL = 640, 60
VARIANTS = {
    "whole 256": {"data": {"image_resize_dims": {"height": 256, "width": 256}}},
    "whole 640": {"data": {"image_resize_dims": {"height": 640, "width": 640}}},
    "top-down": {"animals": {"top_down": True}},
}


def merged(*parts: dict) -> dict:
    """Nested mappings as one."""
    result: dict = {}
    for part in parts:
        for key, value in part.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def train(folder: Path, config: dict, name: str) -> float:
    """Train in a process of its own; the seconds of the processor that it took."""
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(config))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "lp_pipeline.cli.main", "train", str(path)]
    done = subprocess.run([*command, "-o", str(folder / name), "--overwrite"], capture_output=True,
                          text=True, check=False)  # fmt: skip
    if done.returncode:
        raise SystemExit(done.stderr)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def steps(config: dict, count: int, detector: int) -> dict:
    """A config with so many steps of the tracker and of the detector."""
    length = {"max_steps": count, "max_epochs": None, "val_check_interval": None}
    length["check_val_every_n_epoch"] = 1000  # the last weights count, without a choice
    found = merged(config, {"training": length})
    if "animals" in config:
        found["animals"]["detector"] = {"training": {"max_steps": detector}}
    return found


def main() -> None:
    """Make, train, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seconds", type=float, default=200, help="of the processor, each")
    parser.add_argument("--variant", action="append", choices=VARIANTS, help="default: all")
    options = parser.parse_args()
    keep_large_buffers()
    torch.set_num_threads(1)
    from lp_synthetic import SyntheticSettings, generate_project

    settings = SyntheticSettings(
        height=FRAME, width=FRAME, open_field=True, body_length_px=ANIMAL, labeled_frames=60,
        sessions=6, train_videos=1, frames_per_video=60, test_frames=120,
        ood_frames=12, ood_labeled_frames=2,
    )  # fmt: skip
    project = generate_project(options.folder / "project", settings)
    weights = {} if options.weights is None else {"backbone_checkpoint": str(options.weights)}
    base = {
        "data": {"data_dir": str(project.folder)},
        "model": {"backbone": options.backbone, "backbone_pretrained": False, **weights},
        "training": {"train_batch_size": 8, "num_workers": 0, "train_prob": 0.9, "val_prob": 0.1,
                     "unfreezing_epoch": 0, "lr_scheduler": "cosine"},
        "eval": {"predict_vids_after_training": False},
    }  # fmt: skip
    for name in options.variant or VARIANTS:
        changes = VARIANTS[name]
        config, key = merged(base, changes), name.replace(" ", "_").replace("-", "_")
        few, more, both = (
            train(options.folder, steps(config, count, detector), f"trial_{key}")
            for count, detector in ((2, 2), (12, 2), (12, 12))
        )
        tracker, detector = (more - few) / 10, (both - more) / 10
        share = 0.5 if "animals" in changes else 1.0
        counts = (
            int(share * options.seconds / tracker),
            int(0.5 * options.seconds / max(detector, 1e-3)),
        )
        spent = train(options.folder, steps(config, *counts), key)
        result = judged(options.folder / key, project)
        print(json.dumps({"variant": name, "steps": counts[: 1 + ("animals" in changes)],
                          "training, s": round(spent), **result}), flush=True)  # fmt: skip


def judged(folder: Path, project) -> dict[str, float]:  # noqa: ANN001
    """The errors on the held-out video in frame px, and milliseconds of the processor per frame."""
    from lp_core.poses import Visibility
    from lp_data.labels import read_labels
    from lp_pipeline.model import Model

    truth = read_labels(project.truth[project.test_video.stem])
    model = Model.from_dir(folder, device="cpu")
    model.predict_video(project.test_video)  # warm up
    started = time.process_time()
    found = model.predict_video(project.test_video)
    cost = (time.process_time() - started) / len(truth)
    error = np.linalg.norm(found.keypoints.numpy() - truth.points, axis=-1)
    seen = error[truth.codes == Visibility.VISIBLE]
    return {
        "mean error, px": round(float(np.nanmean(seen)), 2),
        "median error, px": round(float(np.nanmedian(seen)), 2),
        "within 6 px": round(float(np.nanmean(seen <= ANIMAL / 10)), 3),
        "ms per frame": round(1e3 * cost, 1),
    }


if __name__ == "__main__":
    main()
