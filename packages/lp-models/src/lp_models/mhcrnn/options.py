"""What a temporal context tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lp_models.heatmap.options import HeatmapOptions

ContextHead = Literal["recurrent", "fusion", "trajectory"]


@dataclass(frozen=True, kw_only=True)
class ContextOptions(HeatmapOptions):
    """Options of the temporal context tracker.

    Attributes:
        context_head: How the five frames come together. ``"recurrent"`` is Lightning Pose's linear
            recurrence over heatmaps; ``"fusion"`` decodes the features of all frames, mixed, beside
            those of the middle one, with non-linearities; ``"trajectory"`` multiplies the middle
            frame's heatmap with where the others expect the keypoint.
    """

    context_head: ContextHead = "recurrent"
