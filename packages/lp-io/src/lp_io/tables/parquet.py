"""Poses with DeepLabCut's columns in Parquet, as pandas writes and reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lp_core.poses import Animals, Content, PoseTable
from lp_core.poses.interchange import from_pandas, to_pandas
from lp_io.errors import require
from lp_io.untrusted.content import ContentError, library_reading

_MOST_COLUMNS = 100_000
_MOST_EXPANSION = 1000
_ALWAYS_ALLOWED = 64 * 1024 * 1024


def write_parquet(table: PoseTable, path: Path) -> None:
    """Write labels or predictions to ``path``, in place; splits become a last column.

    Raises:
        ContentError: A name is not a valid text.
        MissingExtraError: pyarrow or pandas is not installed.
    """
    require("pyarrow", "parquet"), require("pandas", "parquet")
    try:
        to_pandas(table).to_parquet(path)
    except UnicodeEncodeError as error:
        raise ContentError(f"a name is not a valid text: {error}") from error


def read_parquet(path: Path, content: Content, animals: Animals) -> PoseTable:
    """The poses in a Parquet file, with the splits where it has that column.

    Raises:
        ContentError: The file is damaged, or claims more than it can hold.
        PoseError: The columns are not those of poses.
        MissingExtraError: pyarrow or pandas is not installed.
    """
    arrow, parquet = require("pyarrow", "parquet"), require("pyarrow.parquet", "parquet")
    require("pandas", "parquet")
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
            return from_pandas(table.to_pandas(), content, animals)
        except FileNotFoundError:
            raise
        except (arrow.ArrowException, OSError) as error:
            raise ContentError(f"this is not a Parquet file, or a damaged one: {error}") from error


def _check_size(metadata: Any, path: Path) -> None:
    """Refuse a small file that claims a table far larger than itself."""
    cells = metadata.num_rows * metadata.num_columns
    if metadata.num_columns > _MOST_COLUMNS or cells > _MOST_EXPANSION * path.stat().st_size:
        raise ContentError(
            f"the file claims {metadata.num_rows:,} rows of {metadata.num_columns:,} columns, more "
            "than it can hold"
        )


def _text_columns(schema: Any) -> list[str]:
    """The columns of texts; all others must hold numbers."""
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
