"""What the heads of a temporal context tracker have in common."""

from __future__ import annotations

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

Window = Float[Tensor, "batch frames channels rows columns"]
Clip = Float[Tensor, "time channels rows columns"]
Maps = Float[Tensor, "batch keypoints cells_y cells_x"]


class ContextHeads(nn.Module):
    """From windows of features to heatmaps of their middle frame, twice.

    Called with features (B, F, C, rows, columns) of whole windows, it gives the heatmaps that the
    middle frame alone leads to, and those that all frames lead to, each (B, K, h, w).

    Attributes:
        learns_from_single_frames: Whether ``single`` has all weights, so that frames without
            context are enough to learn from.
        second_decides: Whether the second heatmaps hold all that the first ones say, and so are
            taken whatever the confidences.
    """

    learns_from_single_frames: ClassVar[bool] = False
    second_decides: ClassVar[bool] = False
    single: nn.Module
    """From features (B, C, rows, columns) of frames to their heatmaps."""

    def of_clip(self, features: Clip, frames: int) -> tuple[Maps, Maps]:
        """The same, (T - F + 1, K, h, w), for all windows of consecutive frames (T, C, h, w)."""
        both: tuple[Maps, Maps] = self(windows(features, frames))
        return both


def windows(frames: Tensor, length: int) -> Tensor:
    """(T - F + 1, F, ...): every run of F of T consecutive frames (T, ...), without a copy."""
    return frames.unfold(0, length, 1).movedim(-1, 1)
