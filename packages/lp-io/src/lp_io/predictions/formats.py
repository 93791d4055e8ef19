"""The formats of prediction tables, by the ending of a file's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lp_core.atomic import written_beside
from lp_core.errors import nearest_name
from lp_io.errors import PredictionFileError
from lp_io.predictions.reading import read_predictions_csv
from lp_io.predictions.table import PredictionTable
from lp_io.predictions.writing import write_predictions_csv
from lp_io.untrusted.content import reading, writing


@dataclass(frozen=True)
class WriteOptions:
    """What some formats can keep beside the table.

    Attributes:
        fps: Frames per second of the video, for times in seconds (movement).
        video: The video that frame numbers count in (SLEAP).
    """

    fps: float | None = None
    video: str = ""


@dataclass(frozen=True)
class PredictionFormat:
    """One format.

    Attributes:
        name: What it is called.
        suffixes: How the names of its files end; the first is the usual one.
        described: What it is, in a few words.
        read: Reads one animal of a file; without a name the only one.
        write: Writes a file in place, and tells what could not be kept.
    """

    name: str
    suffixes: tuple[str, ...]
    described: str
    read: Callable[[Path, str | None], PredictionTable]
    write: Callable[[PredictionTable, Path, WriteOptions], list[str]]


def _write_csv(table: PredictionTable, path: Path, options: WriteOptions) -> list[str]:
    write_predictions_csv(table, path)
    return []


def _read_h5(path: Path, individual: str | None) -> PredictionTable:
    from lp_io.keypoint_frame.frame import predictions_of_frame
    from lp_io.keypoint_frame.h5_reading import read_h5

    return predictions_of_frame(*read_h5(path), individual)


def _write_h5(table: PredictionTable, path: Path, options: WriteOptions) -> list[str]:
    from lp_io.keypoint_frame.frame import frame_of_predictions
    from lp_io.keypoint_frame.h5_writing import write_h5

    write_h5(frame_of_predictions(table), path, table.sets)
    return []


def _read_parquet(path: Path, individual: str | None) -> PredictionTable:
    from lp_io.keypoint_frame.frame import predictions_of_frame
    from lp_io.keypoint_frame.parquet import read_parquet

    return predictions_of_frame(*read_parquet(path), individual)


def _write_parquet(table: PredictionTable, path: Path, options: WriteOptions) -> list[str]:
    from lp_io.keypoint_frame.frame import frame_of_predictions
    from lp_io.keypoint_frame.parquet import write_parquet

    write_parquet(frame_of_predictions(table), path, table.sets)
    return []


def _read_coco(path: Path, individual: str | None) -> PredictionTable:
    from lp_io.predictions.coco import read_coco_predictions

    return read_coco_predictions(path, individual)


def _write_coco(table: PredictionTable, path: Path, options: WriteOptions) -> list[str]:
    from lp_io.predictions.coco import write_coco_predictions

    return write_coco_predictions(table, path)


def _read_sleap(path: Path, individual: str | None) -> PredictionTable:
    from lp_io.predictions.sleap import read_sleap_predictions

    return read_sleap_predictions(path, individual)


def _write_sleap(table: PredictionTable, path: Path, options: WriteOptions) -> list[str]:
    from lp_io.predictions.sleap import write_sleap_predictions

    return write_sleap_predictions(table, path, video=options.video)


def _read_movement(path: Path, individual: str | None) -> PredictionTable:
    from lp_io.predictions.movement import read_movement

    return read_movement(path, individual)


def _write_movement(table: PredictionTable, path: Path, options: WriteOptions) -> list[str]:
    from lp_io.predictions.movement import write_movement

    return write_movement(table, path, fps=options.fps)


FORMATS = (
    PredictionFormat("csv", (".csv",), "DeepLabCut's CSV", read_predictions_csv, _write_csv),
    PredictionFormat("h5", (".h5", ".hdf5"), "DeepLabCut's HDF5", _read_h5, _write_h5),
    PredictionFormat("parquet", (".parquet",), "Parquet", _read_parquet, _write_parquet),
    PredictionFormat("coco", (".json",), "COCO keypoints", _read_coco, _write_coco),
    PredictionFormat("sleap", (".slp",), "SLEAP", _read_sleap, _write_sleap),
    PredictionFormat("movement", (".nc",), "movement's NetCDF", _read_movement, _write_movement),
)
"""Every format of prediction tables."""


def format_named(name: str) -> PredictionFormat:
    """The format of that name.

    Raises:
        PredictionFileError: There is none.
    """
    for known in FORMATS:
        if known.name == name:
            return known
    names = [known.name for known in FORMATS]
    guess = nearest_name(name, names)
    raise PredictionFileError(
        f"there is no format '{name}' of prediction tables",
        remedy=(f"did you mean '{guess}'? " if guess else "") + f"known: {', '.join(names)}",
    )


def format_of(path: str | Path) -> PredictionFormat:
    """The format that the ending of a file's name stands for.

    Raises:
        PredictionFileError: It stands for none.
    """
    suffix = Path(path).suffix.lower()
    for known in FORMATS:
        if suffix in known.suffixes:
            return known
    if Path(path).is_dir():
        raise PredictionFileError(
            "this is a folder, and not a table of predictions",
            where=path,
            remedy="give one of the files in it",
        )
    listing = ", ".join(f"{known.suffixes[0]} ({known.described})" for known in FORMATS)
    raise PredictionFileError(
        f"'{suffix}' is no ending of a prediction table", where=path, remedy=f"known: {listing}"
    )


def read_predictions(
    path: str | Path, format_name: str | None = None, *, individual: str | None = None
) -> PredictionTable:
    """Read the predictions of one animal in any format.

    Args:
        path: The file.
        format_name: The format's name; None takes the one that the file's name ends in.
        individual: Which animal to take, where the file names several. Keypoints that exist once
            in the scene, DeepLabCut's animal ``single``, belong to whichever is taken.

    Raises:
        PredictionFileError: The file is missing, damaged or no table of predictions, or holds
            several animals and none is chosen.
        MissingExtraError: The format needs a library that is not installed.
    """
    path = Path(path)
    known = format_of(path) if format_name is None else format_named(format_name)
    with reading(path, PredictionFileError, known.described):
        return known.read(path, individual)


def write_predictions(
    table: PredictionTable,
    path: str | Path,
    format_name: str | None = None,
    options: WriteOptions | None = None,
) -> list[str]:
    """Write a prediction table in any format; the file appears whole or not at all.

    Args:
        table: The predictions.
        path: The file; an existing one is replaced.
        format_name: The format's name; None takes the one that the file's name ends in.
        options: What the format may keep beside the table.

    Returns:
        What the format could not keep, in words; empty where it kept everything.

    Raises:
        PredictionFileError: The file cannot be written, or the format cannot keep a name.
        MissingExtraError: The format needs a library that is not installed.
    """
    path = Path(path)
    known = format_of(path) if format_name is None else format_named(format_name)
    with writing(path, PredictionFileError), written_beside(path) as beside:
        return known.write(table, beside, options or WriteOptions())
