"""A supervised training epoch on the CPU: ours beside Lightning Pose, and the bare network.

    python tools/bench/training_epoch.py PROJECT [--peer-python PEER/bin/python]
    python tools/bench/training_epoch.py PROJECT --precision bf16-mixed

Both sides train a heatmap tracker on the same project with 256×256 images, batches of 16, the `dlc`
preset and the whole network unfrozen, from random weights, each in a process of its own. The first
epoch warms up; printed is the median of the later ones in images per second, and for ours the step
beside the forward pass, backward pass and optimiser's step of the same network alone. Each is
measured with glibc's own allocator settings and with those that keep large buffers. `--precision`
is ours alone; Lightning Pose and the bare network stay in float32. README.md beside this file
tells how to make the peer's environment.
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
from typing import Any

SIDE, BATCH = 256, 16
ALLOCATORS = {
    "default": {},
    "keeping buffers": {
        "MALLOC_MMAP_THRESHOLD_": "4294967296",
        "MALLOC_TRIM_THRESHOLD_": "8589934592",
    },
}


def config(project: Path, backbone: str, epochs: int) -> dict[str, Any]:
    """A config that both sides read."""
    with (project / "CollectedData.csv").open(encoding="utf-8") as file:
        next(file)
        names = list(dict.fromkeys(next(file).strip().split(",")[1:]))
    return {
        "data": {
            "image_resize_dims": {"height": SIDE, "width": SIDE},
            "data_dir": str(project),
            "video_dir": "videos",
            "csv_file": "CollectedData.csv",
            "downsample_factor": 2,
            "num_keypoints": len(names),
            "keypoint_names": names,
            "mirrored_column_matches": None,
            "columns_for_singleview_pca": None,
        },
        "training": {
            "imgaug": "dlc",
            "train_batch_size": BATCH,
            "val_batch_size": 16,
            "test_batch_size": 16,
            "train_prob": 0.9,
            "val_prob": 0.05,
            "train_frames": 1,
            "num_gpus": 1,
            "num_workers": 0,
            "unfreezing_epoch": 0,
            "min_epochs": epochs,
            "max_epochs": epochs,
            "log_every_n_steps": 10,
            "check_val_every_n_epoch": epochs,
            "early_stopping": False,
            "rng_seed_data_pt": 0,
            "rng_seed_model_pt": 0,
            "optimizer": "Adam",
            "optimizer_params": {"learning_rate": 1e-3},
            "lr_scheduler": "multisteplr",
            "lr_scheduler_params": {"multisteplr": {"milestones": [epochs - 1], "gamma": 0.5}},
            "uniform_heatmaps_for_nan_keypoints": True,
        },
        "model": {
            "losses_to_use": [],
            "backbone": backbone,
            "backbone_pretrained": False,
            "model_type": "heatmap",
            "heatmap_loss_type": "mse",
            "model_name": "bench",
            "checkpoint": None,
        },
        "dali": {
            "base": {"train": {"sequence_length": 8}, "predict": {"sequence_length": 32}},
            "context": {"train": {"batch_size": 8}, "predict": {"sequence_length": 32}},
            "general": {"seed": 123456},
        },
        "losses": {},
        "eval": {"predict_vids_after_training": False, "save_vids_after_training": False},
        "callbacks": {
            "anneal_weight": {
                "attr_name": "total_unsupervised_importance",
                "init_val": 0.0,
                "increase_factor": 0.01,
                "final_val": 1.0,
                "freeze_until_epoch": 0,
            }
        },
    }


def watch(lightning: Any, epochs: list[tuple[float, int]]) -> None:
    """Let every fit of that Lightning note the seconds and the steps of each epoch."""

    class Stopwatch(lightning.Callback):  # type: ignore[misc,name-defined]
        start = 0.0

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            self.start = time.perf_counter()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            self.end, self.steps = time.perf_counter(), trainer.num_training_batches

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            epochs.append((self.end - self.start, self.steps))  # without the validation

    fit = lightning.Trainer.fit

    def watched(trainer: Any, *given: Any, **named: Any) -> Any:
        trainer.callbacks.append(Stopwatch())
        return fit(trainer, *given, **named)

    lightning.Trainer.fit = watched


def measure_ours(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Seconds of a step of ours, and of the bare network's."""
    import pytorch_lightning
    import yaml

    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.run import train

    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config(options.project, options.backbone, options.epochs)))
    epochs: list[tuple[float, int]] = []
    watch(pytorch_lightning, epochs)
    overrides = ["training.accelerator=cpu", f"training.precision={options.precision}"]
    setup = train(load_config(file, overrides), folder / "model")
    return {"step": step_seconds(epochs), "bare step": bare_step(setup.tracker)}


