"""Convert anything that is known into anything that is known."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from lp_io.errors import ConversionError
from lp_io.predictions import WriteOptions
from lp_io.projects.detection import Kind, detect, read_foreign_labels
from lp_io.projects.folders import Videos, check_apart
from lp_io.projects.report import ConversionReport
from lp_io.projects.targets import convert_predictions, is_model_error, target_format


def convert(
    source: Path,
    target: Path,
    *,
    to: str | None = None,
    videos: str = "link",
    scorer: str | None = None,
    individual: str | None = None,
    images: Path | None = None,
    fps: float | None = None,
    video: str = "",
    overwrite: bool = False,
) -> ConversionReport:
    """Convert ``source`` into ``target``; the source is told by its content.

    Args:
        source: A DeepLabCut project, SLEAP or COCO labels, a project or label file of ours, or a
            table of predictions.
        target: A folder for a project, or a file.
        to: The target's format, as `lp_io.projects.targets.TARGETS` lists them; None tells it from
            the target's name.
        videos: Whether videos of a project are linked (``link``), copied (``copy``) or left where
            they are (``none``).
        scorer: Whose labels to take of a DeepLabCut project.
        individual: Which animal to take; None takes all.
        images: The folder that a COCO file's names are relative to.
        fps: Frames per second, for formats that count time in seconds.
        video: The video that a prediction table's frames are of.
        overwrite: Replace what is there.

    Returns:
        What was kept and left out.

    Raises:
        ConversionError: The target is there already, or the source cannot become that.
        LPError: Something in the source is wrong; the message tells what and where.
    """
    how = _way_of_videos(videos)
    check_apart(target, [source])
    kind = detect(source)
    if kind is Kind.MODEL:
        raise is_model_error(source)
    if kind is Kind.LIGHTNING_POSE_MODEL:
        return _model(source, target, to, overwrite=overwrite)
    to = target_format(kind, source, target, to)
    if target.is_file() and not overwrite:
        raise ConversionError(
            "it is there already", where=target, remedy="choose another name, or add --overwrite"
        )
    if kind is Kind.PREDICTIONS:
        return convert_predictions(
            source, target, to, WriteOptions(fps=fps, video=video), individual
        )
    if kind in (Kind.PROJECT, Kind.LABEL_CSV):
        return _export(source, target, to, how, individual, overwrite=overwrite)
    from lp_pipeline.conversion.projects import import_project

    labels = read_foreign_labels(kind, source, scorer=scorer, individual=individual, images=images)
    return import_project(labels, target, videos=how, overwrite=overwrite)


def _way_of_videos(videos: str) -> Videos:
    if videos not in get_args(Videos):
        known = ", ".join(get_args(Videos))
        raise ConversionError(f"videos cannot be treated as '{videos}'", remedy=f"known: {known}")
    return cast("Videos", videos)


def _model(source: Path, target: Path, to: str | None, *, overwrite: bool) -> ConversionReport:
    if to is not None:
        raise ConversionError(
            f"a model cannot become {to}",
            where=source,
            remedy="leave --to out: it becomes a model directory",
        )
    from lp_pipeline.conversion.lightning_pose import convert_lightning_pose

    return convert_lightning_pose(source, target, overwrite=overwrite)


def _export(
    source: Path, target: Path, to: str, videos: Videos, individual: str | None, *, overwrite: bool
) -> ConversionReport:
    from lp_data.images import image_size
    from lp_data.pictures import count_neighbours
    from lp_io.projects.exporting import export_coco, export_deeplabcut, export_sleap
    from lp_pipeline.conversion.projects import read_own_labels

    labels = read_own_labels(source, individual)
    if to == "coco":
        return export_coco(labels, target, image_size)
    if to == "sleap":
        return export_sleap(labels, target)
    around = count_neighbours(labels.images)
    return export_deeplabcut(labels, target, videos=videos, neighbours=around, overwrite=overwrite)
