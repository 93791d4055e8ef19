"""A training state as one safetensors file: its tensors, and in the header all else as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lp_core.atomic import atomic_write
from lp_core.errors import unwritable_as
from lp_io import strict_json
from lp_io.errors import CheckpointError, TrainingStateError
from lp_io.tensor_file import read_tensor_file, tensor_bytes, write_tensor_file
from lp_io.training_state.tree import Encoder, decode

FORMAT = "lp-training-state"
FORMAT_VERSION = "1"


class EncodedState:
    """A training state as text and tensors.

    Args:
        state: Nested mappings, lists and tuples of plain values, tensors and arrays.
        copy: Whether to copy all tensors to the host, so that the training may go on and change
            them before the state is written.

    Raises:
        TrainingStateError: The state holds something else.
    """

    def __init__(self, state: Mapping[str, Any], *, copy: bool) -> None:
        encoder = Encoder()
        self._text = strict_json.dump(encoder.encode(dict(state)))
        self._tensors = encoder.tensors
        if copy:
            self._tensors = {name: _on_host(tensor) for name, tensor in encoder.tensors.items()}

    def write(self, path: Path) -> None:
        """Write the state; the file takes its name when it is on the disk.

        Args:
            path: The file; an existing one is replaced.

        Raises:
            TrainingStateError: The file cannot be written.
        """
        metadata = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "state": self._text,
            "sha256": _digest(self._text, self._tensors),
        }
        what = "the training state"
        with unwritable_as(TrainingStateError, what, path), atomic_write(path) as temporary:
            write_tensor_file(temporary, self._tensors, metadata)


def _on_host(tensor: Tensor) -> Tensor:
    """A copy in the host's memory, in the order of the file."""
    copy = torch.empty_like(tensor, device="cpu", memory_format=torch.contiguous_format)
    return copy.copy_(tensor)


def write_training_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a training state; it takes its name when it is on the disk.

    Args:
        path: The file; an existing one is replaced.
        state: Nested mappings, lists and tuples of plain values, tensors and arrays.

    Raises:
        TrainingStateError: The state holds something else, or the file cannot be written.
    """
    EncodedState(state, copy=False).write(Path(path))


def read_training_state(path: str | Path) -> dict[str, Any]:
    """Read what `write_training_state` wrote; tensors are on the CPU.

    Raises:
        TrainingStateError: The file is missing, is of a newer format, or was changed or damaged.
    """
    path = Path(path)
    try:
        file = read_tensor_file(path)
    except CheckpointError as error:
        raise TrainingStateError(error.problem, where=path, remedy=error.remedy) from error
    metadata = file.metadata
    if metadata.get("format") != FORMAT:
        raise TrainingStateError("this file holds no training state", where=path)
    if metadata.get("format_version") != FORMAT_VERSION:
        raise TrainingStateError(
            f"the training state has the format {metadata.get('format_version')}, this lp-io reads "
            f"{FORMAT_VERSION}",
            where=path,
            remedy="resume with the version that the training was started with",
        )
    text = metadata.get("state", "")
    if metadata.get("sha256") != _digest(text, file.tensors):
        raise TrainingStateError(
            "the training state was changed or damaged since it was written", where=path
        )
    state: dict[str, Any] = decode(strict_json.parse(text), file.tensors)
    return state


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """A hash of everything that a training state says, in hexadecimal."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}\n{tensor.dtype}\n{list(tensor.shape)}\n".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()
