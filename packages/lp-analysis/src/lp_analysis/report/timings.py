"""How fast videos were predicted after the training, which the model keeps for its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from lp_core.options import OptionError, read_options
from lp_io.checkpoint import Manifest, annotate_model
from lp_io.training_state.progress import training_seconds

TIMINGS = "prediction_timings"
"""Where the manifest's ``extra`` keeps them."""


@dataclass(frozen=True, kw_only=True)
class VideoTiming:
    """How long the prediction of a video took.

    Attributes:
        video: Its name.
        frames: How many frames it has.
        seconds: Decoding and writing included.
        device: What it ran on.
    """

    video: str
    frames: int
    seconds: float
    device: str

    @property
    def text(self) -> str:
        """In words."""
        speed = self.frames / max(self.seconds, 1e-9)
        return (
            f"{self.frames} frames in {self.seconds:.1f} s: {speed:.0f} per second ({self.device})"
        )


def keep_timings(model_dir: Path, timings: Sequence[VideoTiming]) -> None:
    """Keep how long predictions took in the model's manifest.

    Raises:
        CheckpointError: The manifest cannot be written.
    """
    annotate_model(model_dir, {TIMINGS: [asdict(timing) for timing in timings]})


def stored_timings(manifest: Manifest) -> list[VideoTiming]:
    """What `keep_timings` kept; nothing where it is damaged."""
    content = manifest.extra.get(TIMINGS)
    items = content if isinstance(content, list) else []
    try:
        kept = [item for item in items if isinstance(item, dict)]
        return [read_options(VideoTiming, item, place=TIMINGS) for item in kept]
    except OptionError:
        return []


def told_timings(model_dir: Path, manifest: Manifest) -> dict[str, float | str]:
    """What took how long, as far as it is known: seconds, or the time in words."""
    seconds = training_seconds(model_dir)
    timings: dict[str, float | str] = {"training": seconds} if seconds > 0 else {}
    told = {f"prediction of {timing.video}": timing.text for timing in stored_timings(manifest)}
    return timings | told
