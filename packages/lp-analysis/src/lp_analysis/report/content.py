"""From labels and predictions to what a report tells of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from lp_analysis.labeled_predictions import LabeledPrediction, told_mean_error
from lp_analysis.metrics.curves import TrainingCurves
from lp_analysis.metrics.outliers import Outlier, worst_frames
from lp_analysis.metrics.summary import PixelErrorSummary
from lp_analysis.rendering.draw import PoseDrawer, animals_of
from lp_analysis.rendering.style import DEFAULT_STYLE, DrawingStyle
from lp_analysis.report.parts import CaptionedPicture
from lp_core.errors import LPError, reason_of
from lp_core.poses import PoseTable
from lp_data.errors import DataError
from lp_data.images import image_file, read_image

T = TypeVar("T")


def section(name: str, make: Callable[[], T], note: Callable[[str], None]) -> T | None:
    """A part of the report; None, and a note, where it cannot be made."""
    try:
        return make()
    except (LPError, OSError) as error:
        note(f"note: the report has no {name}: {reason_of(error)}")
        return None


def training_facts(result: LabeledPrediction, curves: TrainingCurves | None) -> dict[str, str]:
    """What was labelled, how large the errors are, and whether anything was logged."""
    summary = PixelErrorSummary.from_errors(
        result.visible_errors, result.labels.keypoint_names, result.sets
    )
    parts = result.by_view()
    unit = "images" if parts else "frames"
    unit = unit if result.labels.individual is None else "labelled animals"
    facts = {
        unit: ", ".join(f"{count} {split}" for split, count in summary.frames.items()),
        "keypoints": str(len(summary.keypoint_names)),
    }
    for split in summary.splits:
        facts[f"mean pixel error, {split}"] = told_mean_error(result, [split])
        for view, part in parts.items():
            facts[f"{view}: mean pixel error, {split}"] = told_mean_error(part, [split])
    if curves is not None and not curves.curves:
        facts["training curves"] = (
            "nothing was logged: the training had fewer steps than training.log_every_n_steps, and "
            "ended before a validation"
        )
    return facts


def worst_frames_shown(
    result: LabeledPrediction, data_dir: Path | None, style: DrawingStyle
) -> tuple[list[CaptionedPicture], dict[str, str]]:
    """`worst_frame_pictures`; where an image is gone, none, and a fact that says so.

    ``data_dir`` has the images; without it there are no pictures.
    """
    if data_dir is None:
        return [], {}
    try:
        images = [image_file(data_dir, name) for name in result.labels.image_paths]
        return worst_frame_pictures(result, images, style=style), {}
    except DataError as error:
        return [], {"worst frames": f"not shown: {error.problem} ({error.where})"}


def worst_frame_pictures(
    result: LabeledPrediction,
    images: Sequence[Path],
    *,
    count: int = 9,
    style: DrawingStyle = DEFAULT_STYLE,
) -> list[CaptionedPicture]:
    """The labelled frames with the largest errors, truth and prediction drawn, the worst first.

    ``images`` are the files of the labelled images.

    Raises:
        ImageFileError: An image cannot be read.
    """
    pictures, table = [], result.labels
    names, individuals = table.keypoint_names, table.individual
    rows_of = dict(table.by_frame())
    for outlier in _of_frames(result, count):
        row = outlier.frame
        image, rows = read_image(images[row]), rows_of[table.frame[row]]
        drawer = PoseDrawer(names, image.shape[:2], style, individuals and individual_names(table))
        animals = animals_of(result.predictions.rows(rows), table.rows(rows))
        owner = f"{individuals[row]}, " if individuals and individuals[row] else ""
        caption = (
            f"{table.frame[row]} ({result.sets[row]}): {owner}{worst_keypoint(outlier, names)} off"
        )
        pictures.append(CaptionedPicture(drawer.draw_animals(image, animals), caption))
    return pictures


def _of_frames(result: LabeledPrediction, count: int) -> list[Outlier]:
    """The rows with the largest errors, one of each frame, the worst first."""
    found: dict[str | int, Outlier] = {}
    for outlier in worst_frames(result.visible_errors, len(result.labels)):
        found.setdefault(result.labels.frame[outlier.frame], outlier)
    return list(found.values())[:count]


def individual_names(table: PoseTable) -> tuple[str | None, ...]:
    """The individuals of a table in the order of their first rows, None last."""
    names = dict.fromkeys(table.individual or ())
    return tuple(sorted(names, key=lambda name: name is None))


def worst_keypoint(outlier: Outlier, keypoint_names: Sequence[str]) -> str:
    """The keypoint with the largest value, and the value."""
    return f"{keypoint_names[outlier.keypoint]} {outlier.value:.1f} px"
