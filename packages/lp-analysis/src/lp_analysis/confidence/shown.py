"""Which confidence of a table of predictions is drawn and judged, and what it means."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from jaxtyping import Float
from numpy import ndarray

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.confidence.stored import stated_radius
from lp_analysis.rendering.style import DrawingStyle
from lp_io.predictions.source import source_calibration

_NEARLY = 0.9
"""Of what the surest keypoints of a model reach, what counts as sure for this model."""

_FEW = 0.5  # share of keypoints below which a threshold deserves a hint


@dataclass(frozen=True)
class ShownConfidence:
    """The calibrated confidence where the model that predicted carries one, else the likelihood.

    Likelihoods of many trackers are above 0.9 for almost every keypoint, right or wrong.

    Attributes:
        calibration: From likelihoods to probabilities; None takes the likelihood.
    """

    calibration: ConfidenceCalibration | None = None

    @classmethod
    def of_table(cls, table: Path) -> ShownConfidence:
        """That of a table, by what ``litpose predict`` wrote beside it.

        Raises:
            EvaluationError: What is written there is damaged.
        """
        said = source_calibration(table)
        return cls(None if said is None else ConfidenceCalibration.from_dict(said))

    def __call__(self, likelihood: Float[ndarray, ...]) -> Float[ndarray, ...]:
        """The confidence for likelihoods of any shape."""
        return self.calibration.probability(likelihood) if self.calibration else likelihood

    def reachable(self, threshold: float) -> float:
        """A config's threshold, or a lower one if the model's surest keypoints do not reach it.

        A model that is calibrated on few labels, or that errs often, is never sure of 0.9. So the
        threshold is at most nine tenths of the probability that its surest keypoints have.
        """
        known = self.calibration
        return threshold if known is None else min(threshold, _NEARLY * known.surest)

    def reachable_style(self, style: DrawingStyle) -> DrawingStyle:
        """A config's style with its `reachable` threshold."""
        return replace(style, confidence_threshold=self.reachable(style.confidence_threshold))

    @property
    def described(self) -> str:
        """What it is, in words."""
        if self.calibration is None:
            return "likelihood"
        return f"calibrated confidence, the probability to lie {stated_radius(self.calibration)}"

    def told(self, share: float, threshold: float, what: str) -> str:
        """Which confidence was used, and what share of the keypoints reached the threshold.

        ``what`` says what happened to those, such as ``drawn``.
        """
        hint = "; --threshold lowers it" if share < _FEW and threshold > 0 else ""
        return (
            f"{what}: {100 * share:.0f} % of the keypoints, those of at least {threshold:.3g} in "
            f"{self.described}{hint}"
        )
