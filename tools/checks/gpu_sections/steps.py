"""What happens within a step: where values are logged, waits for the device, collectives."""

from __future__ import annotations

import argparse
import re
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from gpu_sections.shared import (
    TRACKERS,
    Found,
    config,
    extra_callback,
    first_batch,
    small,
    step,
    to,
)


def losses_log_on_device(options: argparse.Namespace) -> Found:
    """Validation of every tracker logs values on its device, with every unsupervised loss."""
    from lp_pipeline.training.setup import set_up

    rows = []
    for name, losses in _trainings():
        setup = set_up(config(options, f"model.model_type={name}", losses, *small()).config)
        tracker = setup.tracker.to(options.device)
        logged: dict[str, str] = {}

        def log(key: str, value: Any, *_: Any, to: dict[str, str] = logged, **__: Any) -> None:
            to[key] = value.device.type if isinstance(value, torch.Tensor) else "python number"

        def log_dict(values: dict[str, Any], *_: Any, write: Any = log, **__: Any) -> None:
            for key, value in values.items():
                write(key, value)

        tracker.log, tracker.log_dict = log, log_dict  # type: ignore[method-assign,assignment]
        batch = to(first_batch(setup), options.device)
        tracker.training_step(batch)
        tracker.validation_step(batch.get("labeled", batch))
        elsewhere = sorted(key for key, place in logged.items() if place != options.device)
        rows.append({"tracker": name, "losses": losses, "elsewhere": ", ".join(elsewhere)})
    return {"logged values": rows}


def _trainings() -> Iterator[tuple[str, str]]:
    for name in TRACKERS:
        yield name, "model.losses_to_use=[]"
        yield name, "model.losses_to_use=[temporal]"


@contextmanager
def counted_synchronisations() -> Iterator[Counter[str]]:
    """Counts the calls that wait for the device, by the place in our code that makes them."""
    found: Counter[str] = Counter()

    def note(message: Any, category: Any, file: str, line: int, *_: Any) -> None:
        if "synchroniz" in str(message):
            found[_caller(file, line)] += 1

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")


def _caller(file: str, line: int) -> str:
    """Where in our packages the call came from, else where it was made."""
    frame = sys._getframe(2)
    while frame is not None:
        name = frame.f_code.co_filename
        if "/lp_" in name and "/src/" in name:
            return f"{name.split('/src/')[-1]}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return f"{re.sub('.*/site-packages/', '', file)}:{line}"


def synchronisations(options: argparse.Namespace) -> Found:
    """Waits for the device in a training step of every tracker, and in Lightning's loop."""
    if options.device != "cuda":
        return {"skipped": "counted on CUDA only"}
    from lp_pipeline.training.setup import set_up

    rows, places = [], Counter[str]()
    for name, losses in _trainings():
        setup = set_up(config(options, f"model.model_type={name}", losses, *small()).config)
        tracker = setup.tracker.to(options.device).train()
        batch = to(first_batch(setup), options.device)
        optimizer = torch.optim.Adam(tracker.parameters())
        step(tracker, batch, optimizer)
        with counted_synchronisations() as found:
            for _ in range(5):
                step(tracker, batch, optimizer)
        rows.append({"tracker": name, "losses": losses, "per step": sum(found.values()) / 5})
        places.update(found)
    rows += _synchronisations_of_loop(options, places)
    where = [{"place": place, "count": number} for place, number in places.most_common(15)]
    return {"waits": rows, "where": where}


def _synchronisations_of_loop(options: argparse.Namespace, places: Counter[str]) -> list[Found]:
    """Waits per step of Lightning's loop with our callbacks, between two logged steps."""
    from pytorch_lightning import Callback

    from lp_pipeline.training.run import train

    counted: Counter[str] = Counter()
    steps = 0

    class Count(Callback):
        """Counts from the second epoch on."""

        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                self.scope = counted_synchronisations()
                self.found = self.scope.__enter__()

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            nonlocal steps
            last = trainer.is_last_batch
            if trainer.current_epoch == 1:
                steps += 1
            if last and hasattr(self, "scope"):
                self.scope.__exit__(None, None, None)
                counted.update(self.found)
                del self.scope

    loaded = config(options, "training.max_epochs=2", "training.log_every_n_steps=50", *small())
    with extra_callback(Count()):
        train(loaded, options.folder / "loop")
    places.update({f"loop: {place}": number for place, number in counted.items()})
    per_step = sum(counted.values()) / max(1, steps)
    return [{"tracker": "heatmap", "losses": "whole loop", "per step": per_step}]


def distributed(options: argparse.Namespace) -> Found:
    """Trains and validates under DDP with one process, so that every collective runs (NCCL)."""
    from lp_pipeline.training.run import train

    overrides = ["training.strategy=ddp", "training.max_epochs=2", *small()]
    overrides += ["training.check_val_every_n_epoch=1", "model.losses_to_use=[temporal]"]
    start = time.perf_counter()
    setup = train(config(options, *overrides), options.folder / "ddp")
    finite = all(bool(weight.isfinite().all()) for weight in setup.tracker.parameters())
    if not finite:
        raise SystemExit("weights are not finite after a training under DDP")
    return {"seconds of a training of two epochs": time.perf_counter() - start}
