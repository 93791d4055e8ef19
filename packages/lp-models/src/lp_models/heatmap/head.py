"""From feature maps to heatmaps, by upsampling."""

from __future__ import annotations

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
    """How many doublings lead from a feature map to a heatmap.

    Args:
        image_size: (H, W) in model px.
        stride: Model px per feature cell.
        cell_size: Model px per heatmap cell.

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


class HeatmapHead(nn.Module):
    """Pixel shuffle, then transposed convolutions without activations, then a spatial softmax.

    For two doublings or more it is Lightning Pose's head, and its weights fit. One doubling is the
    pixel shuffle and a 3×3 convolution; no doubling is a 3×3 convolution alone.

    Args:
        channels: Channels C of the feature maps.
        keypoints: Heatmaps per image, K.
        doublings: How often height and width are doubled.

    Raises:
        TrackerError: A pixel shuffle needs a multiple of 4 channels.
    """

    def __init__(self, channels: int, keypoints: int, doublings: int) -> None:
        super().__init__()
        self.upsampling_layers = nn.Sequential(*_layers(channels, keypoints, doublings))
        for layer in self.upsampling_layers:
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.xavier_uniform_(layer.weight, gain=INITIAL_GAIN)
                assert layer.bias is not None
                nn.init.zeros_(layer.bias)

    def logits(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch keypoints cells_y cells_x"]:
        """Maps before the softmax, (B, K, h, w)."""
        maps: Tensor = self.upsampling_layers(features)
        return maps

    def forward(
        self, features: Float[Tensor, "batch channels rows columns"]
    ) -> Float[Tensor, "batch keypoints cells_y cells_x"]:
        """Heatmaps (B, K, h, w), each with sum 1, of feature maps (B, C, rows, columns)."""
        return spatial_softmax(self.logits(features))


def _layers(channels: int, keypoints: int, doublings: int) -> list[nn.Module]:
    """The layers that double height and width ``doublings`` times."""
    if doublings == 0:
        return [nn.Conv2d(channels, keypoints, kernel_size=3, padding=1)]
    if channels % 4:
        raise TrackerError(
            f"a head that upsamples needs a multiple of 4 feature channels, got {channels}",
            where="model.backbone",
            remedy="choose another backbone, or another model.feature_stride",
        )
    shuffled = channels // 4
    if doublings == 1:
        return [nn.PixelShuffle(2), nn.Conv2d(shuffled, keypoints, kernel_size=3, padding=1)]
    widths = [shuffled] + [keypoints] * (doublings - 2)
    return [nn.PixelShuffle(2), *(doubling_convolution(width, keypoints) for width in widths)]