def bare_step(tracker: Any, steps: int = 5) -> float:
    """Seconds of forward, backward and optimiser of the network, on a batch that is there."""
    import torch

    tracker.train()
    tracker.backbone.to(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(tracker.parameters())
    images = torch.rand(BATCH, 3, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    times = []
    for _ in range(steps + 1):
        start = time.perf_counter()
        optimiser.zero_grad()
        tracker.head(tracker.backbone(images)).square().sum().backward()
        optimiser.step()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def measure_public(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Seconds of a step of Lightning Pose."""
    import lightning.pytorch
    from lightning_pose.train import train
    from omegaconf import OmegaConf

    epochs: list[tuple[float, int]] = []
    watch(lightning.pytorch, epochs)
    given = OmegaConf.create(config(options.project, options.backbone, options.epochs))
    train(given, model_dir=folder / "model", skip_evaluation=True)
    return {"step": step_seconds(epochs)}


def step_seconds(epochs: list[tuple[float, int]]) -> float:
    """Seconds per step over the later epochs."""
    return statistics.median(seconds / steps for seconds, steps in epochs[1:])


SIDES = {"ours": measure_ours, "public": measure_public}


def measured(python: str, side: str, settings: dict[str, str], options: argparse.Namespace) -> dict:
    """What one side measures in a process of its own."""
    command = [python, __file__, str(options.project), "--side", side]
    command += ["--backbone", options.backbone, "--epochs", str(options.epochs)]
    command += ["--precision", options.precision]
    environment = {**os.environ, **settings}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{side} cannot be measured:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(allocator: str, found: dict[str, dict[str, float]]) -> None:
    """Print the figures and the two ratios that count."""
    for side, values in found.items():
        for name, seconds in values.items():
            rate = BATCH / seconds
            print(f"{allocator:16} {side:7} {name:10} {seconds:6.2f} s  {rate:6.1f} images/s")
    ours = found["ours"]
    print(f"{allocator:16} the step is {ours['step'] / ours['bare step']:.2f} times the bare one")
    if "public" in found:
        ratio = found["public"]["step"] / ours["step"]
        print(f"{allocator:16} ours is {ratio:.2f} times as fast")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, help="a folder with CollectedData.csv")
    parser.add_argument("--peer-python", help="the Python of an environment with the peer")
    parser.add_argument("--backbone", default="resnet50")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--precision", choices=("32-true", "bf16-mixed"), default="32-true")
    parser.add_argument("--allocator", choices=ALLOCATORS, help="one only; default: each")
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.project = options.project.resolve()
    with tempfile.TemporaryDirectory() as name:
        if options.side:
            print(json.dumps(SIDES[options.side](options, Path(name))))
            return
    pythons = {"ours": sys.executable}
    if options.peer_python:
        pythons["public"] = options.peer_python
    for allocator in [options.allocator] if options.allocator else ALLOCATORS:
        report(
            allocator,
            {
                side: measured(python, side, ALLOCATORS[allocator], options)
                for side, python in pythons.items()
            },
        )


if __name__ == "__main__":
    main()
