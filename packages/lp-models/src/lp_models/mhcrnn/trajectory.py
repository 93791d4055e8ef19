"""Our context head without weights: the neighbouring frames say where a keypoint is expected."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.geometry.decoding import decode_peaks
from lp_models.heatmap.head import HeatmapHead
from lp_models.mhcrnn.heads import Clip, ContextHeads, Maps, Window, windows

REACH = 3.0
"""Standard deviation, in heatmap cells, of a keypoint about where its neighbours expect it."""

DOUBT = 0.01
"""What cells far from there keep of their heatmap: a frame that is sure of another is believed."""

STIFFNESS = 0.5
"""Weight against movement, in frames of full confidence: a single such frame tells no speed."""


class TrajectoryHeads(ContextHeads):
    """A single-frame head, and its product with where the neighbouring frames expect a keypoint.

    The head sees every frame of the window. A line through what it finds in the others says where
    the keypoint is expected in the middle; a Gaussian about that place multiplies the middle
    frame's heatmap, as a Kalman filter multiplies a measurement with a prediction. A keypoint that
    hides, or of which the frame shows two candidates, so lands where it was going; one that the
    frame shows clearly stays where it is.

    All weights are the single-frame head's.

    Args:
        channels: Channels C of the feature maps.
        keypoints: Maps per image, K.
        doublings: How often height and width are doubled.
    """

    learns_from_single_frames = True
    second_decides = True

    def __init__(self, channels: int, keypoints: int, doublings: int) -> None:
        super().__init__()
        self.single = HeatmapHead(channels, keypoints, doublings)

    def forward(self, features: Window) -> tuple[Maps, Maps]:
        """Heatmaps of the middle frame alone, and with what the others expect."""
        batch, frames = features.shape[:2]
        maps = self.single(features.flatten(0, 1))
        places, confidences = (part.unflatten(0, (batch, frames)) for part in _found(maps))
        middle = maps.unflatten(0, (batch, frames))[:, frames // 2]
        return middle, near(middle, expected(places, confidences))

    def of_clip(self, features: Clip, frames: int) -> tuple[Maps, Maps]:
        """The same for all windows of a clip, each of whose frames is looked at once."""
        maps = self.single(features)
        places, confidences = (windows(part, frames) for part in _found(maps))
        margin = frames // 2
        middle = maps[margin : maps.shape[0] - margin]
        return middle, near(middle, expected(places, confidences))


@torch.no_grad()
def _found(maps: Maps) -> tuple[Tensor, Tensor]:
    """Places (B, K, 2), in cells, and confidences (B, K)."""
    height, width = maps.shape[-2:]
    return decode_peaks(maps, (height, width))


def expected(
    places: Float[Tensor, "batch frames keypoints 2"],
    confidences: Float[Tensor, "batch frames keypoints"],
) -> Float[Tensor, "batch keypoints 2"]:
    """Where the other frames of a window expect each keypoint in the middle one, (B, K, 2).

    With t the number of frames after the middle one, p the places and c the confidences, it is the
    a of the line a + b·t that minimises Σ c²·|p - a - b·t|² + STIFFNESS·|b|² over all other frames.
    """
    frames = places.shape[1]
    middle = frames // 2
    times = torch.arange(frames, dtype=places.dtype, device=places.device) - middle
    time = _without(times, middle).reshape(-1, 1, 1)
    position = _without(places, middle, dim=1)
    known = _without(confidences, middle, dim=1)
    weight = (known.square() + 1e-6).unsqueeze(-1)  # alike where none knows
    total, first, second = ((weight * time**power).sum(1) for power in (0, 1, 2))
    second = second + STIFFNESS
    sums, moments = ((weight * position * time**power).sum(1) for power in (0, 1))
    line: Tensor = (second * sums - first * moments) / (total * second - first.square())
    return line


def _without(values: Tensor, index: int, dim: int = 0) -> Tensor:
    """All but one item along a dimension."""
    after = values.shape[dim] - index - 1
    return torch.cat([values.narrow(dim, 0, index), values.narrow(dim, index + 1, after)], dim)


def near(maps: Maps, places: Float[Tensor, "batch keypoints 2"]) -> Maps:
    """Heatmaps times a Gaussian about a place (x, y) in cells, each with sum 1 again."""
    height, width = maps.shape[-2:]
    columns = _gaussian(places[..., 0], width).unsqueeze(-2)
    rows = _gaussian(places[..., 1], height).unsqueeze(-1)
    product = maps * (rows * columns).clamp_min(DOUBT)
    return product / product.sum(dim=(2, 3), keepdim=True)


def _gaussian(centre: Float[Tensor, "batch keypoints"], length: int) -> Tensor:
    """A Gaussian of height 1 over the cells of one axis, (B, K, length)."""
    cells = torch.arange(length, dtype=centre.dtype, device=centre.device)
    return ((cells - centre.unsqueeze(-1)) / REACH).square().div(-2).exp()
