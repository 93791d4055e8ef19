"""Find a backbone by its name: registered plug-ins first, then everything in timm."""

from __future__ import annotations

from typing import cast

from lp_core.backbones.contract import Backbone, BackboneBuilder, BackboneRequest, TokenBackbone
from lp_core.backbones.feature_tokens import FeatureTokens
from lp_core.errors import UnknownNameError, suggestion
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


def build_token_backbone(request: BackboneRequest, blocks: int) -> TokenBackbone:
    """The backbone that ``request`` names, with tokens that can attend to those of other images.

    A plain vision transformer has them, if no feature stride is chosen. Of all others the cells of
    the feature map are the tokens, see `FeatureTokens`.

    Args:
        request: What is asked for.
        blocks: Transformer blocks after a feature map; those with tokens have their own.

    Raises:
        UnknownNameError, BackboneError: As `build_backbone`.
    """
    backbone = build_backbone(request)
    if isinstance(backbone, TokenBackbone):
        return backbone
    return FeatureTokens(backbone, request.image_size, blocks)
