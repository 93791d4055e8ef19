"""Write label files in the CSV layout of DeepLabCut and Lightning Pose."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lp_core.atomic import written_beside
from lp_core.errors import unwritable
from lp_data.errors import LabelFileError
from lp_data.labels.table import LabelTable, Visibility


def write_labels(table: LabelTable, path: str | Path) -> None:
    """Write a label file that `read_labels` reads back exactly.

    The path takes one column; ``visible`` is written only where it says more than the positions do.
    The file appears whole or not at all.

    Args:
        table: The labels.
        path: The file to write; an existing one is replaced.

    Raises:
        LabelFileError: The file cannot be written.
    """
    path = Path(path)
    coords = ("x", "y", "visible") if _says_more(table) else ("x", "y")
    try:
        with written_beside(path) as beside, beside.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows(_header(table, coords))
            writer.writerows(_rows(table, with_visible="visible" in coords))
    except OSError as error:
        raise unwritable(LabelFileError, "the label file", path, error) from error


def _says_more(table: LabelTable) -> bool:
    """Whether the visibility is stated, or cannot be told from the positions alone."""
    implied = np.where(table.has_position, Visibility.VISIBLE, Visibility.UNLABELED)
    return table.states_visibility or bool((table.visibility != implied).any())


def _header(table: LabelTable, coords: tuple[str, ...]) -> Iterator[list[str]]:
    names = [name for name in table.keypoint_names for _ in coords]
    yield ["scorer", *[table.scorer] * len(names)]
    yield ["bodyparts", *names]
    yield ["coords", *coords * table.num_keypoints]


def _rows(table: LabelTable, *, with_visible: bool) -> Iterator[list[str]]:
    for image, keypoints, codes in zip(
        table.image_paths, table.keypoints.tolist(), table.visibility.tolist(), strict=True
    ):
        row = [image]
        for (x, y), code in zip(keypoints, codes, strict=True):
            row += [_cell(x), _cell(y)]
            if with_visible:
                row.append(str(code))
        yield row


def _cell(value: float) -> str:
    """The shortest text that is read back as the same number."""
    return repr(value) if math.isfinite(value) else ""
