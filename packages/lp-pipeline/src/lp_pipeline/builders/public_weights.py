"""The weights of a checkpoint of Lightning Pose, by the names of our trackers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from lp_core.backbones.public import PublicBackbone
from lp_core.errors import BackboneError
from lp_core.registry import BACKBONES, load_plugin, registered
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.lightning_pose import PublicCheckpoint
from lp_pipeline.errors import ConvertError

_BACKBONE, _HEAD = "backbone.", "head."
PARTS = (_BACKBONE, _HEAD)
"""What the names of the weights begin with that a tracker needs."""

_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""What Lightning Pose normalises images with, whatever the backbone."""


def check_backbone(name: str, where: str) -> Callable[[str], str]:
    """Where the weights of a backbone of Lightning Pose belong in ours, by name.

    Args:
        name: The backbone.
        where: Where it is named, for the message.

    Raises:
        ConvertError: Its weights cannot be taken over.
    """
    plugins = [each for each in registered(BACKBONES) if _public_layout(each) is not None]
    layout = _public_layout(name) if name in plugins else None
    if layout is None:
        raise ConvertError(
            f"the weights of a '{name}' cannot be converted",
            where=where,
            remedy=f"backbones that can be: {', '.join(plugins)}; train the others again",
        )
    return layout


def _public_layout(name: str) -> Callable[[str], str] | None:
    plugin = load_plugin(BACKBONES, name)
    return plugin.layout if isinstance(plugin, PublicBackbone) else None


def tracker_weights(
    tracker: BaseSupervisedTracker, checkpoint: PublicCheckpoint
) -> dict[str, Tensor]:
    """The weights of a checkpoint by the names of the tracker's state.

    Raises:
        ConvertError: They are not those of the tracker's backbone.
    """
    layout = check_backbone(tracker.options.backbone, f"{checkpoint.path}, model.backbone")
    public = checkpoint.weights
    try:
        backbone = {layout(name): value for name, value in _part(public, _BACKBONE).items()}
    except BackboneError as error:
        raise misfit(tracker, checkpoint, error.problem) from error
    head = tracker.from_public_head(_part(public, _HEAD))
    return {
        **{f"{_BACKBONE}{name}": value for name, value in backbone.items()},
        **{f"{_HEAD}{name}": value for name, value in head.items()},
        **{
            f"normalization.{name}": torch.tensor(values).reshape(-1, 1, 1)
            for name, values in _IMAGENET.items()
        },
    }


def _part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in weights.items()
        if name.startswith(prefix)
    }


def misfit(
    tracker: BaseSupervisedTracker, checkpoint: PublicCheckpoint, problem: str
) -> ConvertError:
    """The error of a checkpoint whose weights are not those of the tracker."""
    return ConvertError(
        f"the weights do not fit {type(tracker).__name__} with a {tracker.options.backbone}: "
        f"{problem}",
        where=checkpoint.path,
        remedy="check that config.yaml and tb_logs are of the same training",
    )
