"""Ctrl-C during a training ends it with a state from which it can be resumed."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from lp_io.training_state.saver import TrainingStateSaver


class StopWhenAsked(Callback):
    """The first Ctrl-C finishes the step, saves and stops; the second stops at once.

    With several processes it leaves Ctrl-C alone: they would not stop at the same step.

    Args:
        saver: Saves the training state.
        reason: The error with which the training ends.
        say: Shows a line to the user.
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
