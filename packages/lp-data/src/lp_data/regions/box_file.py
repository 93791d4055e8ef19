"""Files of boxes, in the format of Lightning Pose's ``bbox_file``.

A header and then one row for each box: in front the path of an image or the number of a frame,
then columns ``x``, ``y``, ``h``, ``w`` in any order, the upper left corner and the size in frame
px. Ours are three more, each optional: ``individual``, ``view`` and ``score``. The columns ``area``
and ``whole_area``, which synthetic projects have, may be there and are not read.

Boxes and frames are joined by name, never by position. The pixels whose columns are from x to
x + w - 1 and whose rows are from y to y + h - 1 belong to a box; edges between pixels are rounded
to the nearest one, so that what is cut is exactly what `lp_core.regions.Box` says.
"""

from __future__ import annotations

import hashlib
import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from lp_core.errors import PoseError, nearest_name, suggestion
from lp_core.poses.csv_text import opened_csv_rows, place_in
from lp_core.regions import Box, Region
from lp_data.errors import BoxFileError

_BOX = ("x", "y", "h", "w")
_OPTIONAL = ("individual", "view", "score")
_UNUSED = ("area", "whole_area")
_WORDS = "box file"


class Boxes:
    """The boxes of files: a `lp_core.regions.RegionSource`.

    Args:
        found: For each frame its boxes.
        files: Where they were read, for messages.
        digest: Changes when a file does.
    """

    def __init__(
        self, found: Mapping[str | int, Sequence[Region]], files: str, digest: str
    ) -> None:
        self._regions = {frame: tuple(boxes) for frame, boxes in found.items()}
        self.files = files
        self.digest = digest

    def __len__(self) -> int:
        """The number of frames that have a box."""
        return len(self._regions)

    def regions(self, frame: str | int) -> tuple[Region, ...]:
        """The boxes of a frame, in the order of the files.

        Raises:
            BoxFileError: There is none.
        """
        found = self._regions.get(_normal(frame) if isinstance(frame, str) else frame)
        if found is None:
            raise BoxFileError(
                f"there is no box for {_named(frame)}", where=self.files, remedy=self._remedy(frame)
            )
        return found

    def of_video(self, frames: int) -> list[tuple[Region, ...]]:
        """The boxes of a video: for each individual and view those of all frames, in their order.

        Raises:
            BoxFileError: A frame lacks a box, or a box is of a frame that the video does not have.
        """
        beyond = [frame for frame in self._regions if isinstance(frame, str) or frame >= frames]
        if beyond and all(isinstance(frame, int) for frame in beyond):
            raise BoxFileError(
                f"there is a box for {_named(beyond[0])}, but the video has {frames} frames",
                where=self.files,
                remedy="give the boxes of this video; frames count from 0",
            )
        first = self.regions(0)
        order = sorted(range(len(first)), key=lambda place: _kind(first[place]))
        by_frame = [sorted(self.regions(frame), key=_kind) for frame in range(frames)]
        for frame, regions in enumerate(by_frame):
            if list(map(_kind, regions)) != list(map(_kind, by_frame[0])):
                raise BoxFileError(
                    f"frame {frame} does not have the same individuals and views as frame 0",
                    where=self.files,
                    remedy="give every frame of a video one box for each of them",
                )
        tracks = dict(zip(order, zip(*by_frame, strict=True), strict=True))
        return [tracks[place] for place in range(len(first))]

    def _remedy(self, frame: str | int) -> str:
        """What to do about a frame without a box."""
        first = next(iter(self._regions), None)
        if isinstance(first, int) != isinstance(frame, int):
            kinds = ("a video", "images") if isinstance(first, int) else ("images", "a video")
            return f"the file holds boxes of {kinds[0]}: give one with boxes of {kinds[1]}"
        named = isinstance(frame, str)
        guess = nearest_name(str(frame), map(str, self._regions)) if named else None
        hint = f"there is one for '{guess}'; " if guess else ""
        return f"{hint}every frame needs a box; that of a whole frame is 0,0,height,width"


def _kind(region: Region) -> tuple[str, str]:
    """What tells the boxes of one frame apart."""
    return str(region.individual), str(region.view)


def read_boxes(files: Mapping[str, Path] | Sequence[Path]) -> Boxes:
    """Read one file of boxes, or several of the same frames.

    Args:
        files: The files; of a mapping, the keys are the views that their boxes show.

    Raises:
        BoxFileError: A file cannot be read without guessing, or a box occurs twice.
    """
    named = files.items() if isinstance(files, Mapping) else ((None, file) for file in files)
    found: dict[str | int, list[Region]] = defaultdict(list)
    digest, paths = hashlib.sha256(), []
    for view, path in named:
        paths.append(str(path))
        digest.update(repr(view).encode())
        seen: dict[tuple[str | int, str | None, str | None], str] = {}
        for frame, region, place in _read(path, view):
            key = (frame, region.individual, region.view)
            if key in seen:
                raise BoxFileError(
                    f"{_named(frame)} has two boxes", where=f"{seen[key]}; {place}",
                    remedy="tell them apart by a column 'individual' or 'view'",
                )  # fmt: skip
            seen[key] = place
            found[frame].append(region)
            digest.update(repr((frame, region)).encode())
    kinds = {type(frame) for frame in found}
    if len(kinds) != 1:
        problem = "some boxes are of images, some of frames of a video" if kinds else "no boxes"
        raise BoxFileError(f"{problem} in the box file", where=", ".join(paths))
    return Boxes(found, ", ".join(paths), digest.hexdigest())


