"""Speed of training steps and whole trainings; resumed against undisturbed trainings."""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from typing import Any

import torch
from pytorch_lightning import Callback

from gpu_sections.shared import (
    BACKBONES,
    PRECISIONS,
    Found,
    autocast,
    config,
    extra_callback,
    first_batch,
    seconds_per_call,
    small,
    synchronize,
    to,
)


def training_step(options: argparse.Namespace) -> Found:
    """A training step on a batch that is on the device, and the bare network's."""
    from lp_pipeline.training.setup import set_up

    rows = []
    calls = 1 if options.quick else 10
    for backbone in ("resnet18",) if options.quick else BACKBONES:
        for precision in PRECISIONS[: 1 if options.quick else 2]:
            setup = set_up(config(options, f"model.backbone={backbone}").config)
            tracker = setup.tracker.to(options.device).train()
            tracker.backbone.to(memory_format=torch.channels_last)
            batch = to(first_batch(setup), options.device)
            optimizer = torch.optim.Adam(tracker.parameters())
            if options.device == "cuda":
                torch.cuda.reset_peak_memory_stats()

            def ours(
                tracker: Any = tracker,
                batch: Any = batch,
                optimizer: Any = optimizer,
                precision: str = precision,
            ) -> None:
                with autocast(options.device, precision):
                    loss = tracker.training_step(batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            images = batch["images"].float().contiguous(memory_format=torch.channels_last)

            def bare(
                tracker: Any = tracker,
                images: Any = images,
                optimizer: Any = optimizer,
                precision: str = precision,
            ) -> None:
                with autocast(options.device, precision):
                    loss = tracker.head(tracker.backbone(images)).float().square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

            step, network = (seconds_per_call(work, options.device, calls) for work in (ours, bare))
            size = len(batch["images"])
            row = {
                "backbone": backbone,
                "precision": precision,
                "batch": size,
                "step ms": 1e3 * step,
                "bare ms": 1e3 * network,
                "ratio": step / network,
                "images/s": size / step,
            }
            if options.device == "cuda":
                row["peak GiB"] = torch.cuda.max_memory_allocated() / 2**30
            rows.append(row)
    return {"steps": rows}


def training_run(options: argparse.Namespace) -> Found:
    """Whole trainings through Lightning, loading and augmentation included."""
    from lp_pipeline.training.run import train

    class Stopwatch(Callback):
        """Seconds per step of each epoch."""

        def __init__(self) -> None:
            self.epochs: list[float] = []

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            synchronize(options.device)
            self.start = time.perf_counter()

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            synchronize(options.device)
            seconds = time.perf_counter() - self.start
            self.epochs.append(seconds / trainer.num_training_batches)

    rows = []
    epochs = 3 if options.quick else 8
    cases = [(b, p, "[]") for b in BACKBONES for p in PRECISIONS]
    cases.append((BACKBONES[0], "bf16-mixed", "[temporal]"))
    if options.quick:
        cases = [("resnet18", "32-true", "[temporal]")]
    for number, (backbone, precision, losses) in enumerate(cases):
        overrides = [f"model.backbone={backbone}", f"training.precision={precision}"]
        overrides += [f"training.max_epochs={epochs}", f"model.losses_to_use={losses}"]
        watch = Stopwatch()
        with extra_callback(watch):
            train(config(options, *overrides), options.folder / f"run{number}")
        step = statistics.median(watch.epochs[2:])
        row = {"backbone": backbone, "precision": precision, "losses": losses}
        rows.append({**row, "step ms": 1e3 * step, "images/s": 16 / step})
    return {"trainings": rows}


def resumption(options: argparse.Namespace) -> Found:
    """Weights of a training that was stopped and resumed, and of two undisturbed ones."""
    from safetensors.torch import load_file

    from lp_pipeline.errors import TrainingStoppedError
    from lp_pipeline.training.resume import load_resumable_config, resume
    from lp_pipeline.training.run import train

    stop_at, steps = (2, 4) if options.quick else (13, 30)
    length = [f"training.max_steps={steps}", f"training.min_steps={steps}", *small()]
    loaded = config(options, *length)
    folders = [options.folder / f"resume_{name}" for name in ("first", "second", "stopped")]
    train(loaded, folders[0])
    train(loaded, folders[1])
    with extra_callback(_Interrupt(stop_at)):
        try:
            train(loaded, folders[2])
        except TrainingStoppedError:
            resume(load_resumable_config(folders[2]), folders[2])
        else:
            raise SystemExit("the training was not stopped")
    first, second, stopped = (load_file(folder / "model.safetensors") for folder in folders)
    return {
        "largest difference, undisturbed twice": _difference(first, second),
        "largest difference, stopped and resumed": _difference(first, stopped),
    }


def _difference(one: dict[str, Any], other: dict[str, Any]) -> float:
    return max(float((one[key].double() - other[key].double()).abs().max()) for key in one)


class _Interrupt(Callback):
    """Sends Ctrl-C to this process after so many steps, once."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        """Interrupt."""
        if trainer.global_step == self.step:
            self.step = -1
            os.kill(os.getpid(), signal.SIGINT)
