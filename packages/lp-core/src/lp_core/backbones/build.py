"""Find a backbone by its name: registered plug-ins first, then everything in timm."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import cast

import torch

from lp_core.backbones.contract import Backbone, BackboneBuilder, BackboneRequest, TokenBackbone
from lp_core.errors import BackboneError, UnknownNameError, suggestion
from lp_core.registry import BACKBONES, load_plugin, registered


def build_backbone(request: BackboneRequest) -> Backbone:
    """The backbone that ``request`` names.

    Raises:
        UnknownNameError: Neither a plug-in nor a timm model has that name.
        BackboneError: It cannot be built as requested, or its weights cannot be had.
    """
    if request.name in registered(BACKBONES):
        builder = cast("BackboneBuilder", load_plugin(BACKBONES, request.name))
        return builder(request)
    import timm

    from lp_core.backbones.timm_backbone import build_timm_backbone

    if timm.is_model(request.name.split(".", maxsplit=1)[0]):
        return build_timm_backbone(request)
    rest = f"registered: {', '.join(registered(BACKBONES))}; and every timm model"
    raise UnknownNameError(
        f"unknown backbone '{request.name}'",
        where="model.backbone",
        remedy=suggestion(request.name, [*registered(BACKBONES), *timm.list_models()], rest),
    )


def require_tokens(backbone: Backbone, request: BackboneRequest) -> TokenBackbone:
    """The backbone, for a tracker that needs the tokens of a transformer.

    Args:
        backbone: What ``request`` built.
        request: What was asked for.

    Raises:
        BackboneError: It has no tokens; the message lists the registered ones that have.
    """
    if isinstance(backbone, TokenBackbone):
        return backbone
    if request.feature_stride is not None:
        problem = "tokens come from the last feature map, so that a feature stride cannot be chosen"
        raise BackboneError(
            problem, where="model.feature_stride", remedy="set model.feature_stride to null"
        )
    raise BackboneError(
        f"'{request.name}' has no tokens that could attend to those of other images",
        where="model.backbone",
        remedy=f"choose one of {', '.join(with_tokens())}, or another vision transformer of timm "
        "that has one token per patch and no windows",
    )


def with_tokens() -> list[str]:
    """The registered backbones that are a `TokenBackbone`, found by building each without memory.

    One that cannot be built so is left out.
    """
    request = BackboneRequest(name="", image_size=(224, 224), pretrained=False)
    found = []
    for name in registered(BACKBONES):
        # whatever a plug-in raises, this only completes a message
        with suppress(Exception), torch.device("meta"):
            builder = cast("BackboneBuilder", load_plugin(BACKBONES, name))
            if isinstance(builder(replace(request, name=name)), TokenBackbone):
                found.append(name)
    return found
