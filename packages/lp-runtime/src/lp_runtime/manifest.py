"""The files of an exported model: the graph, and what is known of it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_io import strict_json
from lp_runtime.errors import ExportError

MANIFEST = "exported.json"
GRAPH = "graph.onnx"
FORMAT = "lp-exported-model"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Agreement:
    """How far the keypoints of an exported model are from those of the model, in model px.

    Attributes:
        frames: Frames that both looked at.
        confident: Keypoints on them that the model has a confidence of at least one half of.
        median: Of their distances.
        p99: 99 % of the distances are at most this.
        largest: The largest distance.
        confidence: The largest difference of confidences, of all keypoints.
    """

    frames: int
    confident: int
    median: float
    p99: float
    largest: float
    confidence: float


@dataclass(frozen=True)
class ExportManifest:
    """What is known of an exported model.

    Attributes:
        model_type: The registered name of the tracker.
        keypoint_names: K names, in the order of every output.
        image_size: (height, width) in model px of the frames that the graph takes.
        context_frames: Frames that it looks at for each, the frame itself in the middle.
        chunk: Frames at once, so that all predictions go through the graph in the same company.
        weights_digest: Of the tracker; predictions are told apart by it.
        graph_sha256: Of the file of the graph, in hexadecimal.
        agreement: How far it is from the model.
        calibration: What turns confidences into probabilities; None where the model has none.
        packages: Versions of what made it, by distribution.
    """

    model_type: str
    keypoint_names: tuple[str, ...]
    image_size: tuple[int, int]
    context_frames: int
    chunk: int
    weights_digest: str
    graph_sha256: str
    agreement: Agreement
    calibration: Mapping[str, Any] | None = None
    packages: Mapping[str, str] = field(default_factory=dict)


def is_exported(folder: Path) -> bool:
    """Whether a folder holds an exported model."""
    return (folder / MANIFEST).is_file()


def write_manifest(folder: Path, manifest: ExportManifest) -> None:
    """Write the manifest into the folder of an exported model.

    Raises:
        ExportError: It cannot be written.
    """
    content = {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(manifest)}
    content["checksum"] = strict_json.checksum(strict_json.parse(strict_json.dump(content)))
    path = folder / MANIFEST
    with unwritable_as(ExportError, "the manifest", path), atomic_text(path) as file:
        file.write(strict_json.dump(content, indent=1) + "\n")


def read_exported(folder: Path) -> tuple[ExportManifest, bytes]:
    """The manifest of an exported model, and its graph, whose hash is checked.

    Raises:
        ExportError: It is not there, damaged, or of a format that this version does not know.
    """
    path, graph = folder / MANIFEST, folder / GRAPH
    try:
        text, data = _small(path), graph.read_bytes()
    except OSError as error:
        raise ExportError(
            f"this is not a whole exported model: {error.strerror}",
            where=error.filename or folder,
            remedy="export it again: litpose export MODEL_DIR",
        ) from error
    manifest = _parsed(text, path)
    if hashlib.sha256(data).hexdigest() != manifest.graph_sha256:
        raise ExportError(
            "the graph has been changed or damaged since it was exported",
            where=graph,
            remedy="copy the whole folder again, or export the model again",
        )
    return manifest, data


def _small(path: Path) -> bytes:
    if path.stat().st_size > strict_json.MAX_BYTES:
        raise ExportError("the manifest is too large to be one", where=path)
    return path.read_bytes()


def _parsed(text: bytes, path: Path) -> ExportManifest:
    try:
        content = strict_json.parse(text)
    except strict_json.JSONContentError as error:
        raise ExportError(f"the manifest is not valid JSON: {error}", where=path) from error
    if not isinstance(content, dict) or content.pop("format", None) != FORMAT:
        raise ExportError("this is not the manifest of an exported model", where=path)
    said = content.pop("checksum", None)
    if strict_json.checksum({"format": FORMAT, **content}) != said:
        raise ExportError(
            "the manifest has been changed or damaged since it was written",
            where=path,
            remedy="copy the whole folder again, or export the model again",
        )
    if content.pop("format_version", None) != FORMAT_VERSION:
        raise ExportError(
            "this version of lp does not know the format of this exported model",
            where=path,
            remedy="upgrade lp-runtime, or export the model again",
        )
    try:
        return _built(content)
    except (TypeError, ValueError, KeyError) as error:
        raise ExportError(f"the manifest is not complete: {error}", where=path) from error


def _built(content: dict[str, Any]) -> ExportManifest:
    """The manifest of plain values, whose checksum was right."""
    height, width = map(int, content.pop("image_size"))
    names = tuple(map(str, content.pop("keypoint_names")))
    agreement = Agreement(**content.pop("agreement"))
    return ExportManifest(
        keypoint_names=names, image_size=(height, width), agreement=agreement, **content
    )
