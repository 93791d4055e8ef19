"""Convert anything that is known into anything that is known."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from lp_core.errors import suggestion
from lp_core.listing import visible
from lp_io.errors import ConversionError
from lp_io.model_directory import CONFIG_FILE, VIDEO_FOLDER
from lp_io.predictions import (
    FORMATS,
    WriteOptions,
    in_frame_order,
    read_predictions,
    write_predictions,
)
from lp_io.projects.detection import Kind, detect, read_foreign_labels
from lp_io.projects.folders import Videos, check_apart
from lp_io.projects.report import ConversionReport, kept_rows

PROJECT, DEEPLABCUT = "project", "deeplabcut"
TARGETS = (PROJECT, DEEPLABCUT, *(known.name for known in FORMATS))
"""What ``--to`` may name."""

_SUFFIXES = {suffix: known.name for known in FORMATS for suffix in known.suffixes}


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
        to: The target's format, one of `TARGETS`; None tells it from the target's name.
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
        raise _is_model(source)
    if kind is Kind.LIGHTNING_POSE_MODEL:
        return _model(source, target, to, overwrite=overwrite)
    to = _target_format(kind, target, to)
    if target.is_file() and not overwrite:
        raise ConversionError(
            "it is there already", where=target, remedy="choose another name, or add --overwrite"
        )
    if kind is Kind.PREDICTIONS:
        return _predictions(source, target, to, individual, WriteOptions(fps=fps, video=video))
    if kind in (Kind.PROJECT, Kind.LABEL_CSV):
        return _export(source, target, to, how, overwrite=overwrite)
    _check_imported(kind, source, to)
    from lp_pipeline.conversion.projects import import_project

    labels = read_foreign_labels(kind, source, scorer=scorer, individual=individual, images=images)
    return import_project(labels, target, videos=how, overwrite=overwrite)


def _way_of_videos(videos: str) -> Videos:
    if videos not in get_args(Videos):
        known = ", ".join(get_args(Videos))
        raise ConversionError(f"videos cannot be treated as '{videos}'", remedy=f"known: {known}")
    return cast("Videos", videos)


def _check_imported(kind: Kind, source: Path, to: str) -> None:
    """Refuse other targets than a project for the labels of another tool."""
    if kind is Kind.DEEPLABCUT and to == DEEPLABCUT:
        raise ConversionError(
            "this is a DeepLabCut project already",
            where=source,
            remedy="leave --to out to make a project of lp, or copy the folder",
        )
    if to != PROJECT:
        raise ConversionError(
            f"{kind.value} cannot become {to} at once",
            where=source,
            remedy="convert to a project first (a folder as the target), then that to the other",
        )


def _is_model(source: Path) -> ConversionError:
    """The error that a model directory of ours is neither labels nor predictions."""
    tables = [*visible(source, "predictions*.csv")]
    if (source / VIDEO_FOLDER).is_dir():
        tables = [*visible(source / VIDEO_FOLDER, "*.csv"), *tables]
    such = f", such as {tables[0]}" if tables else ""
    return ConversionError(
        "this is a model of lp, which holds a copy of the labels but not their pictures",
        where=source,
        remedy=f"give a table of predictions{such}, or the project that it was trained on "
        f"(data.data_dir in its {CONFIG_FILE})",
    )


def _target_format(kind: Kind, target: Path, wanted: str | None) -> str:
    if wanted in TARGETS:
        return wanted
    if wanted is not None:
        raise ConversionError(f"there is no format '{wanted}'", remedy=suggestion(wanted, TARGETS))
    if target.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[target.suffix.lower()]
    if target.suffix and not target.is_dir():
        raise ConversionError(
            f"'{target.suffix}' does not tell what to write",
            where=target,
            remedy=f"add --to with one of: {', '.join(TARGETS)}",
        )
    return DEEPLABCUT if kind in (Kind.PROJECT, Kind.LABEL_CSV) else PROJECT


def _model(source: Path, target: Path, to: str | None, *, overwrite: bool) -> ConversionReport:
    if to is not None:
        raise ConversionError(
            f"a model cannot become {to}",
            where=source,
            remedy="leave --to out: it becomes a model directory",
        )
    from lp_pipeline.conversion.lightning_pose import convert_lightning_pose

    return convert_lightning_pose(source, target, overwrite=overwrite)


def _predictions(
    source: Path, target: Path, to: str, individual: str | None, wishes: WriteOptions
) -> ConversionReport:
    if to in (PROJECT, DEEPLABCUT):
        raise ConversionError(
            "predictions are not labels, and make no project",
            where=source,
            remedy="give a file as the target, such as one ending in .h5, .slp or .nc",
        )
    several = individual is None
    table = in_frame_order(read_predictions(source, individual=individual, several=several), source)
    notes = write_predictions(table, target, to, wishes)
    kept = f"{kept_rows(table)}, predicted by {table.scorer}"
    return ConversionReport(target, kept=[kept], left_out=notes)


def _export(
    source: Path, target: Path, to: str, videos: Videos, *, overwrite: bool
) -> ConversionReport:
    from lp_data.images import image_size
    from lp_data.pictures import count_neighbours
    from lp_io.projects.exporting import export_coco, export_deeplabcut, export_sleap
    from lp_pipeline.conversion.projects import read_own_labels

    if to not in (DEEPLABCUT, "coco", "sleap"):
        raise ConversionError(
            f"labels cannot become {to}",
            where=source,
            remedy=f"known: {DEEPLABCUT} (a folder), coco, sleap",
        )
    labels = read_own_labels(source)
    if to == "coco":
        return export_coco(labels, target, image_size)
    if to == "sleap":
        return export_sleap(labels, target)
    around = count_neighbours(labels.images)
    return export_deeplabcut(labels, target, videos=videos, neighbours=around, overwrite=overwrite)
