"""Read a safetensors file that a stranger may have sent: check everything, execute nothing."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from lp_io import strict_json
from lp_io.errors import CheckpointError
from lp_io.tensor_file.dtypes import DTYPES

_LENGTH_BYTES = 8
_MAX_HEADER_BYTES = strict_json.MAX_BYTES


@dataclass(frozen=True)
class TensorFile:
    """What a safetensors file holds.

    Attributes:
        tensors: By name; they share one block of memory of the file's size.
        metadata: The texts that the writer put in the header.
        content: That block.
    """

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]
    content: bytearray = field(repr=False)

    @cached_property
    def sha256(self) -> str:
        """Hash of the whole file, in hexadecimal."""
        return hashlib.sha256(self.content).hexdigest()


@dataclass(frozen=True)
class _Entry:
    """Where a tensor lies in the data section."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def read_tensor_file(path: Path) -> TensorFile:
    """Read and check a safetensors file.

    The header is checked against the size of the file before anything is allocated, and memory
    never exceeds that size by more than the header.

    Raises:
        CheckpointError: The file is missing, is of another format (a pickle is named as such), is
            cut short, or its header and its data do not agree.
    """
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            header, start = _read_header(file, size, path)
            file.seek(0)
            content = bytearray(size)
            if file.readinto(content) != size:
                raise CheckpointError("the file changed while it was read", where=path)
    except OSError as error:
        raise CheckpointError(
            f"the weights cannot be read: {error.strerror or error}", where=path
        ) from error
    entries, metadata = _entries(header, size - start, path)
    tensors = {entry.name: _tensor(entry, content, start, path) for entry in entries}
    return TensorFile(tensors, metadata, content)


def _read_header(file: BinaryIO, size: int, path: Path) -> tuple[dict[str, Any], int]:
    """The parsed header, and the byte at which the data starts."""
    prefix = file.read(_LENGTH_BYTES)
    length = int.from_bytes(prefix, "little")
    if len(prefix) < _LENGTH_BYTES or length > size - _LENGTH_BYTES or length > _MAX_HEADER_BYTES:
        _refuse_other_formats(prefix, path)
        raise CheckpointError(
            f"its header claims {length} bytes, in a file of {size}: it is damaged or cut short",
            where=path,
            remedy="copy the file again",
        )
    try:
        header = strict_json.parse(file.read(length))
    except strict_json.JSONContentError as error:
        _refuse_other_formats(prefix, path)
        raise CheckpointError(f"its header is not valid JSON: {error}", where=path) from error
    if not isinstance(header, dict):
        raise CheckpointError("its header is not a JSON mapping", where=path)
    return header, _LENGTH_BYTES + length


def _refuse_other_formats(prefix: bytes, path: Path) -> None:
    """Name a pickle or a zip archive for what it is.

    Only a file that is no safetensors file is looked at: the length of a good header may begin with
    the same two bytes as a pickle.
    """
    if prefix.startswith((b"PK\x03\x04", b"\x80")) and prefix[1:2] in b"K\x02\x03\x04\x05":
        raise CheckpointError(
            "this is a pickle (as torch.save writes it), not a safetensors file; "
            "it is not opened, since opening it could run code",
            where=path,
            remedy="ask for the weights as .safetensors",
        )


def _entries(
    header: dict[str, Any], data_size: int, path: Path
) -> tuple[list[_Entry], dict[str, str]]:
    """The tensors that a header describes, which must fill the data section exactly."""
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError("its header has metadata that are not texts", where=path)
    entries = [_entry(name, value, path) for name, value in header.items()]
    entries.sort(key=lambda entry: (entry.begin, entry.end))
    position = 0
    for entry in entries:
        if entry.begin != position:
            raise CheckpointError(
                f"the tensor '{entry.name}' overlaps another one or leaves a gap", where=path
            )
        position = entry.end
    if position != data_size:
        raise CheckpointError(
            f"its header describes {position} bytes of data, the file holds {data_size}: "
            "it is damaged or cut short",
            where=path,
            remedy="copy the file again",
        )
    return entries, metadata


def _entry(name: str, value: Any, path: Path) -> _Entry:
    """One checked line of the header."""
    try:
        kind, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
        consistent = len(value) == 3 and all(
            isinstance(number, int) and not isinstance(number, bool) and number >= 0
            for number in (*shape, begin, end)
        )
    except (TypeError, KeyError, ValueError):
        consistent = False
    if not consistent:
        raise CheckpointError(f"its header does not describe '{name}' properly", where=path)
    if not isinstance(kind, str) or kind not in DTYPES:
        raise CheckpointError(f"'{name}' has the unknown element type {kind!r}", where=path)
    dtype = DTYPES[kind]
    if end - begin != math.prod(shape) * dtype.itemsize:
        raise CheckpointError(
            f"'{name}' has {end - begin} bytes, which do not make {kind} of shape {list(shape)}",
            where=path,
        )
    return _Entry(name, dtype, tuple(shape), begin, end)


def _tensor(entry: _Entry, content: bytearray, start: int, path: Path) -> Tensor:
    """A view of the file's content, or a copy where it lies at an odd address."""
    if entry.begin == entry.end:
        return torch.empty(entry.shape, dtype=entry.dtype)
    begin, end = start + entry.begin, start + entry.end
    if entry.dtype == torch.bool and max(content[begin:end]) > 1:
        raise CheckpointError(f"'{entry.name}' holds truth values other than 0 and 1", where=path)
    if begin % entry.dtype.itemsize:
        content, begin, end = content[begin:end], 0, end - begin
    count = (end - begin) // entry.dtype.itemsize
    flat = torch.frombuffer(content, dtype=entry.dtype, count=count, offset=begin)
    return flat.reshape(entry.shape)
