"""What every backbone is, and what is asked of the one who builds it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from jaxtyping import Bool, Float
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

    def backbone_parameters(self) -> list[nn.Parameter]:
        """Its parameters that learn as a backbone does, later than the head where it is frozen.

        All of them, where it has no new layers that learn with the head.
        """
        return list(self.parameters())


class TokenBackbone(Backbone):
    """A backbone whose tokens can attend to those of other images.

    Its feature map is `attend` applied to the `patch_tokens` of each image alone. A tracker that
    looks at several images together calls the two itself, and `identified` between them.

    Attributes:
        attention_is_new: Whether the weights of `attend` were not trained before, so that they
            learn with the head, also while the backbone is frozen.
        identity_scale: Standard deviation of the first numbers of an identity.
    """

    attention_is_new: ClassVar[bool] = False
    identity_scale: ClassVar[float] = 0.02

    @property
    def identity_channels(self) -> int:
        """Channels of the vectors that `identified` takes."""
        return self.channels

    @property
    @abstractmethod
    def grid(self) -> tuple[int, int]:
        """(rows, columns) of patches; N = rows · columns."""

    @abstractmethod
    def patch_tokens(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch patches channels"]:
        """Embedded patches (B, N, C) of normalised images, row by row, with their positions."""

    def identified(
        self,
        tokens: Float[Tensor, "batch patches channels"],
        identity: Float[Tensor, "batch channels"],
        to_frame: Float[Tensor, "batch 2 3"],
    ) -> Float[Tensor, "batch patches channels"]:
        """What `attend` takes: tokens that say which image they are of.

        Args:
            tokens: (B, N, C), those of `patch_tokens`.
            identity: (B, `identity_channels`) a vector for each image.
            to_frame: (B, 2, 3) model px → frame px, for positions in the frame.
        """
        return tokens + identity.unsqueeze(1)

    @abstractmethod
    def attend(
        self,
        tokens: Float[Tensor, "groups images patches channels"],
        visible: Bool[Tensor, "groups images images"] | None = None,
        *,
        class_tokens: bool = True,
    ) -> Float[Tensor, "groups images patches channels"]:
        """Features (G, S, N, C) of groups of S images whose tokens attend to each other.

        Args:
            tokens: (G, S, N, ...), those of `patch_tokens` or of `identified`.
            visible: (G, S, S), whether image i of a group sees image j; every image must see
                itself. None where every image sees all of its group.
            class_tokens: Give each image the class and register tokens that the network was trained
                with. They take part in the attention and are left out of the features. A network
                that cannot do without has them in any case.
        """


BackboneBuilder = Callable[[BackboneRequest], Backbone]
"""What a plug-in registers in the group ``lp.backbones``."""
