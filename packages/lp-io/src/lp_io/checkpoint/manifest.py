"""What ``manifest.json`` says about the weights beside it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lp_core.options import OptionError, read_options
from lp_io import strict_json
from lp_io.checkpoint.migrations import migrate
from lp_io.errors import CheckpointError

FORMAT = "lp-model"
FORMAT_VERSION = 1

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """An installable distribution, such as lp-models 0.1.0."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True)
class LossRecord:
    """A loss that the tracker learnt with.

    Attributes:
        name: The name under which it is registered in ``lp.losses``.
        options: Its options as plain values.
        distribution: What registers it.
    """

    name: str
    options: Mapping[str, Any]
    distribution: Distribution


@dataclass(frozen=True, kw_only=True)
class TensorRecord:
    """A tensor in the weights file; ``dtype`` is safetensors' name of it, such as ``"F32"``."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class WeightsRecord:
    """The weights file that the manifest belongs to.

    Attributes:
        sha256: Hash of the whole file, in hexadecimal.
        size: Bytes of the whole file.
        tensors: What it holds, in alphabetical order.
    """

    sha256: str
    size: int
    tensors: tuple[TensorRecord, ...]


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything about a saved tracker but its weights.

    Attributes:
        model_type: The name under which the supervised class is registered in ``lp.models``.
        semi_supervised: Whether it was trained as that class's semi-supervised twin.
        distribution: What registers that class.
        options: The tracker's options as plain values.
        optimization: How it learnt, as plain values.
        keypoint_names: The K keypoints, in the order of every output.
        weights: The weights file that the manifest belongs to.
        supervised_losses: What it learnt from labelled batches with.
        unsupervised_losses: What it learnt from unlabelled clips with.
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
    weights: WeightsRecord
    supervised_losses: tuple[LossRecord, ...] = ()
    unsupervised_losses: tuple[LossRecord, ...] = ()
    packages: Mapping[str, str] = field(default_factory=dict)
    split: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""


def manifest_text(manifest: Manifest) -> str:
    """The text of ``manifest.json``.

    Raises:
        CheckpointError: The manifest holds something that JSON cannot say.
    """
    content = {"format": FORMAT, "format_version": FORMAT_VERSION}
    content |= dataclasses.asdict(manifest)
    try:
        plain = strict_json.parse(strict_json.dump(content))  # as it will be read: tuples are lists
        plain["checksum"] = strict_json.checksum(plain)
        return strict_json.dump(plain, indent=1) + "\n"
    except strict_json.JSONContentError as error:
        raise CheckpointError(
            f"the manifest cannot be written as JSON: {error}",
            remedy="keep only plain values (text, numbers, lists, mappings) in options and extras",
        ) from error


def parse_manifest(text: bytes | str, *, where: str) -> Manifest:
    """The manifest that a text holds, whichever version of the format it has.

    Args:
        text: The content of ``manifest.json``.
        where: The file, for messages.

    Raises:
        CheckpointError: It is not a manifest, is damaged, or is of a newer format.
    """
    try:
        content = strict_json.parse(text)
    except strict_json.JSONContentError as error:
        raise CheckpointError(f"the manifest is not valid JSON: {error}", where=where) from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise CheckpointError("this is not the manifest of a saved model", where=where)
    _check_checksum(content, where)
    content = migrate(content, to_version=FORMAT_VERSION, where=where)
    try:
        return _from_plain(content)
    except OptionError as error:
        raise CheckpointError(
            f"the manifest is not complete or not consistent: {error.problem}",
            where=f"{where}, {error.where}",
        ) from error


def _check_checksum(content: dict[str, Any], where: str) -> None:
    """Refuse a manifest that is not as it was written."""
    given = content.pop("checksum", None)
    if given != strict_json.checksum({"format": FORMAT, **content}):
        raise CheckpointError(
            "the manifest has been changed or damaged since it was written",
            where=where,
            remedy="copy the whole model directory again; edit config.yaml, not the manifest",
        )


def _from_plain(content: dict[str, Any]) -> Manifest:
    """The manifest from JSON values of the current format."""
    values = dict(content)
    values["distribution"] = _record(Distribution, values.get("distribution"), "distribution")
    values["weights"] = _weights(values.get("weights"))
    for key in ("supervised_losses", "unsupervised_losses"):
        values[key] = [_loss(item, key) for item in _sequence(values.get(key), key)]
    split = _mapping(values.get("split"), "split")
    values["split"] = {name: _texts(paths, f"split.{name}") for name, paths in split.items()}
    return read_options(Manifest, values, place="manifest")


def _weights(value: Any) -> WeightsRecord:
    values = dict(_mapping(value, "weights"))
    tensors = _sequence(values.get("tensors"), "weights.tensors")
    values["tensors"] = [_record(TensorRecord, item, "weights.tensors") for item in tensors]
    return read_options(WeightsRecord, values, place="weights")


def _loss(value: Any, place: str) -> LossRecord:
    values = dict(_mapping(value, place))
    values["distribution"] = _record(Distribution, values.get("distribution"), place)
    return read_options(LossRecord, values, place=place)


def _record(kind: type[T], value: Any, place: str) -> T:
    return read_options(kind, _mapping(value, place), place=place)


def _mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise OptionError("expected a mapping", where=place)
    return value


def _sequence(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise OptionError("expected a list", where=place)
    return value


def _texts(value: Any, place: str) -> tuple[str, ...]:
    items = _sequence(value, place)
    if not all(isinstance(item, str) for item in items):
        raise OptionError("expected texts", where=place)
    return tuple(items)
