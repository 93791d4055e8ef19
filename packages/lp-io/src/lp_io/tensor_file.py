"""Tensors in safetensors files, hashed, and read as untrusted input."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from lp_io.errors import CheckpointError

UNFINISHED = ".tmp??????"
"""What the library calls a file that it has not written to the end."""

_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

_NAMES: Mapping[torch.dtype, str] = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def dtype_name(dtype: torch.dtype) -> str | None:
    """Safetensors' name of an element type, or None where lp does not store it."""
    return _NAMES.get(dtype)


class TensorFile(NamedTuple):
    """What a safetensors file holds.

    Attributes:
        tensors: By name, on the CPU, in memory of their own.
        metadata: The texts that the writer put in the header.
    """

    tensors: Mapping[str, Tensor]
    metadata: Mapping[str, str]


def sha256_of(path: Path) -> str:
    """Hash of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_tensor_file(
    path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]
) -> None:
    """Write tensors, which may be anywhere and share memory, and texts for the header, in place.

    A file that is there already keeps its mode.

    Raises:
        CheckpointError: A tensor has an element type that lp does not store.
        OSError: The disk is full, or the folder cannot be written to.
    """
    path.touch()
    mode = path.stat().st_mode
    try:
        save_file(_storable(tensors), path, dict(metadata))
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from error
    path.chmod(mode)  # the library denies others to read what it writes


def _storable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors as the library takes them: contiguous, and not sharing memory."""
    storable: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        if dtype_name(tensor.dtype) is None:
            raise CheckpointError(
                f"'{name}' has elements of type {tensor.dtype}, which lp does not store"
            )
        own = tensor.detach().to("cpu").contiguous()
        address = own.untyped_storage().data_ptr()
        storable[name] = own.clone() if address in seen else own
        seen.add(address)
    return storable


def read_tensor_file(path: Path) -> TensorFile:
    """Read and check a safetensors file; nothing in it is executed.

    Raises:
        CheckpointError: The file is missing, is of another format (a pickle is named as such), is
            cut short, or its header and its data do not agree.
    """
    try:
        with safe_open(path, framework="pt") as file:
            # copies: a file that is mapped must not change for as long as it is used
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
            metadata = file.metadata() or {}
    except OSError as error:
        raise CheckpointError(
            f"the weights cannot be read: {error.strerror or error}", where=path
        ) from error
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise _refusal(path, str(error)) from error
    for name, tensor in tensors.items():
        _check_elements(name, tensor, path)
    return TensorFile(tensors, metadata)


def _refusal(path: Path, reason: str) -> CheckpointError:
    """The error for a file that is not a safetensors file; a pickle is named for what it is.

    The length of a good header may begin with the same bytes as a pickle, so only a file that
    cannot be read is asked.
    """
    with path.open("rb") as file:
        is_pickle = file.read(4).startswith(_PICKLES)
    if is_pickle:
        return CheckpointError(
            "this is a pickle (as torch.save writes it), not a safetensors file; "
            "it is not opened, since opening it could run code",
            where=path,
            remedy="ask for the weights as .safetensors",
        )
    return CheckpointError(
        f"this is not a safetensors file, or it is damaged or cut short: {reason}",
        where=path,
        remedy="copy the file again",
    )


def _check_elements(name: str, tensor: Tensor, path: Path) -> None:
    """Refuse element types that lp does not store, and truth values other than 0 and 1."""
    if dtype_name(tensor.dtype) is None:
        raise CheckpointError(f"'{name}' has the unknown element type {tensor.dtype}", where=path)
    if tensor.dtype == torch.bool and tensor.numel() and tensor.view(torch.uint8).max() > 1:
        raise CheckpointError(f"'{name}' holds truth values other than 0 and 1", where=path)
