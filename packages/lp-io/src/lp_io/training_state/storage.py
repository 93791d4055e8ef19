"""A training state as one safetensors file: its tensors, and in the header all else as JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lp_core.atomic import written_beside
from lp_core.errors import unwritable
from lp_io import strict_json
from lp_io.errors import CheckpointError, TrainingStateError
from lp_io.tensor_file import read_tensor_file, write_tensor_file
from lp_io.training_state.tree import Encoder, decode

FORMAT = "lp-training-state"
FORMAT_VERSION = "1"


def write_training_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a training state; it takes its name when it is on the disk.

    Args:
        path: The file; an existing one is replaced.
        state: Nested mappings, lists and tuples of plain values, tensors and arrays.

    Raises:
        TrainingStateError: The state holds something else, or the file cannot be written.
    """
    path = Path(path)
    encoder = Encoder()
    text = strict_json.dump(encoder.encode(dict(state)))
    metadata = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "state": text,
        "sha256": _digest(text, encoder.tensors),
    }
    try:
        with written_beside(path) as beside:
            write_tensor_file(beside, encoder.tensors, metadata)
    except OSError as error:
        raise unwritable(TrainingStateError, "the training state", path, error) from error


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
        if tensor.numel():
            flat = tensor.to("cpu").contiguous().reshape(-1)
            digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()
