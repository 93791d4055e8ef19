"""Poses with DeepLabCut's columns in HDF5, so that ``pandas.read_hdf`` reads what is written.

The layout is pandas' fixed format (version 0.15.2, unchanged since), with PyTables' attributes,
which h5py reads and writes: every name is a fixed-length string, so nothing has to be pickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from lp_core.poses import ONE_ANIMAL, Animals, Content, PoseTable
from lp_core.poses.columns import LEVELS, LEVELS_OF_SEVERAL, parse_columns, wide_of
from lp_core.poses.interchange import frames_of_index
from lp_io.errors import require
from lp_io.untrusted import hdf5
from lp_io.untrusted.content import ContentError

if TYPE_CHECKING:
    import h5py

KEY = "df_with_missing"
"""The key under which DeepLabCut looks for its table."""

_SETS = "lp_sets"  # beside the table: the set of each row, which DeepLabCut has no place for
_MOST_ROWS = 100_000_000
_TEXT = {"kind": b"string", "nan_rep": b""}


def read_h5(path: Path, content: Content, animals: Animals = ONE_ANIMAL) -> PoseTable:
    """The poses in an HDF5 file, with the splits where lp wrote them.

    Raises:
        ContentError: The file holds no table of DeepLabCut, or more than one.
        PoseError: The columns are not those of poses.
        MissingExtraError: h5py is not installed.
    """
    with hdf5.opened(path, "h5") as file:
        columns, values, index = _fixed(_only_table(file))
        layout = parse_columns(columns, content, animals)
        splits = None
        if _SETS in file:
            splits = tuple(hdf5.text(item) for item in hdf5.array(file, _SETS).tolist())
            if len(splits) != len(index):
                raise ContentError(f"{len(splits)} sets do not go with {len(index)} rows")
        return layout.table(values, frames_of_index(index), splits)


def _only_table(file: h5py.File) -> h5py.Group:
    names = [name for name in file if hdf5.is_own(file, name) and "pandas_type" in file[name].attrs]
    if not names:
        known = {"tracks", "node_names"} <= set(file)
        raise ContentError(
            "this HDF5 file holds no table of pandas",
            "it is an analysis file of SLEAP; give the .slp file instead" if known else None,
        )
    if len(names) > 1:
        raise ContentError(f"this HDF5 file holds {len(names)} tables: {', '.join(names)}")
    return hdf5.member(file, names[0])


def _fixed(group: h5py.Group) -> tuple[list[tuple[str, ...]], ndarray, list[Any]]:
    """The fixed format of pandas: an array for each axis and each block of values.

    The table format keeps the names of columns in pickles, which are not opened.
    """
    kind = hdf5.text(group.attrs["pandas_type"])
    if kind == "frame_table":
        raise ContentError(
            "the table is in pandas' table format, whose column names are pickled and are not "
            "opened",
            "save it again in pandas' fixed format, frame.to_hdf(path, key='df_with_missing', "
            "format='fixed'), or as CSV by frame.to_csv(path)",
        )
    if kind != "frame":
        raise ContentError(f"a table of pandas' kind '{kind[:40]}' is not one of DeepLabCut's")
    columns, index = _names(group, "axis0"), _names(group, "axis1")
    if len(index) > _MOST_ROWS:
        raise ContentError(f"the table claims {len(index)} rows")
    places = {column: place for place, column in enumerate(columns)}
    values = np.full((len(index), len(columns)), np.nan)
    blocks = []
    for number in range(min(int(group.attrs.get("nblocks", 0)), len(columns))):
        items = _names(group, f"block{number}_items")
        block = _oriented(group, f"block{number}_values", len(index))
        if block.shape != (len(index), len(items)) or block.dtype.kind not in "fiu":
            raise ContentError(f"block {number} of the table is not a block of numbers of its size")
        if not set(items) <= set(places):
            raise ContentError(f"block {number} has columns that the table has not")
        values[:, [places[item] for item in items]] = block
        blocks.append(block.dtype)
    if blocks == [np.dtype(np.float32)]:
        values = values.astype(np.float32)
    return [_column(column) for column in columns], values, index


def _oriented(group: h5py.Group, name: str, rows: int) -> ndarray:
    """(N, columns): files of pandas say whether an array is stored the other way round."""
    dataset = hdf5.member(group, name)
    if "shape" in dataset.attrs:  # pandas stores an array without rows as one cell
        return np.empty((rows, 0 if rows else len(_names(group, name.replace("values", "items")))))
    values = hdf5.array(group, name)
    return values if dataset.attrs.get("transposed", 0) else values.T


def _names(group: h5py.Group, axis: str) -> list[Any]:
    """The names along an axis: tuples where it has several levels, texts or numbers otherwise."""
    if hdf5.text(group.attrs.get(f"{axis}_variety", b"")) != "multi":
        return _level(group, axis)
    levels = int(group.attrs[f"{axis}_nlevels"])
    if not 1 <= levels <= 4:
        raise ContentError(f"an axis of the table has {levels} levels")
    parts = []
    for level in range(levels):
        names = _level(group, f"{axis}_level{level}")
        codes = hdf5.array(group, f"{axis}_label{level}").ravel()
        is_number = codes.dtype.kind in "iuf"
        if not is_number or (len(codes) and not 0 <= codes.min() <= codes.max() < len(names)):
            raise ContentError("a level of the table's names is damaged")
        parts.append([names[code] for code in codes.astype(int).tolist()])
    return list(zip(*parts, strict=True))


def _level(group: h5py.Group, name: str) -> list[Any]:
    """Texts or whole numbers."""
    dataset = hdf5.member(group, name)
    if "shape" in dataset.attrs:
        return []
    values = hdf5.array(group, name)
    if values.dtype.kind == "S":
        return [hdf5.text(value) for value in values.ravel().tolist()]
    if values.dtype.kind in "iu":
        return values.ravel().tolist()
    raise ContentError(f"the names in '{name}' are neither texts nor whole numbers")


def _column(names: object) -> tuple[str, ...]:
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return tuple(names)
    raise ContentError("its columns are not named by scorer, keypoint and coordinate")


def write_h5(table: PoseTable, path: Path) -> None:
    """Write labels or predictions to ``path``, in place; splits are kept next to the table.

    Raises:
        ContentError: A name cannot be written: it ends or is parted by a null character.
        MissingExtraError: h5py is not installed.
    """
    wide, library = wide_of(table), require("h5py", "h5")
    with library.File(path, "w") as file:
        _node(file, "GROUP", "1.0", PYTABLES_FORMAT_VERSION=b"2.1")
        group = file.create_group(KEY)
        _node(group, "GROUP", "1.0")
        _attributes(
            group,
            pandas_type=b"frame",
            pandas_version=b"0.15.2",
            encoding=b"UTF-8",
            errors=b"strict",
            ndim=np.int64(2),
            nblocks=np.int64(1),
        )
        _write_columns(group, "axis0", wide.columns)
        _write_index(group, wide.frame)
        _write_columns(group, "block0_items", wide.columns)
        _array(group, "block0_values", wide.values)
        if wide.split is not None:
            _array(file, _SETS, _strings(wide.split))


def _write_columns(group: h5py.Group, axis: str, columns: Sequence[tuple[str, ...]]) -> None:
    """Names on several levels: for each level its different names, and which column has which."""
    titles = LEVELS if len(columns[0]) == len(LEVELS) else LEVELS_OF_SEVERAL
    _attributes(
        group, **{f"{axis}_variety": b"multi", f"{axis}_nlevels": np.int64(len(columns[0]))}
    )
    for level, title in enumerate(titles):
        names = list(dict.fromkeys(column[level] for column in columns))
        codes = {name: code for code, name in enumerate(names)}
        node = _array(group, f"{axis}_level{level}", _strings(names))
        _attributes(node, name=title.encode(), **_TEXT)
        labels = np.array([codes[column[level]] for column in columns], dtype=np.int32)
        _array(group, f"{axis}_label{level}", labels)


def _write_index(group: h5py.Group, index: tuple[str, ...] | tuple[int, ...]) -> None:
    _attributes(group, axis1_variety=b"regular")
    if all(isinstance(item, int) for item in index):
        _attributes(_array(group, "axis1", np.array(index, dtype=np.int64)), kind=b"integer")
    else:
        _attributes(_array(group, "axis1", _strings(list(map(str, index)))), **_TEXT)


def _strings(names: Sequence[str]) -> ndarray:
    """Texts as fixed-length strings in UTF-8."""
    for name in names:
        if "\0" in name:
            raise ContentError(f"the name {name!r} holds a null character, which HDF5 cannot keep")
    try:
        encoded = [name.encode("utf-8") for name in names]
    except UnicodeEncodeError as error:
        raise ContentError(f"a name is not a valid text: {error}") from error
    width = max([1, *map(len, encoded)])
    return np.array(encoded, dtype=f"S{width}")


def _array(group: h5py.Group, name: str, values: ndarray) -> h5py.Dataset:
    """An array as PyTables stores it; one without rows as it stores arrays that can grow."""
    if len(values):
        node = group.create_dataset(name, data=values)
        _node(node, "ARRAY", "2.4", FLAVOR=b"numpy", transposed=np.uint8(1))
        return node
    growing = (None, *values.shape[1:])
    node = group.create_dataset(name, data=values, maxshape=growing, chunks=(1, *values.shape[1:]))
    _node(node, "EARRAY", "1.1", EXTDIM=np.int32(0), transposed=np.uint8(1))
    return node


def _node(node: h5py.Group | h5py.Dataset, kind: str, version: str, **others: object) -> None:
    _attributes(node, CLASS=kind.encode(), TITLE=b"", VERSION=version.encode(), **others)


def _attributes(node: h5py.Group | h5py.Dataset, **values: object) -> None:
    """Texts as fixed-length UTF-8, the way PyTables reads them back as text."""
    library = require("h5py", "h5")
    for name, value in values.items():
        if isinstance(value, bytes):
            kind = library.string_dtype("utf-8", max(1, len(value)))
            node.attrs.create(name, np.array(value, dtype=kind), dtype=kind)
        else:
            node.attrs[name] = value
