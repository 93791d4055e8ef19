"""The weights of a checkpoint of Lightning Pose, by the names of our trackers.

Lightning Pose cuts torchvision's networks into a numbered sequence of their parts, and takes vision
transformers from the library transformers. Our backbones are timm's networks, whose architectures
are the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from lp_core.backbones.contract import Backbone
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint.building import registration_of
from lp_io.errors import ConversionError
from lp_io.lightning_pose.checkpoint import LightningPoseCheckpoint
from lp_io.lightning_pose.transformers import transformer_weights
from lp_io.projects.report import ConversionReport

Weights = Mapping[str, Tensor]
Value = TypeVar("Value")

_BACKBONE, _HEAD = "backbone.", "head."
_IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
"""The normalization of Lightning Pose, whatever the backbone."""

_RESNET_PARTS = {"0": "conv1", "1": "bn1", "4": "layer1"}
_RESNET_PARTS |= {"5": "layer2", "6": "layer3", "7": "layer4"}
"""Part 2 is an activation and part 3 a pooling; neither has weights."""

_STEM = {"0": "conv_stem", "1": "bn1"}
_TOP = {"0": "conv_head", "1": "bn2"}
_SQUEEZE = {"fc1": "se.conv_reduce", "fc2": "se.conv_expand"}
_BLOCK = re.compile(r"0\.(\d+)\.(\d+)\.block\.(\d+)\.(\w+)\.(\w+)")
_ENDS = re.compile(r"0\.(0|8)\.(0|1)\.(\w+)")


def resnet_weight(name: str) -> str:
    """The name in our backbone of a ResNet's weight, such as ``4.0.conv1.weight``.

    Raises:
        ConversionError: A ResNet has no such weight.
    """
    part, _, rest = name.partition(".")
    if part not in _RESNET_PARTS or not rest:
        raise ConversionError(f"'{name}' is not a weight of a ResNet")
    return f"model.{_RESNET_PARTS[part]}.{rest}"


def efficientnet_weight(name: str) -> str:
    """The name in our backbone of an EfficientNet's weight, such as ``0.2.1.block.0.0.weight``.

    Raises:
        ConversionError: An EfficientNet has no such weight.
    """
    if match := _ENDS.fullmatch(name):
        part, layer, kind = match.groups()
        return f"model.{(_STEM if part == '0' else _TOP)[layer]}.{kind}"
    if match := _BLOCK.fullmatch(name):
        stage, block, step, layer, kind = match.groups()
        place = _in_block(int(step), layer, widens=int(stage) > 1)
        if place is not None and 1 <= int(stage) <= 7:
            return f"model.blocks.{int(stage) - 1}.{block}.{place}.{kind}"
    raise ConversionError(f"'{name}' is not a weight of an EfficientNet")


def _in_block(step: int, layer: str, *, widens: bool) -> str | None:
    """Where the layer of a step belongs in a block; those of the first stage do not widen."""
    convolutions = ("conv_pw", "conv_dw", "", "conv_pwl") if widens else ("conv_dw", "", "conv_pw")
    if step >= len(convolutions):
        return None
    if not convolutions[step]:
        return _SQUEEZE.get(layer)
    normalizations = [number for number, name in enumerate(convolutions) if name]
    names = {"0": convolutions[step], "1": f"bn{normalizations.index(step) + 1}"}
    return names.get(layer)


_RESNETS = (
    *(f"resnet{depth}" for depth in (18, 34, 50, 101, 152)),
    *(f"resnet50_animal_{data}" for data in ("apose", "ap10k")),
    *(f"resnet50_human_{data}" for data in ("jhmdb", "res_rle", "top_res", "hand")),
)
_EFFICIENTNETS = ("efficientnet_b0", "efficientnet_b1", "efficientnet_b2")

_TRANSFORMERS = ("vits_dino", "vitb_dino", "vits_dinov2", "vitb_dinov2", "vitb_imagenet")

Layout = Callable[[Backbone, Weights], dict[str, Tensor]]
"""From our backbone and the weights of the other one, by their names without ``backbone.``, to the
state of ours."""


def _renamed(rename: Callable[[str], str]) -> Layout:
    """The same weights by other names."""
    return lambda _, weights: {rename(name): value for name, value in weights.items()}


LAYOUTS: Mapping[str, Layout] = {
    **dict.fromkeys(_RESNETS, _renamed(resnet_weight)),
    **dict.fromkeys(_EFFICIENTNETS, _renamed(efficientnet_weight)),
    **dict.fromkeys(_TRANSFORMERS, transformer_weights),
}
"""By the name of the backbone."""


@dataclass(frozen=True)
class Adapter:
    """How a tracker takes the weights of the tracker of the same name in Lightning Pose.

    Attributes:
        options: The options with which ours computes what that one computes.
        head: From our tracker and the weights of the other head to those of ours, by name without
            ``head.``.
        others: The names of weights outside backbone and head, to their names in ours.
    """

    options: Mapping[str, Any]
    head: Callable[[BaseSupervisedTracker, Weights], dict[str, Tensor]]
    others: Mapping[str, str] = field(default_factory=dict)


def _same_head(tracker: BaseSupervisedTracker, weights: Weights) -> dict[str, Tensor]:
    return dict(weights)


def _context_head(tracker: BaseSupervisedTracker, weights: Weights) -> dict[str, Tensor]:
    """Leave out ``layers``, where Lightning Pose stores every weight a second time."""
    twice = "head_mf.layers."
    return {name: value for name, value in weights.items() if not name.startswith(twice)}


def _regression_head(tracker: BaseSupervisedTracker, weights: Weights) -> dict[str, Tensor]:
    """The linear layer: it gives model px from the image's corner, ours the range -1 to 1.

    It has no confidence; ours is 1/2 then.
    """
    own = dict(weights)
    height, width = tracker.options.image_size
    for theirs, ours, shift in (("weight", "positions.weight", 0), ("bias", "positions.bias", 1)):
        value = own.pop(f"linear_layer.{theirs}", None)
        if value is not None:  # of as many keypoints as that head has
            half = torch.tensor([width / 2, height / 2]).repeat(len(value) // 2)
            own[ours] = value / half.view(-1, *[1] * (value.ndim - 1)) - shift
    for name, value in tracker.state_dict().items():
        if name.startswith(f"{_HEAD}confidences."):
            own[name.removeprefix(_HEAD)] = torch.zeros_like(value)
    return own


_OPTIONS = {"decoding": "lightning_pose"}

ADAPTERS: Mapping[str, Adapter] = {
    "heatmap": Adapter(_OPTIONS, _same_head),
    "heatmap_mhcrnn": Adapter({**_OPTIONS, "context_head": "recurrent"}, _context_head),
    "regression": Adapter(_OPTIONS, _regression_head),
    "heatmap_multiview_transformer": Adapter(
        {**_OPTIONS, "class_tokens": False}, _same_head, {"view_embeddings": "view_identity"}
    ),
}
"""By ``model.model_type``, which Lightning Pose and lp name alike."""


def get_adapter(model_type: str, where: str | Path) -> Adapter:
    """The adapter of a model type, which is named at ``where`` in a config of Lightning Pose.

    Raises:
        ConversionError: Models of this type cannot be converted.
    """
    problem = f"models of type '{model_type}' cannot be converted from Lightning Pose"
    return _chosen(ADAPTERS, model_type, where, problem)


def check_backbone(name: str, where: str | Path) -> Layout:
    """The layout of the weights of a backbone that is named at ``where``; see `LAYOUTS`.

    Raises:
        ConversionError: Its weights cannot be converted.
    """
    return _chosen(LAYOUTS, name, where, f"the weights of a '{name}' cannot be converted")


def _chosen(known: Mapping[str, Value], name: str, where: str | Path, problem: str) -> Value:
    if name not in known:
        remedy = f"these can be converted: {', '.join(known)}; train the others again"
        raise ConversionError(problem, where=where, remedy=remedy)
    return known[name]


def tracker_weights(
    tracker: BaseSupervisedTracker, checkpoint: LightningPoseCheckpoint
) -> dict[str, Tensor]:
    """The weights of a checkpoint by the names of the tracker's state.

    A tracker without an adapter is given the head's weights under the names of the checkpoint.

    Raises:
        ConversionError: They are not those of the tracker's backbone.
    """
    layout = check_backbone(tracker.options.backbone, f"{checkpoint.path}, model.backbone")
    backbone = _part(checkpoint.weights, _BACKBONE)
    try:
        state = layout(tracker.backbone, backbone)
    except ConversionError as error:
        raise _misfit(tracker, checkpoint, error.problem) from error
    named = {f"{_BACKBONE}{name}": value for name, value in state.items()}
    adapter = _adapter_of(tracker)
    head = adapter.head(tracker, _part(checkpoint.weights, _HEAD))
    others = {name: ours for name, ours in adapter.others.items() if name in checkpoint.weights}
    named |= {ours: checkpoint.weights[name] for name, ours in others.items()}
    named |= {f"{_HEAD}{name}": value for name, value in head.items()}
    for name, values in _IMAGENET.items():
        named[f"normalization.{name}"] = torch.tensor(values).reshape(-1, 1, 1)
    return named


def _adapter_of(tracker: BaseSupervisedTracker) -> Adapter:
    """The tracker's adapter; of one that has none, the head is the same."""
    name = registration_of(type(tracker))[1].name
    return ADAPTERS.get(name, Adapter({}, _same_head))


