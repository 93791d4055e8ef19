"""What a temporal context tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lp_models.heatmap.options import HeatmapOptions

ContextHead = Literal["recurrent", "fusion"]


@dataclass(frozen=True, kw_only=True)
class ContextOptions(HeatmapOptions):
    """Options of the temporal context tracker.

    Attributes:
        context_head: How the five frames come together. ``"recurrent"`` is Lightning Pose's linear
            recurrence over heatmaps; ``"fusion"`` mixes the features of all frames into those of
            the middle one.
    """

    context_head: ContextHead = "recurrent"
