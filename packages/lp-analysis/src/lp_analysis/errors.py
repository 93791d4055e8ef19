"""The errors of lp-analysis."""

from __future__ import annotations

from lp_core.errors import LPError


class AnalysisError(LPError):
    """Base class of the errors of lp-analysis."""


class EvaluationError(AnalysisError):
    """Predictions that cannot be evaluated, or metric files that cannot be read or written."""


class RenderingError(AnalysisError):
    """A picture or video of predictions that cannot be drawn."""


class TriangulationError(AnalysisError):
    """Tables of several views that cannot be put together to points in space."""


class TrackingError(AnalysisError):
    """Rows that cannot be joined to tracks, or options of tracking that make no sense."""


class SmoothingError(AnalysisError):
    """Tables that cannot be smoothed, or options of smoothing that make no sense."""


class SuggestionError(AnalysisError):
    """Frames that cannot be suggested, or suggestions that cannot be written or accepted."""
