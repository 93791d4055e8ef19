"""The names of a saved model's files, and how both of them are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lp_core.atomic import put_in_place
from lp_io import strict_json
from lp_io.checkpoint.manifest import Manifest, TensorRecord, parse_manifest
from lp_io.errors import CheckpointError
from lp_io.tensor_file import UNFINISHED, dtype_name, read_tensor_file, sha256_of

WEIGHTS_NAME = "model.safetensors"
MANIFEST_NAME = "manifest.json"
NEW_WEIGHTS_NAME = f".{WEIGHTS_NAME}.new"
NEW_MANIFEST_NAME = f".{MANIFEST_NAME}.new"
LOSS_PREFIXES = ("losses.", "unsupervised_losses.")
"""What the names of the losses' tensors begin with; nothing else of a tracker does."""


def without_losses(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that predictions depend on."""
    return {name: value for name, value in tensors.items() if not name.startswith(LOSS_PREFIXES)}


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The first weights that can only predict NaN; what a loss learnt may hold it."""
    for name, tensor in without_losses(tensors).items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return name
    return None


def tensor_record(name: str, tensor: Tensor) -> TensorRecord:
    """What the manifest says of a tensor."""
    kind = str(dtype_name(tensor.dtype))
    return TensorRecord(name=name, dtype=kind, shape=tuple(tensor.shape))


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a saved model, without a look at its weights.

    Raises:
        CheckpointError: There is no saved model, or its manifest cannot be trusted.
    """
    return _read_manifest(Path(folder) / MANIFEST_NAME)


def read_saved_model(folder: str | Path) -> tuple[Manifest, Mapping[str, Tensor]]:
    """The manifest of a saved model and the weights that it vouches for.

    Raises:
        CheckpointError: There is no saved model, or it cannot be trusted.
    """
    folder = Path(folder)
    manifest = read_manifest(folder)
    path = folder / WEIGHTS_NAME
    tensors = read_tensor_file(path).tensors
    digest = sha256_of(path)
    if digest != manifest.weights.sha256:
        manifest = _newer_manifest(folder, digest)
    _check_table(manifest, tensors, path)
    return manifest, tensors


def _read_manifest(path: Path) -> Manifest:
    try:
        with path.open("rb") as file:
            text = file.read(strict_json.MAX_BYTES + 1)
    except FileNotFoundError as error:
        remedy = "give the folder that `litpose train` wrote; was the training interrupted?"
        raise CheckpointError("there is no saved model here", where=path, remedy=remedy) from error
    except OSError as error:
        problem = f"the manifest cannot be read: {error.strerror}"
        raise CheckpointError(problem, where=path) from error
    if len(text) > strict_json.MAX_BYTES:
        raise CheckpointError("the file is too large to be a manifest", where=path)
    return parse_manifest(text, where=str(path))


def finish_interrupted_save(folder: Path) -> None:
    """Let the manifest of the weights take its name, if the last save stopped just before that.

    What the last save left unfinished is removed.
    """
    for stray in folder.glob(UNFINISHED):
        stray.unlink(missing_ok=True)
    new_manifest = folder / NEW_MANIFEST_NAME
    if not new_manifest.exists():
        return
    try:
        _newer_manifest(folder, sha256_of(folder / WEIGHTS_NAME))
    except (CheckpointError, OSError):  # it belongs to weights that never took their place
        new_manifest.unlink()
    else:
        put_in_place(new_manifest, folder / MANIFEST_NAME)


def _newer_manifest(folder: Path, digest: str) -> Manifest:
    """The manifest of weights that took their place just before their save was interrupted."""
    path = folder / NEW_MANIFEST_NAME
    if path.is_file():
        manifest = _read_manifest(path)
        if manifest.weights.sha256 == digest:
            return manifest
    raise CheckpointError(
        "the weights are not those that the manifest was written for: "
        "one of the two files was replaced or damaged",
        where=folder / WEIGHTS_NAME,
        remedy="copy the whole model directory again",
    )


def _check_table(manifest: Manifest, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Refuse weights that are not those that the manifest lists."""
    listed = {record.name: record for record in manifest.weights.tensors}
    for name, tensor in tensors.items():
        if listed.pop(name, None) != tensor_record(name, tensor):
            raise CheckpointError(f"'{name}' is not as the manifest says", where=path)
    if listed:
        raise CheckpointError(f"'{next(iter(listed))}' is missing from the weights", where=path)
