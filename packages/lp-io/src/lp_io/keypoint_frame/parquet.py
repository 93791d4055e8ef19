"""Tables with DeepLabCut's columns in Parquet, as pandas writes and reads them.

Parquet names a column by one text. pandas writes a name of several levels as a Python tuple, such
as ``('scorer', 'nose', 'x')``, and keeps what else it needs in the file's metadata, as JSON.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from lp_io import strict_json
from lp_io.extras import require
from lp_io.keypoint_frame.frame import MOST_COLUMNS, KeypointFrame
from lp_io.predictions.layout import LEVELS, SET_COLUMN, header_cells
from lp_io.untrusted.content import ContentError, library_reading

_INDEX = "__index_level_0__"
_MOST_NAME = 10_000
_MOST_EXPANSION = 1000
_ALWAYS_ALLOWED = 64 * 1024 * 1024
_SET_NAME = (SET_COLUMN, "", "")


def write_parquet(frame: KeypointFrame, path: Path, sets: Sequence[str] | None = None) -> None:
    """Write a table to ``path``; ``pandas.read_parquet`` gives it the columns of DeepLabCut.

    Args:
        frame: The table.
        path: The file; it is written in place, so give a name beside the final one.
        sets: The set of each row; they become a last column.

    Raises:
        ContentError: A name is no valid text.
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    names = [*frame.columns, *[_SET_NAME] * (sets is not None)]
    arrays = [arrow.array(column, from_pandas=False) for column in frame.values.T]
    with_paths = not all(isinstance(item, int) for item in frame.index)
    kinds = [(str(frame.values.dtype), str(frame.values.dtype))] * len(frame.columns)
    try:
        if sets is not None:
            arrays.append(arrow.array(list(sets), type=arrow.string()))
            kinds = [*kinds, ("unicode", "object")]
        index = [str(i) if with_paths else i for i in frame.index]
        arrays.append(arrow.array(index, type=arrow.string() if with_paths else arrow.int64()))
        kinds = [*kinds, ("unicode", "object") if with_paths else ("int64", "int64")]
        texts = [*map(repr, names), _INDEX]
        table = arrow.Table.from_arrays(arrays, names=texts)
        metadata = {b"pandas": json.dumps(_metadata(texts, kinds)).encode()}
        parquet.write_table(table.replace_schema_metadata(metadata), path)
    except UnicodeEncodeError as error:
        raise ContentError(f"a name is no valid text: {error}") from error


