"""What ``manifest.json`` says about the weights beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import PydanticSerializationError

from lp_core.poses import Skeleton
from lp_io import strict_json
from lp_io.errors import CheckpointError

FORMAT = "lp-model"
FORMAT_VERSION = 2  # 2 added the skeleton


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", protected_namespaces=())


class Distribution(_Record):
    """An installable distribution, such as lp-models 0.1.0."""

    name: str
    version: str


class LossRecord(_Record):
    """A loss that the tracker learnt with, by its name in ``lp.losses``, and what registers it."""

    name: str
    options: Mapping[str, Any]
    distribution: Distribution


class TensorRecord(_Record):
    """A tensor in the weights file; ``dtype`` is safetensors' name of it, such as ``"F32"``."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class WeightsRecord(_Record):
    """The weights file that the manifest belongs to, its hash in hexadecimal and size in bytes."""

    sha256: str
    size: int
    tensors: tuple[TensorRecord, ...]


class Manifest(_Record):
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
