"""The rows of a CSV file, with the line that each came from."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from lp_data.errors import LabelFileError

_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SAVE_AS_CSV = "save it as a comma-separated CSV file in UTF-8"


class Row(NamedTuple):
    """One row of a CSV file.

    Attributes:
        line: The line of the file on which the row ends, from 1.
        cells: Its cells, without the white space around them.
    """

    line: int
    cells: list[str]


def place(path: Path, line: int, column: int | None = None, name: str = "") -> str:
    """Words for a place in a label file; ``column`` counts from 0, is shown from 1."""
    words = f"{path}, line {line}"
    if column is not None:
        words += f", column {column + 1}"
    return f"{words} ({name})" if name else words


def read_rows(path: Path) -> list[Row]:
    """The rows of a CSV file that hold anything at all.

    Raises:
        LabelFileError: There is no such file, or it is not a CSV file in UTF-8, or it is empty.
    """
    text = _decode(path, _read_bytes(path))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                rows.append(Row(reader.line_num, stripped))
    except csv.Error as error:
        raise LabelFileError(
            f"the CSV file cannot be parsed: {error}",
            where=place(path, reader.line_num),
            remedy="look for a quotation mark that is not closed",
        ) from error
    if not rows:
        raise LabelFileError("the label file is empty", where=path)
    return rows


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise LabelFileError(
            "there is no such label file", where=path, remedy="check data_dir and csv_file"
        ) from error
    except IsADirectoryError as error:
        raise LabelFileError("a label file was expected, not a folder", where=path) from error
    except OSError as error:
        raise LabelFileError(
            f"the label file cannot be opened: {error.strerror}", where=path
        ) from error


def _decode(path: Path, content: bytes) -> str:
    if content.startswith(_UTF16_MARKS):
        raise LabelFileError("the label file is in UTF-16", where=path, remedy=_SAVE_AS_CSV)
    if b"\0" in content:
        raise LabelFileError("the label file is binary, not text", where=path, remedy=_SAVE_AS_CSV)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise LabelFileError(
            f"the label file is not in UTF-8: byte 0x{content[error.start]:02x}",
            where=place(path, line),
            remedy=_SAVE_AS_CSV,
        ) from error
