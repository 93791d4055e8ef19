"""What a regression tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lp_core.trackers.options import TrackerOptions


@dataclass(frozen=True, kw_only=True)
class RegressionOptions(TrackerOptions):
    """Options of the regression tracker.

    Attributes:
        decoding: How its numbers become positions. ``"local"`` counts from pixel centres, as all of
            lp does; ``"lightning_pose"`` scales without regard to them, as Lightning Pose does,
            for models that it trained: the same but for 1/2 px of the frame.
    """

    decoding: Literal["local", "lightning_pose"] = "local"
