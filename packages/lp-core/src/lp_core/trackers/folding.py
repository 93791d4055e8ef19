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
from torch.nn.utils.fusion import fuse_conv_bn_weights

from lp_core.trackers.feature_extractor import BaseFeatureExtractor

Tracker = TypeVar("Tracker", bound=BaseFeatureExtractor)

Pair = tuple[nn.Conv2d, nn.BatchNorm2d]

AGREEMENT = 1e-4
"""Largest difference of the features, as a share of the largest feature."""


def with_folded_backbone(tracker: Tracker) -> Tracker:
    """A tracker that predicts the same, with normalisations folded where that is possible.

    Args:
        tracker: In evaluation mode; it is left as it is. Everything but the backbone is shared.

    Returns:
        A copy; or the tracker itself, where nothing can be folded or the features would change.
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
    if not _agree(backbone, images, expected):
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
        mean, variance = normalisation.running_mean, normalisation.running_var
        assert mean is not None
        assert variance is not None
        convolution.weight, convolution.bias = fuse_conv_bn_weights(
            convolution.weight,
            convolution.bias,
            mean,
            variance,
            normalisation.eps,
            normalisation.weight,
            normalisation.bias,
        )
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


def _agree(network: nn.Module, images: Tensor, expected: Tensor) -> bool:
    with torch.inference_mode():
        difference = (network(images) - expected).abs().max()
    return bool(difference <= AGREEMENT * expected.abs().max())
