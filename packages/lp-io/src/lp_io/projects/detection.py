"""What a file or folder is, told by what it holds, and the command that makes a project of it."""

from __future__ import annotations

from contextlib import suppress
from enum import Enum
from itertools import islice
from pathlib import Path

from lp_core.errors import LPError, PoseError
from lp_core.listing import visible
from lp_core.paths import foreign_path_hint
from lp_core.poses.csv_text import opened_csv_rows
from lp_core.text import quoted
from lp_io.errors import ConversionError
from lp_io.lightning_pose.checkpoint import is_lightning_pose_model_dir
from lp_io.model_directory import CONFIG_FILE, MANIFEST_NAME
from lp_io.projects import LabeledImages
from lp_io.projects.coco import read_coco_labels
from lp_io.projects.deeplabcut import is_deeplabcut_project, read_deeplabcut_project
from lp_io.projects.sleap import read_sleap_labels
from lp_io.tables.coco import read_coco
from lp_io.untrusted import hdf5
from lp_io.untrusted.content import ContentError, reading


class Kind(Enum):
    """What can be converted."""

    PREDICTIONS = "a table of predictions"
    LABEL_CSV = "a label file"
    DEEPLABCUT = "a DeepLabCut project"
    SLEAP_LABELS = "SLEAP labels"
    COCO_LABELS = "COCO labels"
    LIGHTNING_POSE_MODEL = "a model of Lightning Pose"
    PROJECT = "a project of lp"
    MODEL = "a model of lp"


def detect(path: Path) -> Kind:
    """What ``path`` is.

    Raises:
        ConversionError: It is missing, or nothing that can be converted.
        MissingExtraError: The library that could tell is not installed.
    """
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        hint = foreign_path_hint(str(path))
        raise ConversionError("there is no such file or folder", where=path, remedy=hint)
    with reading(path, ConversionError, "the file"):
        match path.suffix.lower():
            case ".slp":
                return _slp(path)
            case ".json":
                predicted = read_coco(path).is_predicted
                return Kind.PREDICTIONS if predicted else Kind.COCO_LABELS
            case ".csv":
                return Kind.PREDICTIONS if "likelihood" in _coords(path) else Kind.LABEL_CSV
            case ".parquet" | ".nc" | ".h5" | ".hdf5":
                return Kind.PREDICTIONS
    raise ConversionError(
        f"nothing is known about files ending in '{path.suffix}'",
        where=path,
        remedy="known: DeepLabCut projects, .slp, .pkg.slp, COCO .json, and tables in .csv, .h5, "
        ".parquet and .nc",
    )


def _folder(path: Path) -> Kind:
    if all((path / name).is_file() for name in (MANIFEST_NAME, CONFIG_FILE)):
        return Kind.MODEL
    if is_lightning_pose_model_dir(path):
        return Kind.LIGHTNING_POSE_MODEL
    if is_deeplabcut_project(path):
        return Kind.DEEPLABCUT
    tables = map(_coords, visible(path, "*.csv"))
    if any({"x", "y"} <= set(coords) and "likelihood" not in coords for coords in tables):
        return Kind.PROJECT
    raise ConversionError(
        "the folder is neither a DeepLabCut project nor one of lp",
        where=path,
        remedy="a DeepLabCut project has config.yaml and labeled-data, one of lp a label file such "
        "as CollectedData.csv",
    )


def _coords(path: Path) -> list[str]:
    """The row ``coords`` of a table of DeepLabCut; empty where there is none."""
    try:
        with opened_csv_rows(path, "table") as rows:
            header = [row.cells for row in islice(rows, 4)]
    except PoseError:
        return []
    return next((cells[1:] for cells in header if cells[0] == "coords"), [])


def _slp(path: Path) -> Kind:
    """Labels where the file holds a single labelled instance, predictions otherwise."""
    with hdf5.opened(path, "sleap") as file:
        kinds = hdf5.array(file, "instances")
        if "instance_type" not in (kinds.dtype.names or ()):
            raise ContentError("this HDF5 file is not one of SLEAP's")
        is_label = (kinds["instance_type"] == 0).any() or not len(kinds)
    return Kind.SLEAP_LABELS if is_label else Kind.PREDICTIONS


def read_foreign_labels(
    kind: Kind,
    source: Path,
    *,
    scorer: str | None = None,
    individual: str | None = None,
    images: Path | None = None,
) -> LabeledImages:
    """The labels of another tool.

    Args:
        kind: What `detect` tells.
        source: The project or file.
        scorer: Whose labels to take of a DeepLabCut project.
        individual: Which animal to take; None takes all.
        images: The folder that a COCO file's names are relative to.

    Raises:
        ConversionError: The labels cannot be read.
    """
    if kind is Kind.DEEPLABCUT:
        return read_deeplabcut_project(source, scorer=scorer, individual=individual)
    if kind is Kind.SLEAP_LABELS:
        return read_sleap_labels(source, individual=individual)
    return read_coco_labels(source, images=images, individual=individual)


_FOREIGN = (Kind.DEEPLABCUT, Kind.SLEAP_LABELS, Kind.COCO_LABELS)


def conversion_hint(path: Path) -> str | None:
    """What the labels of another tool at a path are, and the command that converts them.

    Args:
        path: A folder, a file in it such as DeepLabCut's ``config.yaml``, or a file of labels.

    Returns:
        None where there are no such labels.
    """
    for place in _candidates(path):
        kind = None
        with suppress(LPError, OSError):
            kind = detect(place)
        if kind in _FOREIGN:
            absolute, here = place.absolute(), Path.cwd()
            shown = absolute.relative_to(here) if here in absolute.parents else absolute
            target = shown.with_name(f"{place.stem.replace('.', '_')}_lp")
            command = f"litpose convert {quoted(shown)} {quoted(target)}"
            return f"this is {kind.value}; make a project of it with: {command}"
    return None


def _candidates(path: Path) -> list[Path]:
    """The path itself, the folder of a config, and the labels in a folder."""
    if path.is_dir():
        return [path, *sorted(path.glob("*.slp")), *sorted(path.glob("*.json"))]
    return [path, path.parent] if path.suffix.lower() in (".yaml", ".yml") else [path]
