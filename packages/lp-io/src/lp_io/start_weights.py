"""The weights that a training starts from: ``model.checkpoint``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from torch import Tensor

from lp_core.backbones.feature_tokens import FeatureTokens
from lp_core.errors import LPError
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_core.trackers.weights import without_losses
from lp_io.checkpoint import LeftOut, Manifest, read_manifest, read_weights, take_weights
from lp_io.errors import CheckpointError
from lp_io.lightning_pose.checkpoint import (
    find_lightning_pose_checkpoint,
    is_lightning_pose_model_dir,
    read_lightning_pose_checkpoint,
)
from lp_io.lightning_pose.weights import tracker_weights
from lp_io.model_directory import MANIFEST_NAME, WEIGHTS_NAME

_KEY = "model.checkpoint"
_BACKBONE = "backbone."
_LIGHTNING_POSE_SUFFIX = ".ckpt"
_MOST_NAMED = 3


def start_from(tracker: BaseSupervisedTracker, checkpoint: Path) -> tuple[str, ...]:
    """Start a tracker from the weights of another model, as far as they fit.

    The backbone's weights must fit as a whole; a head of another size, for instance, keeps its
    random weights. So do the blocks in which a joint tracker of several cameras joins the feature
    maps, where it starts from a tracker of each image alone.

    Args:
        tracker: The tracker.
        checkpoint: A model directory or ``.safetensors`` file; or of Lightning Pose, a model
            directory or ``.ckpt`` file.

    Returns:
        What was taken over and what was not, a line each.

    Raises:
        CheckpointError: There are no weights, they cannot be trusted, or they are of another
            backbone.
    """
    try:
        left_out = _take(tracker, checkpoint)
    except LPError as error:
        where = f"{_KEY}: {error.where or checkpoint}"
        raise CheckpointError(error.problem, where=where, remedy=error.remedy) from error
    _check_backbone(tracker, checkpoint, left_out)
    names = list(without_losses(tracker.state_dict()))
    kept = {item.name for item in left_out} & set(names)
    taken = f"{len(names) - len(kept)} of {len(names)} tensors"
    notes = {
        "left out, so that it starts from random weights": [
            item for item in left_out if item.name in kept
        ],
        "left out of the checkpoint": [item for item in left_out if item.name not in kept],
    }
    return (
        f"starting from the weights of {checkpoint}: {taken}",
        *(f"{note}: {_described(items)}" for note, items in notes.items() if items),
        *_keypoint_lines(tracker, checkpoint, kept),
    )


def _take(tracker: BaseSupervisedTracker, checkpoint: Path) -> tuple[LeftOut, ...]:
    is_folder = is_lightning_pose_model_dir(checkpoint)
    if not is_folder and checkpoint.suffix != _LIGHTNING_POSE_SUFFIX:
        return take_weights(tracker, _placed(tracker, read_weights(checkpoint)), checkpoint)
    file = find_lightning_pose_checkpoint(checkpoint) if is_folder else checkpoint
    weights = tracker_weights(tracker, read_lightning_pose_checkpoint(file))
    return take_weights(tracker, weights, file)


def _placed(tracker: BaseSupervisedTracker, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a plain backbone by the names that they have within `FeatureTokens`."""
    inner = f"{_BACKBONE}{FeatureTokens.NETWORK}."
    joins = isinstance(tracker.backbone, FeatureTokens)
    if not joins or any(name.startswith(inner) for name in weights):
        return weights
    return {
        inner + name.removeprefix(_BACKBONE) if name.startswith(_BACKBONE) else name: value
        for name, value in weights.items()
    }


def _check_backbone(
    tracker: BaseSupervisedTracker, checkpoint: Path, left_out: Iterable[LeftOut]
) -> None:
    """Refuse weights that would leave the backbone with a mixture of two networks'."""
    late = {id(parameter) for parameter in tracker.backbone.backbone_parameters()}
    new = {name for name, value in tracker.named_parameters() if id(value) not in late}
    unlike = [item for item in left_out if item.name.startswith(_BACKBONE) and item.name not in new]
    if not unlike:
        return
    manifest = _manifest_of(checkpoint)
    trained = manifest.options.get("backbone") if manifest else None
    of = f"those of {trained}" if trained else "those of another network or image size"
    raise CheckpointError(
        f"the backbone {tracker.options.backbone} cannot start from these weights, which are {of}: "
        f"{_described(unlike)}",
        where=f"{_KEY}: {checkpoint}",
        remedy="set model.backbone and data.image_resize_dims to those of the model, or remove "
        f"{_KEY}",
    )


def _described(items: Sequence[LeftOut]) -> str:
    """The first tensors with the reasons, and how many more there are."""
    shown = ", ".join(f"{item.name} {item.reason}" for item in items[:_MOST_NAMED])
    more = len(items) - _MOST_NAMED
    return shown + (f" (and {more} more)" if more > 0 else "")


def _keypoint_lines(
    tracker: BaseSupervisedTracker, checkpoint: Path, kept: Iterable[str]
) -> list[str]:
    """Say so where the head was trained for other keypoints, as many as there are now."""
    manifest, own = _manifest_of(checkpoint), tracker.options.keypoint_names
    trained = manifest.keypoint_names if manifest else ()
    if any(kept) or trained in ((), own):
        return []
    different = [(new, old) for new, old in zip(own, trained, strict=False) if new != old]
    note = "the head was trained for other keypoints: '{}' starts from '{}'"
    return [note.format(*pair) for pair in different[:1]]


def _manifest_of(checkpoint: Path) -> Manifest | None:
    """What is said of the model whose weights these are; None where nothing is."""
    folder = checkpoint.parent if checkpoint.name == WEIGHTS_NAME else checkpoint
    return read_manifest(folder) if (folder / MANIFEST_NAME).is_file() else None
