"""What can become what, and tables of predictions in other formats."""

from __future__ import annotations

from pathlib import Path

from lp_core.errors import suggestion
from lp_core.listing import visible
from lp_io.animals import check_names
from lp_io.errors import ConversionError
from lp_io.model_directory import CONFIG_FILE, VIDEO_FOLDER
from lp_io.predictions import (
    FORMATS,
    WriteOptions,
    in_frame_order,
    read_predictions,
    write_predictions,
)
from lp_io.projects.detection import Kind
from lp_io.projects.report import ConversionReport, kept_rows
from lp_io.untrusted.content import reading

PROJECT, DEEPLABCUT = "project", "deeplabcut"
TARGETS = (PROJECT, DEEPLABCUT, *(known.name for known in FORMATS))
"""The formats that can be written."""

_OF_LABELS = (DEEPLABCUT, "coco", "sleap")
_SUFFIXES = {suffix: known.name for known in FORMATS for suffix in known.suffixes}


def target_format(kind: Kind, source: Path, target: Path, wanted: str | None) -> str:
    """The format to write, one of `TARGETS`.

    Args:
        kind: What the source is.
        source: What is converted.
        target: Its name tells the format where it is not asked for.
        wanted: The format that is asked for.

    Raises:
        ConversionError: There is no such format, or the source cannot become that.
    """
    to = wanted or _told_format(kind, target)
    if to not in TARGETS:
        raise ConversionError(f"there is no format '{to}'", remedy=suggestion(to, TARGETS))
    if kind is Kind.PREDICTIONS and to in (PROJECT, DEEPLABCUT):
        problem = "predictions are not labels, and make no project"
        remedy = "give a file as the target, such as one ending in .h5, .slp or .nc"
    elif kind in (Kind.PROJECT, Kind.LABEL_CSV) and to not in _OF_LABELS:
        problem = f"labels cannot become {to}"
        remedy = "known: deeplabcut (a folder), coco, sleap"
    elif kind is Kind.DEEPLABCUT and to == DEEPLABCUT:
        problem = "this is a DeepLabCut project already"
        remedy = "leave --to out to make a project of lp, or copy the folder"
    elif kind in (Kind.DEEPLABCUT, Kind.SLEAP_LABELS, Kind.COCO_LABELS) and to != PROJECT:
        problem = f"{kind.value} cannot become {to} at once"
        remedy = "convert to a project first (a folder as the target), then that to the other"
    else:
        return to
    raise ConversionError(problem, where=source, remedy=remedy)


def _told_format(kind: Kind, target: Path) -> str:
    if target.suffix.lower() in _SUFFIXES:
        return _SUFFIXES[target.suffix.lower()]
    if target.suffix and not target.is_dir():
        raise ConversionError(
            f"'{target.suffix}' does not tell what to write",
            where=target,
            remedy=f"add --to with one of: {', '.join(TARGETS)}",
        )
    return DEEPLABCUT if kind in (Kind.PROJECT, Kind.LABEL_CSV) else PROJECT


def is_model_error(source: Path) -> ConversionError:
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


def convert_predictions(
    source: Path, target: Path, to: str, options: WriteOptions, individual: str | None = None
) -> ConversionReport:
    """Write a table of predictions in another format.

    Args:
        source: The table.
        target: The file to write.
        to: Its format.
        options: What formats need beside the table.
        individual: Which animal to take; None takes all.

    Raises:
        LPError: The table cannot be read or written.
    """
    several = individual is None
    table = read_predictions(source, individual=individual, several=several)
    if source.suffix.lower() in (".json", ".slp"):  # in others, a name has one column
        with reading(source, ConversionError, "a table of predictions"):
            check_names(table)
    table = in_frame_order(table, source)
    notes = write_predictions(table, target, to, options)
    kept = f"{kept_rows(table)}, predicted by {table.scorer}"
    return ConversionReport(target, kept=[kept], left_out=notes)
