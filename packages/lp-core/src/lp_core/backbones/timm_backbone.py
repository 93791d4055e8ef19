"""Any timm model that gives feature maps, convolutional or a transformer, as a backbone."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import torch
from torch import nn

from lp_core.backbones.contract import Backbone, BackboneRequest
from lp_core.backbones.timm_networks import TimmBackbone, TimmTokenBackbone, has_tokens
from lp_core.backbones.weights import check_hub, check_local_file, hub_errors
from lp_core.errors import BackboneError


def _create(name: str, request: BackboneRequest, arguments: dict[str, Any]) -> nn.Module:
    """The timm model, with weights as requested."""
    if request.checkpoint is not None:
        return _from_file(name, request.image_size, request.checkpoint, arguments)
    if not request.pretrained:
        model = _sized(name, request.image_size, pretrained=False, **arguments)
        open_residual_branches(model)
        return model
    check_hub(name, request.name)
    with hub_errors(request.name):
        return _sized(name, request.image_size, pretrained=True, **arguments)


def _from_file(
    name: str, image_size: tuple[int, int], file: Path, arguments: dict[str, Any]
) -> nn.Module:
    """The timm model with all its weights from a local file."""
    check_local_file(file)
    arguments["pretrained_cfg_overlay"] = {"file": str(file)}
    try:
        model = _sized(name, image_size, pretrained=True, **arguments)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch.initial_seed() ^ 1)
            other = _sized(name, image_size, pretrained=True, **arguments)
    except (RuntimeError, KeyError, ValueError) as error:
        raise _misfit(name, file, _first_problem(error)) from error
    # timm takes a file that lacks layers, or all of them, and leaves those random
    random = _different(model, other)
    if random:
        more = f" and {len(random) - 1} more" if len(random) > 1 else ""
        raise _misfit(name, file, f"they do not contain {random[0]}{more}")
    return model


def _different(one: nn.Module, other: nn.Module) -> list[str]:
    """Names of the parameters that differ."""
    pairs = zip(one.named_parameters(), other.parameters(), strict=True)
    return [name for (name, first), second in pairs if not torch.equal(first, second)]


def _misfit(name: str, file: Path, problem: str) -> BackboneError:
    return BackboneError(
        f"these weights do not fit the backbone '{name}': {problem}",
        where=file,
        remedy="use weights that were saved from the same timm model; to start from a trained "
        "tracker, name its directory in model.checkpoint instead",
    )


def _first_problem(error: Exception) -> str:
    """The first of the differences that torch lists, a line each below a heading."""
    heading, *problems = [line.strip() for line in str(error).splitlines()]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return textwrap.shorten(next(iter(problems), heading), 200, placeholder=" …") + more


def open_residual_branches(model: nn.Module) -> None:
    """Let every residual branch of a network with random weights say something from the start.

    timm begins with a factor of 0 at the end of each branch of a residual network, which helps over
    hundreds of epochs on millions of images; with tens of labelled frames it only costs epochs.
    """
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d) and not layer.weight.any():
            nn.init.ones_(layer.weight)


def _sized(name: str, image_size: tuple[int, int], **arguments: Any) -> nn.Module:
    """A timm model built for one image size, where its architecture must know the size.

    Transformers do: their position embeddings are resampled to it. Convolutional nets do not have
    the argument, and timm offers no other way to ask.
    """
    import timm

    try:
        return timm.create_model(name, img_size=image_size, **arguments)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
        return timm.create_model(name, **arguments)


def _inner_index(name: str, request: BackboneRequest, overrides: dict[str, Any]) -> int:
    """Which of the model's feature maps has the requested stride, or the deepest one."""
    probe = _sized(name, request.image_size, pretrained=False, features_only=True, **overrides)
    strides = probe.feature_info.reduction()  # type: ignore[union-attr, operator]
    stride = request.feature_stride or strides[-1]
    if stride not in strides:
        raise BackboneError(
            f"'{name}' has no feature map with stride {stride}",
            where="model.feature_stride",
            remedy=f"its strides are {sorted(set(strides))}",
        )
    return len(strides) - 1 - strides[::-1].index(stride)


def _inner_features(name: str, request: BackboneRequest, overrides: dict[str, Any]) -> TimmBackbone:
    """The backbone that gives a feature map from inside the model."""
    index = _inner_index(name, request, overrides)
    model = _create(name, request, overrides | {"features_only": True, "out_indices": (index,)})
    info: Any = model.feature_info
    return TimmBackbone(
        model, inner=True, channels=info.channels()[-1], stride=info.reduction()[-1]
    )


def build_timm_backbone(
    request: BackboneRequest, *, timm_name: str | None = None, **overrides: Any
) -> Backbone:
    """A timm model as a backbone; channels, stride, mean and std are timm's own.

    Args:
        request: What the tracker asks for.
        timm_name: The timm model, where it is not ``request.name``.
        **overrides: Further arguments of ``timm.create_model``, such as ``patch_size``.

    Raises:
        BackboneError: The model cannot give such feature maps, or its weights cannot be had.
    """
    name = timm_name or request.name
    if request.feature_stride is not None:
        return _inner_features(name, request, overrides)
    try:
        model = _create(name, request, overrides | {"num_classes": 0, "global_pool": ""})
    except AssertionError:  # some architectures insist on their pooling
        return _inner_features(name, request, overrides)
    if not hasattr(model, "forward_features") or not hasattr(model, "feature_info"):
        raise BackboneError(f"timm's '{name}' gives no feature maps", where="model.backbone")
    if _tokens_without_grid(model):
        return _inner_features(name, request, overrides)
    channels = int(model.num_features)  # type: ignore[arg-type]
    kind = TimmTokenBackbone if has_tokens(model) else TimmBackbone
    return kind(model, inner=False, channels=channels, stride=_stride(model))


def _tokens_without_grid(model: Any) -> bool:
    """Whether the model's last features are tokens whose arrangement it does not tell."""
    patch_embed = getattr(model, "patch_embed", None)
    return patch_embed is not None and not hasattr(patch_embed, "grid_size")


def _stride(model: Any) -> int:
    """Model px per cell of the last feature map."""
    patch_embed = getattr(model, "patch_embed", None)
    if patch_embed is not None and hasattr(model, "num_prefix_tokens"):
        return int(patch_embed.patch_size[0])
    return int(model.feature_info[-1]["reduction"])
