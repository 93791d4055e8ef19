"""From feature maps to heatmaps, by upsampling."""

from __future__ import annotations

from collections.abc import Iterator

from jaxtyping import Float
from torch import Tensor, nn

from lp_core.errors import TrackerError

INITIAL_GAIN = 0.01
"""Xavier gain of the layers' first weights: every map starts nearly uniform."""


def spatial_softmax(
    logits: Float[Tensor, "batch keypoints cells_y cells_x"],
) -> Float[Tensor, "batch keypoints cells_y cells_x"]:
    """Maps (B, K, h, w) that each sum to 1, in float32 whatever the precision of the network."""
    return logits.float().flatten(2).softmax(dim=-1).unflatten(2, logits.shape[2:])


def check_sizes(image_size: tuple[int, int], stride: int, cell_size: int) -> int:
    """How many doublings lead from feature cells to heatmap cells, both in model px.

    Raises:
        TrackerError: Doublings cannot lead there, or the feature map would not cover the image
            exactly.
    """
    ratio = stride // cell_size
    if stride % cell_size or ratio & (ratio - 1):
        raise TrackerError(
            f"feature cells of {stride} px cannot become heatmap cells of {cell_size} px by "
            "doubling",
            where="model.feature_stride, data.downsample_factor",
            remedy=f"choose a feature stride of {cell_size} times a power of two, "
            "or a smaller downsample_factor",
        )
    if image_size[0] % stride or image_size[1] % stride:
        raise TrackerError(
            f"an image of {image_size[0]}×{image_size[1]} px is not a whole number of "
            f"feature cells of {stride} px",
            where="data.image_resize_dims",
            remedy=f"choose a height and a width that are multiples of {stride}",
        )
    return ratio.bit_length() - 1


def doubling_convolution(channels: int, outputs: int) -> nn.ConvTranspose2d:
    """A transposed convolution that doubles height and width."""
    return nn.ConvTranspose2d(
        channels, outputs, kernel_size=3, stride=2, padding=1, output_padding=1
    )


def initialize(layer: nn.Module, gain: float = 1.0) -> None:
    """Xavier's first weights for a convolution, and no bias."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.xavier_uniform_(layer.weight, gain=gain)
        assert layer.bias is not None
        nn.init.zeros_(layer.bias)


def upsampling(
    channels: int, keypoints: int, doublings: int, *, hidden: int | None = None
) -> Iterator[nn.Module]:
    """The layers from features (B, C, h, w) to K maps that double height and width.

    They are Lightning Pose's: a pixel shuffle, then transposed convolutions; with ``hidden``, that
    many channels and GELU between them. One doubling is the pixel shuffle and a 3×3 convolution; no
    doubling is a 3×3 convolution alone.

    Raises:
        TrackerError: A pixel shuffle needs a multiple of 4 channels.
    """
    if doublings and channels % 4:
        raise TrackerError(
            f"a head that upsamples needs a multiple of 4 feature channels, got {channels}",
            where="model.backbone",
            remedy="choose another backbone, or another model.feature_stride",
        )
    if doublings:
        yield nn.PixelShuffle(2)
        channels //= 4
    if doublings < 2:
        yield nn.Conv2d(channels, keypoints, kernel_size=3, padding=1)
        return
    for _ in range(doublings - 2):
        yield doubling_convolution(channels, hidden or keypoints)
        channels = hidden or keypoints
        if hidden:
            yield nn.GELU()
    yield doubling_convolution(channels, keypoints)


class HeatmapHead(nn.Module):
    """`upsampling` without activations, then a spatial softmax.

    For two doublings or more it is Lightning Pose's head, and its weights fit.

    Args:
        channels: Channels C of the feature maps.
        keypoints: Heatmaps per image, K.
        doublings: How often height and width are doubled.
    """

    def __init__(self, channels: int, keypoints: int, doublings: int) -> None:
        super().__init__()
        self.upsampling_layers = nn.Sequential(*upsampling(channels, keypoints, doublings))
        for layer in self.upsampling_layers:
            initialize(layer, INITIAL_GAIN)

    def forward(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch keypoints cells_y cells_x"]:
        """Heatmaps (B, K, h, w), each with sum 1, of feature maps (B, C, rows, columns)."""
        return spatial_softmax(self.upsampling_layers(features))
