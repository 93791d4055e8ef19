"""Report how far a Lightning training is, to whoever shows it and to a file for other programs."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lp_io.model_directory import PROGRESS_FILE

SECONDS_BETWEEN_FILES = 2.0


class ReportProgress(Callback):
    """Tells a function and ``progress.json`` how many steps are done.

    Args:
        report: Called with the number of steps done and a note on how it goes.
        total_steps: Batches of the whole training.
        folder: Where the file goes.
    """

    def __init__(self, report: Callable[[int, str], None], total_steps: int, folder: Path) -> None:
        self.report = report
        self.total_steps = total_steps
        self.file = folder / PROGRESS_FILE
        self.batches = 0
        self._written = 0.0
        self._started = time.monotonic()
        self._errors = ""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start where a resumed training left off."""
        self._started = time.monotonic() - training_seconds(self.file.parent)
        self.batches = trainer.fit_loop.epoch_loop.total_batch_idx + 1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Report one step.

        The errors are read only where Lightning logs them too: to read them is to wait until the
        device has done all that it was given.
        """
        self.batches += 1
        every: int = trainer.log_every_n_steps  # type: ignore[attr-defined]
        if every and trainer.global_step % every == 0:
            self._errors = _errors(trainer)
        note = f"epoch {trainer.current_epoch + 1}{self._errors}"
        self.report(min(self.batches, self.total_steps), note)
        if trainer.is_global_zero and time.monotonic() - self._written > SECONDS_BETWEEN_FILES:
            self._write("TRAINING", trainer)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Report the end."""
        if trainer.is_global_zero:
            self._write("COMPLETED" if not trainer.interrupted else "INTERRUPTED", trainer)

    def _write(self, status: str, trainer: Trainer) -> None:
        self._written = time.monotonic()
        content = {
            "status": status,
            "completed": self.batches,
            "total": self.total_steps,
            "epoch": trainer.current_epoch,
            "seconds": round(time.monotonic() - self._started, 1),
        }
        beside = self.file.with_suffix(".json.partial")
        beside.write_text(json.dumps(content))
        beside.replace(self.file)


def training_seconds(folder: Path) -> float:
    """How long the training in a model directory has taken; 0 where that is not known."""
    try:
        content = json.loads((folder / PROGRESS_FILE).read_text(encoding="utf-8"))
        seconds = float(content["seconds"])
    except (OSError, ValueError, TypeError, KeyError):
        return 0.0
    return seconds if 0 <= seconds < math.inf else 0.0


def _errors(trainer: Trainer) -> str:
    """The errors that are known so far."""
    names = {"train_pixel_error": "train", "val_pixel_error": "validation"}
    found = {
        names[key]: float(trainer.callback_metrics[key])
        for key in names
        if key in trainer.callback_metrics
    }
    return "".join(f"  {name} {px:.1f} px" for name, px in found.items() if math.isfinite(px))
