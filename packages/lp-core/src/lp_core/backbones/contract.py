"""What every backbone is, and what is asked of the one who builds it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Float
from torch import Tensor, nn

Triple = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class BackboneRequest:
    """What a tracker asks of a backbone's builder.

    Attributes:
        name: The name that the user gave.
        image_size: (H, W) in model px of the images that it will see.
        pretrained: Load pre-trained weights, from ``checkpoint`` or from the hub.
        checkpoint: A local ``.safetensors`` file with the weights, instead of the hub.
        feature_stride: Model px per feature cell; None takes the deepest feature map.
    """

    name: str
    image_size: tuple[int, int]
    pretrained: bool = True
    checkpoint: Path | None = None
    feature_stride: int | None = None


class Backbone(nn.Module):
    """A network from normalised images to feature maps.

    Args:
        channels: Channels C of its feature maps.
        stride: Model px per feature cell.
        mean: Per channel, in 0 to 1, what is subtracted from its images.
        std: Per channel, what they are divided by afterwards.
    """

    def __init__(
        self,
        *,
        channels: int,
        stride: int,
        mean: Triple = (0.485, 0.456, 0.406),
        std: Triple = (0.229, 0.224, 0.225),
    ) -> None:
        super().__init__()
        self.channels = channels
        self.stride = stride
        self.mean = mean
        self.std = std

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels rows columns"]:
        """Feature maps (B, C, H / stride, W / stride) of normalised images (B, 3, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")


BackboneBuilder = Callable[[BackboneRequest], Backbone]
"""What a plug-in registers in the group ``lp.backbones``."""
