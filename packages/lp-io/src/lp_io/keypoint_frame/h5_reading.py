"""Read a table of DeepLabCut from HDF5, in the fixed and in the table format of pandas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from lp_io.keypoint_frame.frame import MOST_COLUMNS, KeypointFrame
from lp_io.untrusted import hdf5
from lp_io.untrusted.content import ContentError
from lp_io.untrusted.literals import plain_value

if TYPE_CHECKING:
    import h5py

SETS = "lp_sets"
"""A dataset beside the table: the set of each row, which DeepLabCut's layout has no place for."""


def read_h5(path: Path) -> tuple[KeypointFrame, tuple[str, ...] | None]:
    """The table of an HDF5 file, and the set of each row where lp wrote it.

    Raises:
        ContentError: The file holds no table of DeepLabCut, or more than one.
        MissingExtraError: h5py is not installed.
    """
    with hdf5.opened(path, "h5") as file:
        frame = _frame(_only_table(file))
        if SETS not in file:
            return frame, None
        sets = tuple(hdf5.text(item) for item in hdf5.array(file, SETS).tolist())
        if len(sets) != len(frame.index):
            raise ContentError(f"{len(sets)} sets do not go with {len(frame.index)} rows")
        return frame, sets


def holds_table(file: h5py.File) -> bool:
    """Whether an HDF5 file holds a table of pandas."""
    return bool(_tables(file))


def _tables(file: h5py.File) -> list[str]:
    found = []
    for name in file:
        link = file.get(name, getlink=True)
        if type(link).__name__ == "HardLink" and "pandas_type" in file[name].attrs:
            found.append(name)
    return found


def _only_table(file: h5py.File) -> h5py.Group:
    names = _tables(file)
    if not names:
        known = {"tracks", "node_names"} <= set(file)
        raise ContentError(
            "this HDF5 file holds no table of pandas",
            "it is an analysis file of SLEAP; give the .slp file instead" if known else None,
        )
    if len(names) > 1:
        raise ContentError(f"this HDF5 file holds {len(names)} tables: {', '.join(names)}")
    return hdf5.member(file, names[0])


def _frame(group: h5py.Group) -> KeypointFrame:
    kind = hdf5.text(group.attrs["pandas_type"])
    if kind == "frame":
        return _fixed(group)
    if kind == "frame_table":
        return _appendable(group)
    raise ContentError(f"a table of pandas' kind '{kind[:40]}' is not one of DeepLabCut's")


def _fixed(group: h5py.Group) -> KeypointFrame:
    """The fixed format of pandas: an array for each axis and each block of values."""
    columns = _names(group, "axis0")
    index = _names(group, "axis1")
    places = {column: place for place, column in enumerate(columns)}
    values = np.full((len(index), len(columns)), np.nan)
    blocks = []
    for number in range(min(int(group.attrs.get("nblocks", 0)), len(columns))):
        items = _names(group, f"block{number}_items")
        block = _oriented(group, f"block{number}_values")
        if block.shape != (len(index), len(items)) or block.dtype.kind not in "fiu":
            raise ContentError(f"block {number} of the table is no block of numbers of its size")
        if not set(items) <= set(places):
            raise ContentError(f"block {number} has columns that the table has not")
        values[:, [places[item] for item in items]] = block
        blocks.append(block.dtype)
    if blocks == [np.dtype(np.float32)]:
        values = values.astype(np.float32)
    return KeypointFrame(tuple(map(_column, columns)), values, _index(index))


def _oriented(group: h5py.Group, name: str) -> ndarray:
    """(N, columns): files of pandas say whether an array is stored the other way round."""
    dataset = hdf5.member(group, name)
    if "shape" in dataset.attrs:  # pandas stores an empty array as one cell and its true shape
        shape = plain_value(bytes(dataset.attrs["shape"]))
        if not isinstance(shape, tuple) or 0 not in shape:
            raise ContentError(f"'{name}' is stored in a way that pandas never uses")
        values = np.empty(tuple(int(size) for size in shape))
    else:
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
        codes = _oriented(group, f"{axis}_label{level}").ravel()
        if codes.dtype.kind not in "iuf" or (len(codes) and not _are_places(codes, names)):
            raise ContentError("a level of the table's names is damaged")
        parts.append([names[code] for code in codes.astype(int).tolist()])
    return list(zip(*parts, strict=True))


def _are_places(codes: ndarray, names: list[Any]) -> bool:
    return bool(codes.min() >= 0 and codes.max() < len(names))


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


def _appendable(group: h5py.Group) -> KeypointFrame:
    """The table format of pandas: one compound array, the names of the columns in attributes."""
    table = hdf5.member(group, "table")
    rows = hdf5.array(group, "table")
    fields = rows.dtype.names or ()
    if "index" not in fields or "values_block_0" not in fields or len(fields) != 2:
        raise ContentError(
            "the table has a layout that DeepLabCut does not use",
            "save it again as CSV, or with to_hdf(..., key='df_with_missing')",
        )
    columns = plain_value(bytes(table.attrs["values_block_0_kind"]))
    if not isinstance(columns, list):
        raise ContentError("the names of the table's columns are damaged")
    values = rows["values_block_0"].reshape(len(rows), -1)
    if values.dtype.kind != "f":
        raise ContentError("the values of the table are no numbers")
    frame = KeypointFrame(
        tuple(map(_column, columns)), np.ascontiguousarray(values), _index(_row_names(rows))
    )
    return _in_order(frame, group)


def _row_names(rows: ndarray) -> list[Any]:
    names = rows["index"]
    if names.dtype.kind == "S":
        return [hdf5.text(name) for name in names.tolist()]
    if names.dtype.kind in "iu":
        return names.tolist()
    raise ContentError("the rows of the table are named by neither texts nor whole numbers")


def _in_order(frame: KeypointFrame, group: h5py.Group) -> KeypointFrame:
    """The columns as the table shows them; the block may hold them in another order."""
    axes = plain_value(bytes(group.attrs.get("non_index_axes", b"]."))) or [(1, frame.columns)]
    wanted = [tuple(column) for column in axes[0][1]]
    if sorted(wanted) != sorted(frame.columns):
        raise ContentError("the table names other columns than it holds")
    places = [frame.columns.index(column) for column in wanted]
    return KeypointFrame(tuple(wanted), frame.values[:, places], frame.index)


def _column(names: object) -> tuple[str, ...]:
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return tuple(names)
    raise ContentError("its columns are not named by scorer, keypoint and coordinate")


def _index(names: list[Any]) -> tuple[str, ...] | tuple[int, ...]:
    """Frame numbers or image paths; a path may be in three parts."""
    if len(names) > MOST_COLUMNS * 1000:
        raise ContentError(f"the table claims {len(names)} rows")
    if all(isinstance(name, int) for name in names):
        return tuple(names)
    return tuple("/".join(map(str, n)) if isinstance(n, tuple) else str(n) for n in names)
