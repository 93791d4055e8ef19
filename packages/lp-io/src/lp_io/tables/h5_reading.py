"""Read poses with DeepLabCut's columns from HDF5, in the fixed format of pandas."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from lp_core.poses import ONE_ANIMAL, Animals, Content, PoseTable
from lp_core.poses.columns import parse_columns
from lp_core.poses.interchange import frames_of_index
from lp_io.untrusted import hdf5
from lp_io.untrusted.content import ContentError

if TYPE_CHECKING:
    import h5py

_MOST_ROWS = 100_000_000

SETS = "lp_sets"
"""A dataset beside the table: the set of each row, which DeepLabCut's layout has no place for."""


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
        if SETS in file:
            splits = tuple(hdf5.text(item) for item in hdf5.array(file, SETS).tolist())
            if len(splits) != len(index):
                raise ContentError(f"{len(splits)} sets do not go with {len(index)} rows")
        return layout.table(values, frames_of_index(index), splits)


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


def _column(names: object) -> tuple[str, ...]:
    if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names):
        return tuple(names)
    raise ContentError("its columns are not named by scorer, keypoint and coordinate")
