"""Fold batch normalisation into the convolutions before it, which a CPU predicts faster with.

A normalisation by stored statistics multiplies and shifts each channel, and so can the convolution
whose output it takes: w' = w·γ/√(σ² + ε), b' = β + (b - μ)·γ/√(σ² + ε). It is our own because
torch finds the pairs of layers by tracing, which backbones of plug-ins need not allow.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lp_core.trackers.feature_extractor import BaseFeatureExtractor

Tracker = TypeVar("Tracker", bound=BaseFeatureExtractor)

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]

AGREEMENT = 1e-4
"""Largest difference of the features, as a share of the largest feature."""


def with_folded_backbone(tracker: Tracker) -> Tracker:
    """A copy that predicts the same, with normalisations folded; the tracker itself if none can be.

    It shares everything but the backbone with the tracker, which is in evaluation mode and is left
    as it is.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in tracker.backbone.modules()):
        return tracker
    backbone = copy.deepcopy(tracker.backbone)
    size = tracker.options.image_size
    like = next(backbone.parameters(), torch.zeros(()))
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(1, 3, *size, generator=generator).to(like)
    pairs, expected = _pairs(backbone, images)
    if not pairs:
        return tracker
    _fold(backbone, pairs)
    with torch.inference_mode():
        difference = (backbone(images) - expected).abs().max()
    if not difference <= AGREEMENT * expected.abs().max():
        return tracker
    folded = copy.copy(tracker)
    folded.__dict__["_modules"] = {**tracker._modules, "backbone": backbone}
    return folded


def _fold(network: nn.Module, pairs: Iterable[Pair]) -> None:
    """Fold the normalisations, and keep the activations that timm's carry."""
    parents = {
        child: (parent, name)
        for parent in network.modules()
        for name, child in parent.named_children()
    }
    for convolution, normalisation in pairs:
        fused = fuse_conv_bn_eval(convolution, normalisation)
        convolution.weight, convolution.bias = fused.weight, fused.bias
        parent, name = parents[normalisation]
        setattr(parent, name, getattr(normalisation, "act", nn.Identity()))


def _pairs(network: nn.Module, images: Tensor) -> tuple[list[Pair], Tensor]:
    """Convolutions with the normalisations that take their outputs as they are, and the features.

    They are seen by running the network once; so it fits any architecture. Of an output that is
    used twice it cannot tell: the features after folding show it.
    """
    outputs: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # the tensor is kept, so its id is not reused
    pairs: list[Pair] = []

    def made(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            outputs[id(output)] = (module, output)
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            found = outputs.get(id(inputs[0]))
            if found is not None:
                pairs.append((found[0], module))

    hooks = [
        module.register_forward_hook(made)
        for module in network.modules()
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))
    ]
    try:
        with torch.inference_mode():
            features: Tensor = network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return pairs, features