def _read(path: Path, view: str | None) -> Iterator[tuple[str | int, Region, str]]:
    """The frame and the box of each row of one file, and where it is."""
    try:
        with opened_csv_rows(path, _WORDS) as rows:
            header = next(rows, None)
            if header is None:
                raise BoxFileError("the box file is empty", where=path)
            columns = _columns(path, [cell.strip() for cell in header.cells], view)
            for row in rows:
                cells = [cell.strip() for cell in row.cells]
                if any(cells):
                    yield _row(_Cells(path, row.line, cells, len(header.cells)), columns, view)
    except PoseError as error:
        raise BoxFileError(error.problem, where=error.where, remedy=error.remedy) from error


def _columns(path: Path, header: list[str], view: str | None) -> dict[str, int]:
    """Where the columns are."""
    place = f"{path}, line 1"
    optional = (*_OPTIONAL, *_UNUSED)
    known = [*_BOX, *(name for name in optional if view is None or name != "view")]
    for number, name in enumerate(header[1:], 1):
        if name in known and name not in header[1:number]:
            continue
        rest = f"after the frame, columns may be {', '.join(known)}"
        problem = f"the column '{name}' comes twice" if name in known else f"no column is '{name}'"
        raise BoxFileError(
            problem, where=f"{place}, column {number + 1}",
            remedy=suggestion(name, known, rest),
        )  # fmt: skip
    absent = [name for name in _BOX if name not in header[1:]]
    if absent:
        raise BoxFileError(
            f"there is no column '{absent[0]}'",
            where=place,
            remedy="the first column names the frame, and x, y, h, w follow",
        )
    return {name: number for number, name in enumerate(header) if number}


class _Cells(NamedTuple):
    """One row, and where it is."""

    path: Path
    line: int
    cells: list[str]
    width: int

    def error(self, problem: str, column: int, remedy: str | None = None) -> BoxFileError:
        where = place_in(self.path, self.line, column)
        return BoxFileError(problem, where=where, remedy=remedy)

    def number(self, column: int, name: str) -> float:
        cell = self.cells[column]
        try:
            value = float(cell) if "_" not in cell else math.nan
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(f"'{cell}' is not a number for {name}", column)
        return value


def _row(
    row: _Cells, columns: Mapping[str, int], view: str | None
) -> tuple[str | int, Region, str]:
    if len(row.cells) != row.width:
        raise row.error(
            f"the row has {len(row.cells)} cells, the header {row.width}", len(row.cells) - 1
        )
    x, y, height, width = (row.number(columns[name], name) for name in _BOX)
    for name, size in (("h", height), ("w", width)):
        if not 0.5 <= size < 1 << 24:
            raise row.error(f"{name} must be at least 1 px, got {size:g}", columns[name])
    left, top = math.floor(x + 0.5), math.floor(y + 0.5)
    right, bottom = math.floor(x + width + 0.5), math.floor(y + height + 0.5)
    named = {name: row.cells[columns[name]] or None for name in columns if name in _OPTIONAL}
    score = row.number(columns["score"], "score") if named.get("score") else 1.0
    if not 0 <= score <= 1:
        raise row.error(f"a score is from 0 to 1, got {score:g}", columns["score"])
    region = Region(
        Box(left, top, max(1, right - left), max(1, bottom - top)),
        named.get("individual"),
        view or named.get("view"),
        score,
    )
    return _frame(row), region, f"{row.path}, line {row.line}"


def _frame(row: _Cells) -> str | int:
    """The frame that a row is of: a number, or the path of an image."""
    cell = row.cells[0]
    if not cell:
        raise row.error("the row does not name its frame", 0)
    if cell.isascii() and cell.isdigit():
        return int(cell)
    if "." not in cell or cell.replace(".", "", 1).replace("-", "", 1).isdigit():
        raise row.error(f"'{cell}' is neither a frame number nor the path of an image", 0)
    return _normal(cell)


def _normal(path: str) -> str:
    """A path in the form in which paths are compared."""
    parts = [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]
    return unicodedata.normalize("NFC", "/".join(parts))


def _named(frame: str | int) -> str:
    return f"frame {frame}" if isinstance(frame, int) else f"'{frame}'"
