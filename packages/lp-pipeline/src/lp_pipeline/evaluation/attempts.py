"""What follows a training, step by step: one that fails is told, and does not stop the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from lp_core.errors import LPError
from lp_core.memory import explained_memory_errors
from lp_pipeline.display import Display
from lp_pipeline.errors import TrainingError


@dataclass
class Attempts:
    """Steps after a training whose weights are saved.

    Attributes:
        display: Where to say what failed.
        failed: What was not made, each with how to make it.
    """

    display: Display
    failed: list[tuple[str, str]] = field(default_factory=list)

    @contextmanager
    def step(self, what: str, remedy: str) -> Iterator[None]:
        """Try one step.

        Args:
            what: What is missing if it fails, such as ``the report``.
            remedy: The command that makes it, once its cause is mended.
        """
        smaller = f"{remedy} --batch-size 8 (or fewer)"
        try:
            with explained_memory_errors(TrainingError, smaller):
                yield
        except (LPError, OSError) as error:
            self.failed.append((what, remedy))
            self.display.message(f"warning: {what}: not made, since it failed")
            self.display.message(f"  {_reason(error)}")

    def say_how_to_go_on(self) -> None:
        """Tell what is missing, and the commands that make it."""
        if not self.failed:
            return
        self.display.message("the tracker is trained and saved, but some of what follows failed:")
        for what, remedy in self.failed:
            self.display.message(f"  {what}; once that is mended: {remedy}")


def _reason(error: LPError | OSError) -> str:
    """What went wrong and where, without what to do about it."""
    if isinstance(error, LPError):
        return f"{error.problem} ({error.where})" if error.where else error.problem
    reason = error.strerror or str(error)
    return f"{reason} ({error.filename})" if error.filename else reason
