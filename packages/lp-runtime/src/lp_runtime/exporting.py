"""Export a model directory, and check that what is exported gives what the model gives."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lp_core.batches import UnlabeledBatch
from lp_core.errors import unwritable_as
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_core.trackers.weights import weights_digest
from lp_data.video.open import open_video
from lp_io.checkpoint import Manifest, load_model, read_manifest
from lp_io.model_directory import TOP_DOWN, WHOLE_FRAME
from lp_runtime.contract import Found, Images, Runtime, load_runtime
from lp_runtime.errors import ExportError
from lp_runtime.graph import onnx_graph
from lp_runtime.manifest import (
    GRAPH,
    Agreement,
    ExportManifest,
    write_manifest,
)

TOLERANCE = 0.02
"""Model px within which 99 % of the confident keypoints of the graph and the model must agree."""

CHUNK = 16
"""Frames at once."""

_COMPARED = 64  # frames that the graph and the model are compared on
_CONFIDENT = 0.5
_CALIBRATION = "confidence_calibration"
_MADE_BY = ("lp-core", "lp-runtime", "onnx", "onnxscript", "torch")


def frames_to_compare(model_dir: Path, video: Path) -> Images:
    """The first frames of a video at the size that the tracker of a model directory takes.

    Raises:
        CheckpointError: The model directory cannot be read.
        VideoError: The video cannot be read.
    """
    height, width = read_manifest(model_dir).options["image_size"]
    with open_video(video, resize_to=(height, width)) as source:
        return source.read(0, min(_COMPARED, len(source))).transpose(0, 3, 1, 2)


def export_model(model_dir: Path, output: Path, frames: Images) -> ExportManifest:
    """Export a model directory into a folder, which appears whole or not at all.

    Args:
        model_dir: A model directory.
        output: The new folder.
        frames: Consecutive frames that the graph and the model are compared on, at the size that
            the tracker takes (`frames_to_compare`); as many as its context at least.

    Raises:
        CheckpointError: The model directory cannot be loaded.
        ExportError: The tracker cannot be exported, the folder exists, or the graph does not give
            what the model gives.
    """
    if output.exists():
        raise ExportError(
            "there is something already", where=output, remedy="name a new folder: --output"
        )
    loaded = load_model(model_dir)
    _refuse_crops(loaded.manifest, model_dir)
    tracker = loaded.tracker
    graph = onnx_graph(tracker, CHUNK)
    agreement = agreement_of(tracker, load_runtime("onnxruntime")(graph), frames)
    check_agreement(agreement, model_dir)
    manifest = ExportManifest(
        model_type=loaded.manifest.model_type,
        keypoint_names=tracker.options.keypoint_names,
        image_size=tracker.options.image_size,
        context_frames=tracker.context_frames,
        chunk=CHUNK,
        weights_digest=weights_digest(tracker),
        graph_sha256=hashlib.sha256(graph).hexdigest(),
        agreement=agreement,
        calibration=_calibration(loaded.manifest.extra),
        packages={name: version(name) for name in _MADE_BY},
    )
    _write(output, manifest, graph)
    return manifest


def _refuse_crops(manifest: Manifest, model_dir: Path) -> None:
    """Refuse a tracker that looks at crops around animals, which something else has to find."""
    if TOP_DOWN in manifest.extra or WHOLE_FRAME in manifest.extra:
        raise ExportError(
            "this tracker finds animals and looks at each in a crop; such trackers cannot be "
            "exported yet",
            where=model_dir,
            remedy="predict with the model itself",
        )


def _calibration(extra: Mapping[str, Any]) -> Mapping[str, Any] | None:
    found = extra.get(_CALIBRATION)
    return found if isinstance(found, dict) else None


def _write(output: Path, manifest: ExportManifest, graph: bytes) -> None:
    with unwritable_as(ExportError, "the exported model", output):
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.") as work:
            new = Path(work) / "new"
            new.mkdir()
            (new / GRAPH).write_bytes(graph)
            write_manifest(new, manifest)
            new.rename(output)


@torch.inference_mode()
def agreement_of(tracker: BaseSupervisedTracker, runtime: Runtime, frames: Images) -> Agreement:
    """How far a graph is from its tracker on consecutive frames of model size, some at a time."""
    some = CHUNK + tracker.context_frames - 1
    runs = [frames[start : start + some] for start in range(0, len(frames), CHUNK)]
    runs = [run for run in runs if len(run) >= tracker.context_frames]
    if not runs:
        raise ExportError(
            f"{len(frames)} frames are fewer than the {tracker.context_frames} that "
            f"{type(tracker).__name__} looks at together",
            remedy="name a longer video: --video",
        )
    pairs = [(_predicted(tracker, run), runtime.run(run)) for run in runs]
    ours, theirs = (
        Found(*map(np.concatenate, zip(*side, strict=True))) for side in zip(*pairs, strict=True)
    )
    distance = np.linalg.norm(ours.keypoints - theirs.keypoints, axis=-1)
    sure = distance[ours.confidences >= _CONFIDENT]
    compared = sure if sure.size else distance.ravel()
    return Agreement(
        frames=len(distance),
        confident=int(sure.size),
        median=float(np.median(compared)),
        p99=float(np.percentile(compared, 99)),
        largest=float(compared.max()),
        confidence=float(np.abs(ours.confidences - theirs.confidences).max()),
    )


def _predicted(tracker: BaseSupervisedTracker, run: Images) -> Found:
    same = torch.eye(3)[:2].repeat(len(run), 1, 1)
    batch: UnlabeledBatch = {"frames": torch.from_numpy(run), "to_frame": same}
    found = tracker.predict_step(batch)
    return Found(found.keypoints.numpy(), found.confidences.numpy())


def check_agreement(agreement: Agreement, model_dir: Path) -> None:
    """Refuse a graph that does not give what the model gives; NaN never agrees.

    Raises:
        ExportError: It does not.
    """
    if not agreement.p99 <= TOLERANCE:
        raise ExportError(
            f"the graph does not give what the model gives: 1 % of the keypoints are more than "
            f"{agreement.p99:.3g} px apart, and {TOLERANCE} px is allowed",
            where=model_dir,
            remedy="predict with the model itself, and report this",
        )


def folder_of(model_dir: Path) -> Path:
    """Where a model directory is exported to if nothing else is said."""
    return model_dir / "exported"
