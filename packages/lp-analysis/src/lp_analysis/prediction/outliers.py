"""What looks wrong in a predicted video, as a table and as clips."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_analysis.metrics.suspicious import (
    Suspicion,
    clip_name,
    clips_around,
    named_clips,
    write_suspicions,
)
from lp_analysis.rendering.prediction_video import draw_predictions
from lp_analysis.rendering.style import DrawingStyle
from lp_core.display import SILENT, Display
from lp_core.poses.skeleton import Pair
from lp_core.video import VideoSource
from lp_io.model_directory import OUTLIERS
from lp_io.predictions import AnimalPredictions, VideoPredictions


def write_outliers(
    source: VideoSource,
    predictions: VideoPredictions | AnimalPredictions,
    found: Sequence[Suspicion],
    folder: Path,
    length: int,
    skeleton: Sequence[Pair] = (),
    display: Display = SILENT,
) -> str:
    """Write ``outliers.csv`` and clips around what was found, in place of those of an earlier run.

    Args:
        source: The video.
        predictions: Of that video.
        found: The suspicious frames.
        folder: Where to write.
        length: Frames of a clip around one of them; 0 writes no clips.
        skeleton: Keypoints to join.
        display: Where to report to.

    Returns:
        What was written, in words.

    Raises:
        LPError: The video cannot be read, or the folder not be written.
    """
    frames = [item.frame for item in found]
    parts = clips_around(frames, length, len(source)) if length else []
    for clip in named_clips(folder / OUTLIERS):
        (folder / clip).unlink(missing_ok=True)
    style = DrawingStyle(trail=4, legend=True, skeleton=tuple(skeleton))
    with display.task("clips", len(parts)) as update:
        for number, part in enumerate(parts, 1):
            path = folder / clip_name(part)
            draw_predictions(source, predictions, path, style=style, frames=part)
            update(number)
    names = {part: clip_name(part) for part in parts}
    write_suspicions(folder / OUTLIERS, found, source.fps, names)
    return "table and clips" if parts else "table"
