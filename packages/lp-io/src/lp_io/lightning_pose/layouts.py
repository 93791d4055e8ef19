"""Where the weights of Lightning Pose's convolutional backbones belong in ours.

Lightning Pose cuts torchvision's networks into a numbered sequence of their parts. The functions
here take the name of a weight in that sequence to its name in our backbone, which is timm's
network; the architectures are the same.
"""

from __future__ import annotations

import re

from lp_io.errors import ConversionError

_RESNET_PARTS = {
    "0": "conv1",
    "1": "bn1",
    "4": "layer1",
    "5": "layer2",
    "6": "layer3",
    "7": "layer4",
}
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
