"""Write a table of DeepLabCut to HDF5, so that ``pandas.read_hdf`` reads it.

The layout is pandas' fixed format (version 0.15.2, unchanged since), with PyTables' attributes,
written by h5py: every name is a fixed-length string, so nothing has to be pickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from lp_core.poses import PoseTable
from lp_core.poses.columns import LEVELS, LEVELS_OF_SEVERAL, wide_of
from lp_io.extras import require
from lp_io.tables.h5_reading import SETS
from lp_io.untrusted.content import ContentError

if TYPE_CHECKING:
    import h5py

KEY = "df_with_missing"
"""The key under which DeepLabCut looks for its table."""


def write_h5(table: PoseTable, path: Path) -> None:
    """Write poses to ``path``; splits are kept next to the table.

    Args:
        table: Labels or predictions.
        path: The file; it is written in place, so give a name beside the final one.

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
            _array(file, SETS, _strings(wide.split))


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
        _attributes(node, kind=b"string", name=title.encode(), nan_rep=b"")
        _array(
            group,
            f"{axis}_label{level}",
            np.array([codes[column[level]] for column in columns], dtype=np.int32),
        )


def _write_index(group: h5py.Group, index: tuple[str, ...] | tuple[int, ...]) -> None:
    _attributes(group, axis1_variety=b"regular")
    if all(isinstance(item, int) for item in index):
        node = _array(group, "axis1", np.array(index, dtype=np.int64))
        _attributes(node, kind=b"integer")
        return
    node = _array(group, "axis1", _strings([str(item) for item in index]))
    _attributes(node, kind=b"string", nan_rep=b"")


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
