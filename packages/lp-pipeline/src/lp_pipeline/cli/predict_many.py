"""Several inputs of ``litpose predict``, one after the other, although one of them fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lp_core.errors import LPError
from lp_pipeline.display import Display
from lp_pipeline.errors import PredictionError


@dataclass
class Tally:
    """What was predicted in all."""

    videos: int = 0
    frames: int = 0
    seconds: float = 0.0

    def add(self, frames: int, seconds: float) -> None:
        """Count one more video."""
        self.videos += 1
        self.frames += frames
        self.seconds += seconds

    @property
    def text(self) -> str:
        """In words."""
        speed = self.frames / max(self.seconds, 1e-9)
        return (
            f"{self.videos} videos: {self.frames} frames in {self.seconds:.1f} s, "
            f"{speed:.0f} per second"
        )


def do_all(works: Sequence[tuple[Path, Callable[[], None]]], display: Display) -> None:
    """Do each piece of work, although another one fails.

    Args:
        works: Each with the input that it is about.
        display: Where to say what failed, as it happens.

    Raises:
        LPError: What failed, if it is the only work.
        PredictionError: Some failed; it names them.
    """
    failed: list[Path] = []
    for path, work in works:
        try:
            work()
        except LPError as error:
            if len(works) == 1:
                raise
            display.message(f"error: {error}")
            failed.append(path)
    if failed:
        raise PredictionError(
            f"{len(failed)} of {len(works)} inputs could not be predicted; the others are done",
            where=", ".join(map(str, failed)),
            remedy="see above what is wrong with each; the same command skips what is done",
        )
