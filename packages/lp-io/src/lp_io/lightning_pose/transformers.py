"""The weights of vision transformers of Lightning Pose, which it has from the library transformers.

That library has renamed its layers between its versions 4 and 5; both names are known. timm keeps
query, key and value in one matrix, and our backbones have the positions of their own images.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from lp_core.backbones.contract import Backbone, TokenBackbone
from lp_io.errors import ConversionError

_LAYER = r"(?:encoder\.layer|layers)\.(\d+)\."
_PLACES = tuple(
    (re.compile(theirs), ours)
    for theirs, ours in (
        (r"embeddings\.cls_token", "cls_token"),
        (r"embeddings\.position_embeddings", "pos_embed"),
        (r"embeddings\.patch_embeddings\.projection\.(\w+)", r"patch_embed.proj.\1"),
        (_LAYER + r"(?:layernorm_before|norm1)\.(\w+)", r"blocks.\1.norm1.\2"),
        (_LAYER + r"(?:layernorm_after|norm2)\.(\w+)", r"blocks.\1.norm2.\2"),
        (_LAYER + r"attention\.attention\.(q|k|v)(?:uery|ey|alue)\.(\w+)", r"blocks.\1.attn.\2.\3"),
        (_LAYER + r"attention\.(q|k|v)_proj\.(\w+)", r"blocks.\1.attn.\2.\3"),
        (_LAYER + r"attention\.(?:output\.dense|o_proj)\.(\w+)", r"blocks.\1.attn.proj.\2"),
        (_LAYER + r"(?:intermediate\.dense|mlp\.fc1)\.(\w+)", r"blocks.\1.mlp.fc1.\2"),
        (_LAYER + r"(?:output\.dense|mlp\.fc2)\.(\w+)", r"blocks.\1.mlp.fc2.\2"),
        (_LAYER + r"layer_scale(1|2)\.lambda1", r"blocks.\1.ls\2.gamma"),
        (r"layernorm\.(\w+)", r"norm.\1"),
    )
)
_UNUSED = re.compile(r"(?:pooler\..*|embeddings\.mask_token)")
_PART = re.compile(r"(blocks\.\d+\.attn)\.(q|k|v)\.(\w+)")
_PREFIX = "vision_encoder."


def transformer_weights(backbone: Backbone, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of our backbone from the weights of one of Lightning Pose.

    Args:
        backbone: Ours, of the same architecture.
        weights: By their names without ``backbone.``.

    Raises:
        ConversionError: A vision transformer has no weight of that name.
    """
    named: dict[str, Tensor] = {}
    parts: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for name, value in weights.items():
        place = _place(name.removeprefix(_PREFIX))
        if place is None:
            continue
        if match := _PART.fullmatch(place):
            parts[f"{match[1]}.qkv.{match[3]}"][match[2]] = value
        else:
            named[place] = value
    for name, of in parts.items():
        if set(of) != {"q", "k", "v"}:
            raise ConversionError(f"an attention lacks its query, key or value ('{name}')")
        named[name] = torch.cat([of["q"], of["k"], of["v"]])
    if "pos_embed" in named and isinstance(backbone, TokenBackbone):
        named["pos_embed"] = _resampled(named["pos_embed"], backbone.grid)
    return {f"model.{name}": value for name, value in named.items()}


def _place(name: str) -> str | None:
    """Where a weight belongs; None for one that no feature depends on."""
    if _UNUSED.fullmatch(name):
        return None
    for theirs, ours in _PLACES:
        if match := theirs.fullmatch(name):
            return match.expand(ours)
    raise ConversionError(f"'{name}' is not a weight of a vision transformer")


def _resampled(
    positions: Float[Tensor, "1 tokens channels"], grid: tuple[int, int]
) -> Float[Tensor, "1 more channels"]:
    """Positions of a square image, after that of the class token, for images of another size.

    transformers does it at every image, by this interpolation; timm's own has another filter.
    """
    first, patches = positions[:, :1], positions[:, 1:]
    side = round(patches.shape[1] ** 0.5)
    if (side, side) == grid:
        return positions
    square = patches.transpose(1, 2).unflatten(2, (side, side)).float()
    resized = F.interpolate(square, size=grid, mode="bicubic", align_corners=False)
    return torch.cat([first, resized.flatten(2).transpose(1, 2).to(first)], dim=1)
