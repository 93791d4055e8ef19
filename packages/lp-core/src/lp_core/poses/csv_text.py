"""The rows of CSV files, with the line that each came from."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TextIO

from lp_core.errors import PoseError

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
def opened_csv(path: Path, words: str) -> Iterator[TextIO]:
    """A text file in UTF-8, opened for the module `csv`.

    Args:
        path: The file.
        words: What it should be, for messages.

    Raises:
        PoseError: There is no such file, or it is not text in UTF-8.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield file
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
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return PoseError(f"the {words} is in UTF-16", where=path, remedy=_SAVE_AS_CSV)
    if b"\0" in content:
        return PoseError(f"the {words} is binary, not text", where=path, remedy=_SAVE_AS_CSV)
    try:
        content.decode("utf-8")
        byte, line = "", 1  # it has changed in the meantime
    except UnicodeDecodeError as error:
        byte, line = (
            f": byte 0x{content[error.start]:02x}",
            content.count(b"\n", 0, error.start) + 1,
        )
    return PoseError(
        f"the {words} is not in UTF-8{byte}", where=place_in(path, line), remedy=_SAVE_AS_CSV
    )


def csv_rows(file: TextIO, path: Path) -> Iterator[Row]:
    """The rows that hold anything at all.

    Raises:
        PoseError: A row cannot be parsed.
    """
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
