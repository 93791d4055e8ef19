"""HDF5 as untrusted input: no pickles, no other files, no memory beyond the file's own.

HDF5 can point at other files (external links, external and virtual storage), and can claim arrays
that are nowhere stored. Both are refused. PyTables hides pickles in attributes and in arrays of
objects; nothing here unpickles them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import ndarray

from lp_io.errors import require
from lp_io.untrusted import probe
from lp_io.untrusted.content import ContentError, library_reading

if TYPE_CHECKING:
    import h5py

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ALWAYS_ALLOWED = 16 * 1024 * 1024
_MOST_COMPRESSION = 200


@contextmanager
def opened(path: Path, extra: str) -> Iterator[h5py.File]:
    """An HDF5 file, to be read; ``extra`` is the extra of lp-io that brings h5py.

    Raises:
        ContentError: It is no HDF5 file, or the block finds it damaged.
        MissingExtraError: h5py is not installed.
    """
    library = require("h5py", extra)
    with path.open("rb") as raw:
        if raw.read(len(_SIGNATURE)) != _SIGNATURE:
            raise ContentError("this is not an HDF5 file")
    try:
        with library.File(path, "r") as file, library_reading("h5py"):
            yield file
    except OSError as error:
        raise ContentError(f"the HDF5 file is damaged: {error}", "copy it again") from error


@contextmanager
def checked(path: Path, extra: str) -> Iterator[h5py.File]:
    """An HDF5 file in which everything is checked, so that another library may read it.

    Raises:
        ContentError: See `opened`. Or a member is a link, lies in another file, claims to be far
            larger than what is stored of it, or holds values of variable length that are neither
            texts nor bytes; or a group has several names, so that there are far more paths than
            members.
        MissingExtraError: h5py is not installed.
    """
    require("h5py", extra)
    probe.check_readable(path)
    with opened(path, extra) as file:
        _check_members(file, set())
        yield file


def is_own(group: h5py.Group, name: str) -> bool:
    """Whether a member is in ``group`` itself, and not a link to somewhere else."""
    library = require("h5py", "h5")
    return isinstance(group.get(name, getlink=True), library.HardLink)


def member(group: h5py.Group, name: str) -> Any:
    """A group or dataset in ``group`` itself.

    Raises:
        ContentError: It is missing, or is a link to somewhere else.
    """
    if group.get(name, getlink=True) is None:
        raise ContentError(f"'{group.name}' has no '{name}'")
    if not is_own(group, name):
        raise ContentError(f"'{name}' is a link to somewhere else, which is not followed")
    return group[name]


def array(group: h5py.Group, name: str) -> ndarray:
    """The values of a dataset.

    Raises:
        ContentError: It is missing, holds objects, lies in another file, or claims to be far larger
            than the file.
    """
    library = require("h5py", "h5")
    dataset = member(group, name)
    if not isinstance(dataset, library.Dataset):
        raise ContentError(f"'{name}' should be a dataset")
    if dataset.dtype.hasobject:
        raise ContentError(
            f"'{name}' is stored as pickled objects, which lp never opens",
            "save the table again with a newer pandas, or as CSV",
        )
    _check_stored(dataset)
    return np.asarray(dataset[()])


def _check_members(group: h5py.Group, seen: set[int]) -> None:
    """Check what is in a group; ``seen`` are the places of the groups that were met."""
    library = require("h5py", "h5")
    place = library.h5o.get_info(group.id).addr
    if place in seen:
        raise ContentError(f"'{group.name}' is another name of a group that is there already")
    seen.add(place)
    for name in group:
        node = member(group, name)
        if isinstance(node, library.Group):
            _check_members(node, seen)
        elif isinstance(node, library.Dataset):
            _check_stored(node)
            _check_type(node)


def _check_type(dataset: h5py.Dataset) -> None:
    library = require("h5py", "h5")
    if not dataset.dtype.hasobject or library.check_string_dtype(dataset.dtype):
        return
    items = library.check_vlen_dtype(dataset.dtype)
    encoded_image = items is not None and items == np.int8 and dataset.name.endswith("/video")
    if not encoded_image and library.check_ref_dtype(dataset.dtype) is None:
        raise ContentError(f"the values of '{dataset.name}' are of a damaged type")


def _check_stored(dataset: h5py.Dataset) -> None:
    """Refuse values that lie in another file, or that are far larger than what is stored."""
    if dataset.external or dataset.is_virtual:
        raise ContentError(f"the values of '{dataset.name}' lie in another file")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > max(_ALWAYS_ALLOWED, _MOST_COMPRESSION * stored):
        raise ContentError(
            f"'{dataset.name}' claims {dataset.nbytes:,} bytes, far more than are stored"
        )


def text(value: object) -> str:
    """Text as an attribute or a fixed-length string holds it.

    Raises:
        ContentError: It is not a text in UTF-8.
    """
    if not isinstance(value, bytes):
        return value if isinstance(value, str) else ""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContentError(f"a text is not in UTF-8: {value[:40]!r}") from error