def _part(weights: Weights, prefix: str) -> dict[str, Tensor]:
    """The weights of a part, by their names in it."""
    start = len(prefix)
    return {name[start:]: value for name, value in weights.items() if name.startswith(prefix)}


def fill(tracker: BaseSupervisedTracker, checkpoint: LightningPoseCheckpoint) -> list[str]:
    """Put all weights of a checkpoint into a tracker.

    Returns:
        The names of the weights that no prediction needs.

    Raises:
        ConversionError: They are not exactly the tracker's.
    """
    weights, own = tracker_weights(tracker, checkpoint), tracker.state_dict()
    problems = [f"'{name}' is missing" for name in own if name not in weights]
    problems += [f"'{name}' belongs nowhere" for name in weights if name not in own]
    problems += [
        f"'{name}' is {tuple(weights[name].shape)}, not {tuple(value.shape)}"
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise _misfit(tracker, checkpoint, f"{problems[0]}{more}")
    tracker.load_state_dict(weights)
    used = (_BACKBONE, _HEAD, *_adapter_of(tracker).others)
    return [name for name in checkpoint.weights if not name.startswith(used)]


def report_of(
    target: Path,
    checkpoint: LightningPoseCheckpoint,
    model_type: str,
    options: TrackerOptions,
    left_out: Sequence[str],
) -> ConversionReport:
    """What the conversion of a checkpoint kept and left out.

    Args:
        target: The model directory that was made.
        checkpoint: What it was made of.
        model_type: The kind of tracker.
        options: Those of the tracker.
        left_out: The names of the weights that no prediction needs.
    """
    made_of = f"{model_type} with a {options.backbone} and {options.num_keypoints} keypoints"
    resumed = (
        "the state of the optimiser: a training starts from these weights by "
        f"model.checkpoint={target}, but cannot be resumed"
    )
    unneeded = (f"'{name}', which prediction does not need" for name in left_out)
    kept = [f"the weights of {checkpoint.path.name}", made_of]
    return ConversionReport(target, kept, [resumed, *unneeded])


def _misfit(
    tracker: BaseSupervisedTracker, checkpoint: LightningPoseCheckpoint, problem: str
) -> ConversionError:
    return ConversionError(
        f"the weights do not fit {type(tracker).__name__} with a {tracker.options.backbone}: "
        f"{problem}",
        where=checkpoint.path,
        remedy="check that config.yaml and tb_logs are of the same training",
    )
