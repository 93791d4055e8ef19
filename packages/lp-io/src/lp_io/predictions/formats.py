"""The formats of prediction tables, by the ending of a file's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lp_core.atomic import atomic_write
from lp_core.errors import PoseError, suggestion
from lp_core.poses import Animals, Content, PoseTable, read_pose_csv, write_pose_csv
from lp_io.tables.coco import read_coco_predictions, write_coco_predictions
from lp_io.tables.h5 import read_h5, write_h5
from lp_io.tables.movement import read_movement, write_movement
from lp_io.tables.parquet import read_parquet, write_parquet
from lp_io.tables.sleap import read_sleap_predictions, write_sleap_predictions
from lp_io.untrusted.content import reading, writing


@dataclass(frozen=True)
class WriteOptions:
    """What some formats can keep beside the table."""

    fps: float | None = None
    """Frames per second of the video, for times in seconds (movement)."""
    video: str = ""
    """The video that frame numbers count in (SLEAP)."""


Read = Callable[[Path, Animals], PoseTable]


@dataclass(frozen=True)
class PredictionFormat:
    """One format.

    Attributes:
        name: What it is called.
        suffixes: How the names of its files end; the first is the usual one.
        described: What it is, in a few words.
        read: Reads animals of a file.
        write: Writes a file in place, and may tell what could not be kept.
        options: The fields of `WriteOptions` that it takes.
    """

    name: str
    suffixes: tuple[str, ...]
    described: str
    read: Read
    write: Callable[..., list[str] | None]
    options: tuple[str, ...] = ()


def _wide(read: Callable[[Path, Content, Animals], PoseTable]) -> Read:
    """A reader of labels or predictions, for predictions."""
    return lambda path, animals: read(path, Content.PREDICTIONS, animals)


_KEEPS_SCORES = ("coco", "sleap")

FORMATS = (
    PredictionFormat("csv", (".csv",), "DeepLabCut's CSV", _wide(read_pose_csv), write_pose_csv),
    PredictionFormat("h5", (".h5", ".hdf5"), "DeepLabCut's HDF5", _wide(read_h5), write_h5),
    PredictionFormat("parquet", (".parquet",), "Parquet", _wide(read_parquet), write_parquet),
    PredictionFormat(
        "coco", (".json",), "COCO keypoints", read_coco_predictions, write_coco_predictions
    ),
    PredictionFormat(
        "sleap", (".slp",), "SLEAP", read_sleap_predictions, write_sleap_predictions, ("video",)
    ),
    PredictionFormat(
        "movement", (".nc",), "movement's NetCDF", read_movement, write_movement, ("fps",)
    ),
)
"""Every format of prediction tables."""


def format_of(path: Path, name: str | None = None) -> PredictionFormat:
    """The format of that name, or the one that the ending of a file's name stands for.

    Raises:
        PoseError: There is none.
    """
    suffix = path.suffix.lower()
    for known in FORMATS:
        if known.name == name or (name is None and suffix in known.suffixes):
            return known
    if name is not None:
        raise PoseError(
            f"there is no format '{name}' of prediction tables",
            remedy=suggestion(name, [known.name for known in FORMATS]),
        )
    if path.is_dir():
        raise PoseError(
            "this is a folder, and not a table of predictions",
            where=path,
            remedy="give one of the files in it",
        )
    listing = ", ".join(f"{known.suffixes[0]} ({known.described})" for known in FORMATS)
    raise PoseError(
        f"'{suffix}' is not an ending of a prediction table", where=path, remedy=f"known: {listing}"
    )


def read_predictions(
    path: str | Path,
    format_name: str | None = None,
    *,
    individual: str | None = None,
    several: bool = False,
) -> PoseTable:
    """Read predictions in any format.

    Args:
        path: The file.
        format_name: The format's name; None takes the one that the file's name ends in.
        individual: Which animal to take, where the file names several. Keypoints that exist once
            in the scene, DeepLabCut's animal ``single``, belong to whichever is taken.
        several: Take all animals, each with rows of its own; else there must be one, or one chosen.

    Raises:
        PoseError: The file is missing, damaged or no table of predictions, or holds
            several animals and none is chosen.
        MissingExtraError: The format needs a library that is not installed.
    """
    path = Path(path)
    known = format_of(path, format_name)
    with reading(path, PoseError, known.described):
        return known.read(path, Animals(individual, several))


def write_predictions(
    table: PoseTable,
    path: str | Path,
    format_name: str | None = None,
    options: WriteOptions | None = None,
) -> list[str]:
    """Write a prediction table in any format; the file appears whole or not at all.

    Args:
        table: The predictions.
        path: The file; an existing one is replaced.
        format_name: See `read_predictions`.
        options: What the format may keep beside the table.

    Returns:
        What the format could not keep, in words; empty where it kept everything.

    Raises:
        PoseError: The file cannot be written, or the format cannot keep a name.
        MissingExtraError: The format needs a library that is not installed.
    """
    path = Path(path)
    known = format_of(path, format_name)
    with writing(path, PoseError), atomic_write(path) as temporary:
        given = {name: getattr(options or WriteOptions(), name) for name in known.options}
        lost = known.write(table, temporary, **given) or []
    several = table.individual is not None  # the score of one animal is made of its confidences
    if several and table.score is not None and known.name not in _KEEPS_SCORES:
        lost.append(f"the scores of {len(table)} animals")
    return lost
