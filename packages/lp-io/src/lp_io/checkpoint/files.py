"""The files of a saved model: their names, what the manifest says, and how both are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError
from torch import Tensor

from lp_core.atomic import put_in_place
from lp_core.poses import Skeleton
from lp_core.trackers.weights import without_losses
from lp_io import strict_json
from lp_io.errors import CheckpointError
from lp_io.model_directory import MANIFEST_NAME, WEIGHTS_NAME
from lp_io.tensor_file import UNFINISHED, dtype_name, read_tensor_file, sha256_of

NEW_WEIGHTS_NAME = f".{WEIGHTS_NAME}.new"
NEW_MANIFEST_NAME = f".{MANIFEST_NAME}.new"
FORMAT = "lp-model"
ENSEMBLE_FORMAT = "lp-ensemble"
FORMAT_VERSION = 2  # 2 added the skeleton


class Record(BaseModel):
    """Part of a manifest: what it does not know is refused."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", protected_namespaces=())


class Distribution(Record):
    """An installable distribution, such as lp-models 0.1.0."""

    name: str
    version: str


class LossRecord(Record):
    """A loss that the tracker learnt with, by its name in ``lp.losses``, and what registers it."""

    name: str
    options: Mapping[str, Any]
    distribution: Distribution


class TensorRecord(Record):
    """A tensor in the weights file; ``dtype`` is safetensors' name of it, such as ``"F32"``."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class WeightsRecord(Record):
    """The weights file that the manifest belongs to, its hash in hexadecimal and size in bytes."""

    sha256: str
    size: int
    tensors: tuple[TensorRecord, ...]


class Manifest(Record):
    """Everything about a saved tracker but its weights.

    Attributes:
        model_type: The name under which the supervised class is registered in ``lp.models``.
        semi_supervised: Whether it was trained as that class's semi-supervised twin.
        distribution: What registers that class.
        options: The tracker's options as plain values.
        optimization: How it learnt, as plain values.
        keypoint_names: The K keypoints, in the order of every output.
        skeleton: How they belong together; None where it is not stated, and in models of format 1.
        packages: Versions of what made it, by distribution.
        split: Image paths by name of the split: ``train``, ``validation``, ``test``, ``unused``.
        metrics: Figures such as the validation's pixel error in frame px; None for one that is not
            a finite number.
        extra: Whatever else the one who saved it wants to keep; plain values.
        created: When it was saved, ISO 8601 in UTC.
    """

    model_type: str
    semi_supervised: bool
    distribution: Distribution
    options: Mapping[str, Any]
    optimization: Mapping[str, Any]
    keypoint_names: tuple[str, ...]
    skeleton: Skeleton | None = None
    weights: WeightsRecord
    supervised_losses: tuple[LossRecord, ...] = ()
    unsupervised_losses: tuple[LossRecord, ...] = ()
    packages: Mapping[str, str] = {}
    split: Mapping[str, tuple[str, ...]] = {}
    metrics: Mapping[str, float | None] = {}
    extra: Mapping[str, Any] = {}
    created: str = ""


def manifest_text(manifest: Manifest) -> str:
    """The text of ``manifest.json``.

    Raises:
        CheckpointError: The manifest holds something that JSON cannot say.
    """
    try:
        plain = {"format": FORMAT, "format_version": FORMAT_VERSION}
        plain |= manifest.model_dump(mode="json")
        plain["checksum"] = strict_json.checksum(plain)
        return strict_json.dump(plain, indent=1) + "\n"
    except (strict_json.JSONContentError, PydanticSerializationError) as error:
        raise CheckpointError(
            f"the manifest cannot be written as JSON: {error}",
            remedy="keep only plain values (text, numbers, lists, mappings) in options and extras",
        ) from error


def parse_manifest(text: bytes | str, *, where: str) -> Manifest:
    """The manifest that the text of the file ``where`` holds, whichever version of the format.

    Raises:
        CheckpointError: It is not a manifest, is damaged, or is of a newer format.
    """
    try:
        content = strict_json.parse(text)
    except strict_json.JSONContentError as error:
        raise CheckpointError(f"the manifest is not valid JSON: {error}", where=where) from error
    if isinstance(content, dict) and content.get("format") == ENSEMBLE_FORMAT:
        raise CheckpointError(
            "this is an ensemble, and one model is needed",
            where=where,
            remedy="name one of its members, whose folders the file names",
        )
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError("this is not the manifest of a saved model", where=where)
    if content.pop("checksum", None) != strict_json.checksum(content):
        raise CheckpointError(
            "the manifest has been changed or damaged since it was written",
            where=where,
            remedy="copy the whole model directory again; edit config.yaml, not the manifest",
        )
    del content["format"]
    _check_version(content.pop("format_version", None), where)
    try:
        return Manifest.model_validate_json(strict_json.dump(content))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise CheckpointError(
            f"the manifest is not complete or not consistent: {place}: {first['msg']}", where=where
        ) from error


def _check_version(version: object, where: str) -> None:
    """Refuse a newer format; what an older one lacks has a default."""
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CheckpointError(f"'{version}' is not a version of the model format", where=where)
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"the model was saved in format {version}, this lp-io reads up to {FORMAT_VERSION}",
            where=where,
            remedy="upgrade lp-io",
        )


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
    return parse_manifest(manifest_bytes(path), where=str(path))


def manifest_bytes(path: Path) -> bytes:
    """The text of a manifest, of one model or of an ensemble.

    Raises:
        CheckpointError: It is not there, cannot be read, or is far too large.
    """
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
    return text


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
