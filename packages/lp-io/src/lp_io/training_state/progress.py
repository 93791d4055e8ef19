"""Tell how far a Lightning training is, to a display and to a file for other programs; stop it."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lp_io.model_directory import PROGRESS_FILE
from lp_io.training_state.saver import TrainingStateSaver

SECONDS_BETWEEN_FILES = 2.0


class ReportProgress(Callback):
    """Tells ``report``, with a note, and ``progress.json`` in a folder how many steps are done."""

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
        """Report one step; the errors only where Lightning logs them, as that awaits the device."""
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


class StopWhenAsked(Callback):
    """The first Ctrl-C finishes the step, saves and ends with ``reason``; the second at once.

    With several processes it leaves Ctrl-C alone: they would not stop at the same step.
    """

    def __init__(
        self, saver: TrainingStateSaver, reason: Exception, say: Callable[[str], None]
    ) -> None:
        self.saver = saver
        self.reason = reason
        self.say = say
        self.may_wait = False
        self._before: Any = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Listen to Ctrl-C."""
        if trainer.world_size == 1 and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._stop)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """From now on there are steps to finish."""
        self.may_wait = True

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Leave Ctrl-C to whom it belonged."""
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def on_exception(
        self, trainer: Trainer, pl_module: LightningModule, exception: BaseException
    ) -> None:
        """Leave Ctrl-C to whom it belonged."""
        self.teardown(trainer, pl_module, "fit")

    def _stop(self, number: int, frame: FrameType | None) -> None:
        if not self.may_wait:
            raise self.reason
        self.may_wait = False
        self.say("stopping after this step; Ctrl-C again stops at once")
        self.saver.save_and_stop(self.reason)
