"""Feature maps as tokens, so that those of any backbone can attend to those of other images."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from lp_core.backbones.contract import Backbone, TokenBackbone
from lp_core.geometry.affine import transform

_HEADS, _HEAD_WIDTH = 6, 32
WIDTH = _HEADS * _HEAD_WIDTH
"""Channels of a token in the blocks."""

_FINEST, _COARSEST = 4.0, 1024.0
"""Radians per frame px of the encoded positions are the inverse of these."""


class FeatureTokens(TokenBackbone):
    """A backbone whose feature cells are tokens, with transformer blocks of its own after it.

    The blocks look at normalised copies of the features, and where each cell is in its frame. What
    they find is added to the features. The last layer begins with zeros, so that the feature maps
    are at first those of the backbone; the blocks learn with the head, from the first step on.

    Args:
        network: The backbone.
        image_size: (H, W) of its images in model px.
        blocks: How many transformer blocks.
    """

    NETWORK: ClassVar[str] = "network"
    """The name of the backbone among its parts."""

    attention_is_new = True
    identity_scale = 0.5

    def __init__(self, network: Backbone, image_size: tuple[int, int], blocks: int) -> None:
        super().__init__(
            channels=network.channels, stride=network.stride, mean=network.mean, std=network.std
        )
        self.network = network
        self._grid = image_size[0] // self.stride, image_size[1] // self.stride
        self.embedding = nn.Sequential(nn.LayerNorm(self.channels), nn.Linear(self.channels, WIDTH))
        self.blocks = nn.ModuleList(Block() for _ in range(blocks))
        last = nn.Linear(WIDTH, self.channels)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.update = nn.Sequential(nn.LayerNorm(WIDTH), last)

    @property
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of feature cells."""
        return self._grid

    @property
    def identity_channels(self) -> int:
        """Channels of what tells images apart: those of the blocks."""
        return WIDTH

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Those of the network that gives the features."""
        return self.network.backbone_parameters()

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Feature maps of images that see none but themselves, in place of whole frames."""
        tokens = self.patch_tokens(images)
        nothing = tokens.new_zeros(len(tokens), WIDTH)
        whole = torch.eye(3, device=tokens.device)[:2].expand(len(tokens), 2, 3)
        features = self.attend(self.identified(tokens, nothing, whole).unsqueeze(1))
        return features.squeeze(1).transpose(1, 2).unflatten(2, self.grid)

    def patch_tokens(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patches channels"]:
        """Feature cells (B, N, C) of normalised images, row by row."""
        features: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return features.flatten(2).transpose(1, 2)

    def identified(
        self,
        tokens: Float[Tensor, "batch patches channels"],
        identity: Float[Tensor, "batch width"],
        to_frame: Float[Tensor, "batch 2 3"],
    ) -> Float[Tensor, "batch patches both"]:
        """The features as they are, followed by what the blocks see of them (B, N, C + `WIDTH`)."""
        places = _encoded(transform(self._places(to_frame), to_frame)).to(tokens.dtype)
        return torch.cat([tokens, self.embedding(tokens) + places + identity.unsqueeze(1)], dim=2)

    def _places(self, like: Tensor) -> Float[Tensor, "batch patches 2"]:
        """The middles of the cells in model px."""
        rows, columns = (
            (torch.arange(count, device=like.device, dtype=like.dtype) + 0.5) * self.stride - 0.5
            for count in self.grid
        )
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        return torch.stack([x, y], dim=-1).flatten(0, 1).expand(len(like), -1, -1)

    def attend(
        self,
        tokens: Float[Tensor, "groups images patches both"],
        visible: Bool[Tensor, "groups images images"] | None = None,
        *,
        class_tokens: bool = True,
    ) -> Float[Tensor, "groups images patches channels"]:
        """Features (G, S, N, C) of groups of S images; see `TokenBackbone.attend`."""
        images, patches = tokens.shape[1:3]
        features, seen = tokens.split([self.channels, WIDTH], dim=-1)
        mask = None
        if visible is not None:
            mask = visible.repeat_interleave(patches, dim=1).repeat_interleave(patches, dim=2)
            mask = mask.unsqueeze(1)
        seen = seen.flatten(1, 2)
        for block in self.blocks:
            seen = block(seen, mask)
        update: Tensor = self.update(seen)
        return features + update.unflatten(1, (images, patches))


class Block(nn.Module):
    """Attention of all tokens to all others, then two layers for each token alone (pre-norm)."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.projection = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(
            nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
        )

    def forward(
        self,
        tokens: Float[Tensor, "groups tokens width"],
        mask: Bool[Tensor, "groups 1 tokens tokens"] | None,
    ) -> Float[Tensor, "groups tokens width"]:
        """Tokens of the same shape; ``mask`` is True where the first sees the second."""
        parts = self.qkv(self.norm1(tokens)).unflatten(2, (3, _HEADS, _HEAD_WIDTH))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        found = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        tokens = tokens + self.projection(found.transpose(1, 2).flatten(2))
        changed: Tensor = tokens + self.mlp(self.norm2(tokens))
        return changed


def _encoded(places: Float[Tensor, "batch patches 2"]) -> Float[Tensor, "batch patches width"]:
    """Positions in frame px as sines and cosines (Vaswani et al. 2017), for each axis.

    They are in frame px since cameras see these: a crop or an augmented image shows the same place
    in other cells.
    """
    count = WIDTH // 4
    steps = torch.arange(count, device=places.device, dtype=torch.float32) / (count - 1)
    periods = _FINEST * torch.exp(steps * math.log(_COARSEST / _FINEST))
    angles = (places.float().unsqueeze(-1) / periods).flatten(2)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
