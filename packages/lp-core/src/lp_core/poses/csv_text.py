"""Text of CSV files: rows with the line that each came from, and lines to write."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from lp_core.atomic import atomic_text
from lp_core.errors import LPError, PoseError, unwritable_as

EMPTY_CELLS = frozenset({"", "nan", "na", "n/a", "null", "none", "<na>"})
"""What cells hold, in small letters, where a number is missing."""

_SAVE_AS_CSV = "save it as a comma-separated CSV file in UTF-8"


class Row(NamedTuple):
    """One row of a CSV file.

    Attributes:
        line: The line of the file on which the row ends, from 1.
        cells: Its cells.
    """

    line: int
    cells: list[str]


@contextmanager
def opened_csv_rows(path: Path, words: str) -> Iterator[Iterator[Row]]:
    """The rows of a text file in UTF-8 that hold anything, read as they are asked for.

    Raises:
        PoseError: There is no such file, it is not text in UTF-8, or a row cannot be parsed;
            ``words`` say what it should be.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield _rows(file, path)
    except FileNotFoundError as error:
        raise PoseError(f"there is no such {words}", where=path) from error
    except IsADirectoryError as error:
        raise PoseError(f"a {words} was expected, not a folder", where=path) from error
    except UnicodeDecodeError as error:
        raise _not_utf8(path, words) from error
    except OSError as error:
        raise PoseError(f"the {words} cannot be read: {error.strerror}", where=path) from error


def _not_utf8(path: Path, words: str) -> PoseError:
    content = path.read_bytes()
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    if utf16 or b"\0" in content:
        kind = "in UTF-16" if utf16 else "binary, not text"
        return PoseError(f"the {words} is {kind}", where=path, remedy=_SAVE_AS_CSV)
    try:
        content.decode("utf-8")
        byte, line = "", 1  # it has changed in the meantime
    except UnicodeDecodeError as error:
        byte = f": byte 0x{content[error.start]:02x}"
        line = content.count(b"\n", 0, error.start) + 1
    return PoseError(
        f"the {words} is not in UTF-8{byte}", where=place_in(path, line), remedy=_SAVE_AS_CSV
    )


def _rows(file: TextIO, path: Path) -> Iterator[Row]:
    reader = csv.reader(file, strict=True)
    try:
        for cells in reader:
            if any(cells):
                yield Row(reader.line_num, cells)
    except csv.Error as error:
        raise PoseError(
            f"the CSV file cannot be parsed: {error}",
            where=place_in(path, reader.line_num),
            remedy="look for a quotation mark that is not closed",
        ) from error


def place_in(path: Path, line: int, column: int | None = None, name: str = "") -> str:
    """Words for a place in a file; ``column`` counts from 0, is shown from 1."""
    words = f"{path}, line {line}"
    if column is not None:
        words += f", column {column + 1}"
    return f"{words} ({name})" if name else words


def csv_line(cells: Iterable[object]) -> str:
    """Cells as a line of CSV, quoted where they need it."""
    return ",".join(map(quoted, map(str, cells))) + "\n"


def quoted(cell: str) -> str:
    """A cell as CSV has it; Python's own writer leaves a lone carriage return bare."""
    if not any(mark in cell for mark in ',"\r\n'):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def write_csv(path: Path, rows: Iterable[Iterable[object]], kind: type[LPError], what: str) -> None:
    """Write a CSV file, the header first, which appears whole or not at all.

    Raises:
        LPError: Of ``kind``, where the file cannot be written; ``what`` says what it is, such as
            ``"the summary"``.
    """
    with unwritable_as(kind, what, path), atomic_text(path) as file:
        file.writelines(map(csv_line, rows))
