"""How poses are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lp_analysis.errors import RenderingError
from lp_analysis.rendering.palette import DISTINCT

_FAINTEST, _SMALLEST = 0.35, 0.7  # share of opacity and radius that a confidence of 0 leaves


ColorBy = Literal["individual", "keypoint"]
"""What has a colour of its own, where there are several animals."""


@dataclass(frozen=True)
class DrawingStyle:
    """How poses are drawn. Lengths are relative to the picture unless said otherwise.

    Attributes:
        colormap: The colours: ``distinct``, or matplotlib's name of a map.
        color_by: Whether each of several animals has a colour, or each keypoint; then the bars
            of the skeletons, the trails and the names have the colours of the animals. One animal
            alone has colours by keypoint.
        confidence_threshold: Keypoints with less confidence are not drawn.
        trail: Past frames whose keypoints are joined to a fading trail; it is interrupted where a
            keypoint is not drawn, or jumps. Of several animals, the centres are joined. None takes
            30 for several animals, and 0 for one.
        radius: Of a keypoint in px of the picture; None takes one that suits the picture's size.
        smallest_side: Frames are enlarged, by a whole factor, to about that many px on their
            shorter side; 0 leaves every frame as it is.
        legend: Whether a panel at the right names what has colours.
        skeleton: Pairs of keypoint names to join by a line.
        stamp: Whether the frame's number and time stand in the lower left corner.

    Raises:
        RenderingError: A value makes no sense.
    """

    colormap: str = DISTINCT
    color_by: ColorBy = "individual"
    confidence_threshold: float | int = 0.0
    trail: int | None = None
    radius: float | int | None = None
    smallest_side: int = 480
    legend: bool = False
    skeleton: tuple[tuple[str, str], ...] = ()
    stamp: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.confidence_threshold <= 1:
            raise RenderingError(
                f"the confidence threshold is {self.confidence_threshold}",
                remedy="choose one from 0 to 1",
            )
        radius = 1 if self.radius is None else self.radius
        if min(self.trail or 0, self.smallest_side) < 0 or radius <= 0:
            raise RenderingError(
                f"a trail of {self.trail} frames, a radius of {self.radius} px or a smallest side "
                f"of {self.smallest_side} px cannot be drawn"
            )

    def scale(self, size: tuple[int, int]) -> int:
        """How many times a frame of (height, width) is enlarged."""
        return max(1, round(self.smallest_side / max(min(size), 1)))

    def keypoint_radius(self, picture_size: tuple[int, int]) -> float:
        """Radius of a keypoint in px, in a picture of (height, width)."""
        return self.radius or max(2.5, 0.009 * min(picture_size))

    @staticmethod
    def text_size(picture_size: tuple[int, int]) -> int:
        """Height of text in px, in a picture of (height, width)."""
        return max(11, round(0.028 * min(picture_size)))

    @staticmethod
    def opacity(confidence: float) -> float:
        """Opacity, from 0 to 1, of a keypoint with that confidence."""
        return _FAINTEST + (1 - _FAINTEST) * confidence

    @staticmethod
    def shrinking(confidence: float) -> float:
        """Share of the radius that a keypoint with that confidence has."""
        return _SMALLEST + (1 - _SMALLEST) * confidence


DEFAULT_STYLE = DrawingStyle()
