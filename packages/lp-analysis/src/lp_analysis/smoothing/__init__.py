"""Keypoints smoothed over time, and over views, by a Kalman smoother.

`smooth_tables` takes tables of predictions and writes smoothed ones. Below it, `Smoother` works on
arrays: `Observations` seen through a projection (`OneView`, `AffineViews`, `CameraViews`) of states
that a `Motion` describes, with parameters that `find_parameters` finds on a `Sample`.
"""

from lp_analysis.smoothing.dynamics import Dynamics, Motion
from lp_analysis.smoothing.files import (
    SmoothedFiles,
    SmoothedKeypoint,
    SmoothingOptions,
    smooth_tables,
)
from lp_analysis.smoothing.parameters import Parameters, Sample, Search, find_parameters
from lp_analysis.smoothing.projections import AffineViews, CameraViews, OneView, Projection
from lp_analysis.smoothing.smoother import Gate, Observations, Smoother
from lp_analysis.smoothing.writing import Outputs

__all__ = [
    "AffineViews",
    "CameraViews",
    "Dynamics",
    "Gate",
    "Motion",
    "Observations",
    "OneView",
    "Outputs",
    "Parameters",
    "Projection",
    "Sample",
    "Search",
    "SmoothedFiles",
    "SmoothedKeypoint",
    "Smoother",
    "SmoothingOptions",
    "find_parameters",
    "smooth_tables",
]