def _metadata(texts: Sequence[str], kinds: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What pandas keeps of a table whose columns have several levels."""
    columns = [
        {
            "name": None if text == _INDEX else text,
            "field_name": text,
            "pandas_type": kind,
            "numpy_type": numpy_kind,
            "metadata": None,
        }
        for text, (kind, numpy_kind) in zip(texts, kinds, strict=True)
    ]
    levels = [
        {
            "name": level,
            "field_name": level,
            "pandas_type": "unicode",
            "numpy_type": "object",
            "metadata": {"encoding": "UTF-8"},
        }
        for level in LEVELS
    ]
    return {
        "index_columns": [_INDEX],
        "column_indexes": levels,
        "columns": columns,
        "creator": {"library": "lp-io", "version": "1"},
        "pandas_version": "2.2.0",
    }


def read_parquet(path: Path) -> tuple[KeypointFrame, tuple[str, ...] | None]:
    """The table of a Parquet file, and the set of each row where it has that column.

    Raises:
        ContentError: The file is no table of DeepLabCut that pandas or lp wrote.
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    with library_reading("pyarrow"):
        try:
            with parquet.ParquetFile(path) as file:
                _check_size(file.metadata, path)
                texts = _text_columns(file.schema_arrow)
            # one text may stand for many rows, so none is written out before they are counted
            with parquet.ParquetFile(path, read_dictionary=texts) as file:
                table = file.read()
            for name in texts:
                _check_texts(table.column(name), name, path)
        except (arrow.ArrowException, OSError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            raise ContentError(f"this is not a Parquet file, or a damaged one: {error}") from error
        return _frame(table)


def _check_size(metadata: Any, path: Path) -> None:
    """Refuse a small file that claims a table far larger than itself."""
    cells = metadata.num_rows * metadata.num_columns
    if metadata.num_columns > MOST_COLUMNS or cells > _MOST_EXPANSION * max(path.stat().st_size, 1):
        raise ContentError(
            f"the file claims {metadata.num_rows:,} rows of {metadata.num_columns:,} columns, more "
            "than it can hold"
        )


def _text_columns(schema: Any) -> list[str]:
    """The columns of texts; all others must hold numbers.

    Raises:
        ContentError: One holds anything else.
    """
    types = require("pyarrow.types", "parquet")
    texts = []
    for field in schema:
        kind = field.type.value_type if types.is_dictionary(field.type) else field.type
        if types.is_string(kind) or types.is_large_string(kind):
            texts.append(field.name)
        elif not (types.is_integer(kind) or types.is_floating(kind) or types.is_null(kind)):
            raise ContentError(
                f"the column '{field.name[:60]}' holds something else than numbers or texts"
            )
    return texts


def _check_texts(column: Any, name: str, path: Path) -> None:
    """Refuse a column whose texts, written out row by row, would be far larger than the file."""
    compute = require("pyarrow.compute", "parquet")
    length = 0
    for chunk in column.chunks:
        lengths = compute.binary_length(chunk.dictionary)
        length += compute.sum(lengths.cast("int64").take(chunk.indices)).as_py() or 0
    if length > max(_ALWAYS_ALLOWED, _MOST_EXPANSION * path.stat().st_size):
        raise ContentError(
            f"the texts of the column '{name[:60]}' have {length:,} bytes, more than the file can "
            "hold"
        )


def _frame(table: Any) -> tuple[KeypointFrame, tuple[str, ...] | None]:
    names = list(table.column_names)
    if len(set(names)) < len(names):
        raise ContentError("a column occurs twice")
    described = _described(table.schema.metadata)
    index_name = _index_name(described)
    columns, values, sets = [], [], None
    for name in names:
        if name == index_name:
            continue
        levels = _levels(name)
        if levels == _SET_NAME:
            sets = tuple(_texts(table.column(name), "set"))
        else:
            columns.append(levels)
            values.append(_numbers(table.column(name), name))
    kind = np.result_type(*values) if values else np.float64
    block = np.stack(values, axis=1).astype(kind) if values else np.empty((table.num_rows, 0))
    index = _index(table, index_name, described)
    return KeypointFrame(tuple(columns), np.ascontiguousarray(block), index), sets


def _described(metadata: dict[bytes, bytes] | None) -> dict[str, Any]:
    try:
        found = strict_json.parse((metadata or {}).get(b"pandas", b"{}"))
    except strict_json.JSONContentError as error:
        raise ContentError(f"the file's metadata is damaged: {error}") from error
    return found if isinstance(found, dict) else {}


def _index_name(described: dict[str, Any]) -> str | None:
    """The column that names the rows; None where they are only counted."""
    columns = described.get("index_columns") or [None]
    if len(columns) > 1:
        raise ContentError("the rows of the table are named by several columns")
    return columns[0] if isinstance(columns[0], str) else None


def _index(
    table: Any, name: str | None, described: dict[str, Any]
) -> tuple[str, ...] | tuple[int, ...]:
    if name is None:
        counted = (described.get("index_columns") or [{}])[0]
        start, step = (counted or {}).get("start", 0), (counted or {}).get("step", 1)
        if not isinstance(start, int) or not isinstance(step, int):
            raise ContentError("the file's metadata is damaged: it counts rows by no numbers")
        return tuple(range(start, start + step * table.num_rows, step)) if step else ()
    if name not in table.column_names:
        raise ContentError(f"the column '{name}' that names the rows is missing")
    found = table.column(name).to_pylist()
    if all(isinstance(item, int) for item in found):
        return tuple(found)
    return tuple(_texts(table.column(name), name))


def _texts(column: Any, name: str) -> list[str]:
    found = column.to_pylist()
    if not all(isinstance(item, str) for item in found):
        raise ContentError(f"the column '{name[:60]}' holds something else than texts")
    return found


def _numbers(column: Any, name: str) -> ndarray:
    values = column.to_numpy()
    if values.dtype.kind not in "fiu":
        raise ContentError(f"the column '{name[:60]}' holds something else than numbers")
    return values if values.dtype == np.float32 else values.astype(np.float64)


def _levels(name: str) -> tuple[str, ...]:
    """The levels of a column's name; the text is parsed as a literal, never run."""
    try:
        found = ast.literal_eval(name) if len(name) <= _MOST_NAME else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if isinstance(found, tuple) and all(isinstance(level, str) for level in found):
        return tuple(header_cells(found))
    raise ContentError(
        f"the column '{name[:60]}' is not named by scorer, keypoint and coordinate",
        "give a table that lp, or DeepLabCut's table through pandas, was written to",
    )
