"""timm models as backbones: their feature maps, and the tokens of those that have them."""

from __future__ import annotations

import inspect
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lp_core.backbones.contract import Backbone, TokenBackbone


class TimmBackbone(Backbone):
    """A feature map of a timm model: the last one, or one from inside at a finer stride."""

    def __init__(self, model: nn.Module, *, inner: bool, channels: int, stride: int) -> None:
        config: Any = model.pretrained_cfg
        super().__init__(
            channels=channels, stride=stride, mean=tuple(config["mean"]), std=tuple(config["std"])
        )
        self.model = model
        self.inner = inner
        self.channels_last_output = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Feature maps (B, C, H / stride, W / stride) of normalised images (B, 3, H, W)."""
        features: Tensor
        features = self.model(images)[-1] if self.inner else self.model.forward_features(images)  # type: ignore[operator]
        if features.ndim == 3:
            return _tokens_to_map(self.model, features)
        return features.permute(0, 3, 1, 2) if self.channels_last_output else features


def _tokens_to_map(
    model: nn.Module, tokens: Float[Tensor, "batch tokens channels"]
) -> Float[Tensor, "batch channels rows columns"]:
    """A transformer's tokens as a feature map, without class and register tokens."""
    rows, columns = model.patch_embed.grid_size  # type: ignore[union-attr, misc]
    patches = tokens[:, int(model.num_prefix_tokens) :]  # type: ignore[arg-type]
    return patches.transpose(1, 2).unflatten(2, (rows, columns))


class TimmTokenBackbone(TimmBackbone, TokenBackbone):
    """A vision transformer of timm, with absolute or with rotary positions.

    Rotary positions are those within an image, so that they are the same in every image of a group.
    """

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of patches."""
        rows, columns = cast("Any", self.model).patch_embed.grid_size
        return int(rows), int(columns)

    def patch_tokens(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patches channels"]:
        """Embedded patches (B, N, C) of normalised images, row by row, with their positions."""
        model: Any = self.model
        tokens = model.patch_embed(images).flatten(1, -2)  # some keep rows and columns apart
        if model.pos_embed is not None:
            tokens = tokens + model.pos_embed[:, -tokens.shape[1] :]
        embedded: Tensor = model.pos_drop(tokens)
        return embedded

    def attend(
        self,
        tokens: Float[Tensor, "groups images patches channels"],
        visible: Bool[Tensor, "groups images images"] | None = None,
        *,
        class_tokens: bool = True,
    ) -> Float[Tensor, "groups images patches channels"]:
        """Features (G, S, N, C) of groups of S images; see `TokenBackbone.attend`."""
        model: Any = self.model
        groups, images = tokens.shape[:2]
        # rotary blocks turn all tokens but so many at the beginning, which must then be there
        count = int(model.num_prefix_tokens) if class_tokens or self._rotary else 0
        if count:
            prefix = self._prefix().expand(groups, images, -1, -1)
            tokens = torch.cat([prefix.to(tokens.dtype), tokens], dim=2)
        arguments: dict[str, Any] = {}
        if visible is not None:
            each = visible.repeat_interleave(tokens.shape[2], dim=1)
            arguments["attn_mask"] = each.repeat_interleave(tokens.shape[2], dim=2).unsqueeze(1)
        turns = self._turns(images, count) if self._rotary else None
        features = model.norm_pre(tokens.flatten(1, 2))
        for number, block in enumerate(model.blocks):
            if turns is not None:
                arguments["rope"] = turns[number] if turns.ndim == 4 else turns
            features = block(features, **arguments)
        features = model.norm(features).unflatten(1, (images, -1))
        return cast("Tensor", features[:, :, count:])

    @property
    def _rotary(self) -> bool:
        return getattr(self.model, "rope", None) is not None

    def _prefix(self) -> Float[Tensor, "1 prefix channels"]:
        """Class and register tokens, with their positions where they have any."""
        model: Any = self.model
        kinds = (model.cls_token, getattr(model, "reg_token", None))
        prefix = torch.cat([kind for kind in kinds if kind is not None], dim=1)
        if model.pos_embed is None or model.no_embed_class:
            return prefix
        return prefix + model.pos_embed[:, : prefix.shape[1]]

    def _turns(self, images: int, prefix: int) -> Float[Tensor, "*blocks tokens angles"]:
        """Sines and cosines by which the tokens of so many images are turned.

        The blocks leave the class tokens of the first image alone. Those of the others are turned
        by an angle of 0, whose sine is 0 and whose cosine 1.
        """
        rope: Any = cast("Any", self.model).rope
        patches: Tensor = rope.get_embed(shape=self.grid)
        still = torch.zeros_like(patches[..., :1, :]).expand(*patches.shape[:-2], prefix, -1)
        still = torch.cat([still.chunk(2, dim=-1)[0], still.chunk(2, dim=-1)[1] + 1], dim=-1)
        return torch.cat([patches, *[still, patches] * (images - 1)], dim=-2)


def has_tokens(model: nn.Module) -> bool:
    """Whether a timm model is a plain stack of blocks over one token per patch.

    Its blocks must take a mask for their attention, and any number of tokens: a window, or a bias
    for each distance within an image, would tie them to one image.
    """
    needed = (
        "patch_embed",
        "pos_embed",
        "pos_drop",
        "norm_pre",
        "blocks",
        "norm",
        "no_embed_class",
    )
    if not all(hasattr(model, name) for name in (*needed, "cls_token", "num_prefix_tokens")):
        return False
    blocks: Any = model.blocks
    takes = (inspect.signature(block.forward).parameters for block in blocks)
    return all("attn_mask" in parameters for parameters in takes)
