"""What the sections share: timing, a synthetic project, configs, batches, more callbacks."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).resolve().parents[2]
TRACKERS = ("heatmap", "heatmap_mhcrnn", "regression")
BACKBONES = ("resnet50", "efficientnet_b0")
PRECISIONS = ("32-true", "bf16-mixed")
Found = dict[str, Any]


def synchronize(device: str) -> None:
    """Wait until the device has done all that it was given."""
    if device == "cuda":
        torch.cuda.synchronize()


def autocast(device: str, precision: str) -> Any:
    """The context of a training step in that precision."""
    return torch.autocast(device, torch.bfloat16, enabled=precision == "bf16-mixed")


def seconds_per_call(work: Callable[[], object], device: str, calls: int) -> float:
    """The median over five groups of the mean seconds of a call, after a warm-up."""
    for _ in range(3):
        work()
    groups = []
    for _ in range(5):
        synchronize(device)
        start = time.perf_counter()
        for _ in range(calls):
            work()
        synchronize(device)
        groups.append((time.perf_counter() - start) / calls)
    return statistics.median(groups)


def synthetic_project(options: argparse.Namespace) -> tuple[Path, Path]:
    """The folder of a synthetic project, shared by the sections, and its test video."""
    from lp_synthetic import SyntheticSettings, generate_project

    side = 96 if options.quick else 256
    settings = SyntheticSettings(
        height=side,
        width=side,
        labeled_frames=24 if options.quick else 160,
        sessions=4,
        train_videos=2,
        frames_per_video=60,
        test_frames=40,
        ood_frames=12,
        ood_labeled_frames=3,
    )
    folder = options.folder / "project"
    marker = options.folder / "project.json"
    if not marker.exists():
        made = generate_project(folder, settings)
        marker.write_text(json.dumps({"video": str(made.test_video)}))
    return folder, Path(json.loads(marker.read_text())["video"])


def config(options: argparse.Namespace, *overrides: str) -> Any:
    """A config of a training on that project, as a user would write it."""
    from lp_pipeline.config.load import load_config

    folder, _ = synthetic_project(options)
    side = 64 if options.quick else 256
    file = options.folder / "config.yaml"
    file.write_text(f"data: {{data_dir: {folder}, video_dir: videos}}\n")
    given = [
        f"data.image_resize_dims.height={side}",
        f"data.image_resize_dims.width={side}",
        "model.backbone_pretrained=false",
        "training.unfreezing_epoch=0",
        "training.train_batch_size=16",
        "training.train_prob=0.8",
        "training.val_prob=0.1",
        "training.check_val_every_n_epoch=1000",
        f"training.accelerator={'gpu' if options.device == 'cuda' else 'cpu'}",
        "training.num_gpus=1",
        "eval.predict_vids_after_training=false",
    ]
    return load_config(file, [*given, *overrides])


def small() -> tuple[str, ...]:
    """Overrides for a training that takes little time per step."""
    return "model.backbone=resnet18", "training.train_batch_size=4", "training.num_workers=0"


def first_batch(setup: Any) -> Any:
    """The first training batch."""
    loader = setup.data.train_dataloader()
    first = next(iter(loader))
    return first[0] if isinstance(first, tuple) else first


def to(batch: Any, device: str) -> Any:
    """A batch on the device."""
    if isinstance(batch, dict):
        return {key: to(value, device) for key, value in batch.items()}
    return batch.to(device) if isinstance(batch, torch.Tensor) else batch


@contextmanager
def extra_callback(callback: Any) -> Iterator[None]:
    """Let trainings of this process run one more callback, through Lightning's own entry point."""
    with tempfile.TemporaryDirectory() as name:
        info = Path(name) / "gpu_check-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: gpu-check\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(
            f"[lightning.pytorch.callbacks_factory]\ncheck = {__name__}:EXTRA\n"
            f"[pytorch_lightning.callbacks_factory]\ncheck = {__name__}:EXTRA\n"
        )
        EXTRA.callbacks = [callback]
        sys.path.insert(0, name)
        try:
            yield
        finally:
            sys.path.remove(name)
            EXTRA.callbacks = []


class Extra:
    """Gives the callbacks that a section adds to Lightning's trainer."""

    callbacks: list[Any] = []  # noqa: RUF012

    def __call__(self) -> list[Any]:
        """The callbacks to add."""
        return self.callbacks


EXTRA = Extra()


def step(tracker: Any, batch: Any, optimizer: Any) -> None:
    """One training step without Lightning's loop."""
    loss = tracker.training_step(batch)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
