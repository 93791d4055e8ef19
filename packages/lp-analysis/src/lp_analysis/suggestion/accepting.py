"""Add guesses that a person has checked to the labels of a project."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lp_analysis.errors import SuggestionError
from lp_core.atomic import atomic_text
from lp_core.errors import PoseError, suggestion, unwritable_as
from lp_core.poses import Animals, Content, PoseTable
from lp_core.poses.csv_header import CsvHeader
from lp_core.poses.csv_reading import opened_pose_csv
from lp_core.poses.csv_text import csv_line
from lp_data.labels import read_labels
from lp_io.predictions import read_predictions


class Accepted(NamedTuple):
    """What became of checked guesses.

    Attributes:
        added: Images whose labels were added.
        kept: Images that had labels already, which stay as they are.
        empty: Images without any position, which are left out; in a project of several animals,
            they are added as images without any animal.
    """

    added: tuple[str, ...]
    kept: tuple[str, ...]
    empty: tuple[str, ...] = ()

    @property
    def told(self) -> str:
        """In words."""
        said = f"{len(self.added)} images are labelled now"
        if self.kept:
            said += f"; {len(self.kept)} were labelled already, and stay as they are"
        return f"{said}; {len(self.empty)} have no position yet" if self.empty else said


def accept_suggestions(checked: Path, label_file: Path) -> Accepted:
    """Add the rows of a checked table to a label file, each as a label of its image.

    Every row counts as checked: delete those that are not from the table first. Lines are only
    added at the end of the label file; what is there stays as it is, byte for byte.

    Args:
        checked: Guesses that were corrected: a table of predictions, or a label file.
        label_file: The labels of the project.

    Raises:
        PoseError: A file cannot be read.
        SuggestionError: They have other keypoints or animals than the labels.
    """
    known = set(read_labels(label_file, require_labels=False).image_paths)
    table = _checked(checked)
    with opened_pose_csv(label_file, Content.LABELS, Animals(several=True)) as file:
        header = file.header
    found: dict[str, list[str]] = {"added": [], "kept": [], "empty": []}
    lines = []
    for image, rows in ((str(image), table.rows(rows)) for image, rows in table.by_frame()):
        says_nothing = header.layout.individual is None and not rows.codes.any()
        fate = "kept" if image in known else "empty" if says_nothing else "added"
        found[fate].append(image)
        lines += [_line(image, rows, header)] if fate == "added" else []
    text = label_file.read_text(encoding="utf-8")
    with (
        unwritable_as(SuggestionError, "the label file", label_file),
        atomic_text(label_file) as stream,
    ):
        stream.write(text if text.endswith("\n") else f"{text}\n")
        stream.writelines(lines)
    return Accepted(**{name: tuple(images) for name, images in found.items()})


def _checked(path: Path) -> PoseTable:
    """A table of guesses, or what a labelling tool has made of it."""
    try:
        return read_predictions(path, several=True)
    except PoseError as error:
        try:
            return read_labels(path)
        except PoseError:
            raise error from None


def _line(image: str | int, rows: PoseTable, header: CsvHeader) -> str:
    """The line of an image in a label file."""
    cells = [""] * header.width
    index = [str(image)] if header.index_columns == 1 else str(image).split("/")
    if len(index) != header.index_columns:
        raise SuggestionError(
            f"the path '{image}' has not the three parts labeled-data, video and image that the "
            "label file has",
            where=header.path,
        )
    cells[: len(index)] = index
    for row, name in enumerate(rows.individual or (None,) * len(rows)):
        if not rows.codes[row].any():
            continue
        animal = _animal(name, header)
        for column, keypoint in enumerate(rows.keypoint_names):
            places = _places(keypoint, animal, header)
            point, code = rows.points[row, column], int(rows.codes[row, column])
            values = (*(repr(v) if v == v else "" for v in point.tolist()), str(code))
            for place, value in zip(places, values, strict=False):
                cells[place] = value
    return csv_line(cells)


def _places(keypoint: str, animal: int, header: CsvHeader) -> list[int]:
    """The columns of x, y and, where the file has it, the visibility of a keypoint."""
    names = header.layout.skeleton.names
    if keypoint not in names:
        raise SuggestionError(
            f"the labels have no keypoint '{keypoint}'",
            where=header.path,
            remedy=suggestion(keypoint, names),
        )
    columns = header.layout.columns[animal, names.index(keypoint)].tolist()
    return [header.places[column] for column in columns if column >= 0]


def _animal(name: str | None, header: CsvHeader) -> int:
    """The number of an animal among those of the label file."""
    known = header.layout.individual
    if known is None or (name is None and len(known) == 1):
        return 0
    if name not in known:
        raise SuggestionError(
            f"the labels have no animal '{name}', only {', '.join(map(str, known))}",
            where=header.path,
            remedy="write the names of the label file's animals into the checked table",
        )
    return known.index(name)
