"""Write a safetensors file, one tensor at a time, hashing it on the way."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lp_io import strict_json
from lp_io.errors import CheckpointError
from lp_io.tensor_file.dtypes import dtype_name

_ALIGNMENT = 8


@dataclass(frozen=True)
class WrittenFile:
    """What was written: the hash of the whole file in hexadecimal, and its size in bytes."""

    sha256: str
    size: int


def write_tensor_file(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> WrittenFile:
    """Write tensors to ``path``, which should be a name beside the final one.

    Tensors may share memory, and may be on any device; beyond them, memory never exceeds the
    largest one.

    Args:
        path: The file; an existing one is replaced.
        tensors: By name.
        metadata: Texts for the header.

    Raises:
        CheckpointError: A tensor has an element type that cannot be written.
        OSError: The disk is full, or the folder cannot be written to.
    """
    digest, size = hashlib.sha256(), 0
    with path.open("wb") as file:
        for part in tensor_file_parts(tensors, metadata):
            file.write(part)
            digest.update(part)
            size += len(part)
    return WrittenFile(digest.hexdigest(), size)


def tensor_file_parts(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """The bytes of a safetensors file, in order.

    Args:
        tensors: By name.
        metadata: Texts for the header.

    Raises:
        CheckpointError: A tensor has an element type that cannot be written.
    """
    # the widest elements first, as safetensors does, so that every tensor lies aligned
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header = _header(names, tensors, metadata or {})
    yield len(header).to_bytes(8, "little")
    yield header
    for name in names:
        yield tensor_bytes(tensors[name])


def tensor_bytes(tensor: Tensor) -> bytes | memoryview:
    """The elements of a tensor as a safetensors file holds them; no copy of one on the CPU."""
    if not tensor.numel():
        return b""
    flat = tensor.detach().to("cpu").contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _header(names: list[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """The header's text, padded to the alignment."""
    content: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    position = 0
    for name in names:
        tensor = tensors[name]
        kind = dtype_name(tensor.dtype)
        if kind is None:
            raise CheckpointError(
                f"'{name}' has elements of type {tensor.dtype}, which lp does not store"
            )
        end = position + tensor.numel() * tensor.element_size()
        content[name] = {
            "dtype": kind,
            "shape": list(tensor.shape),
            "data_offsets": [position, end],
        }
        position = end
    text = strict_json.dump(content).encode()
    return text + b" " * (-len(text) % _ALIGNMENT)
