"""Identities over views: which rows of several cameras show the same animal."""

from lp_analysis.triangulation.association.files import MatchedFiles, match_files
from lp_analysis.triangulation.association.matching import (
    MatchedViews,
    MatchingOptions,
    Sighting,
    match_views,
)

__all__ = [
    "MatchedFiles",
    "MatchedViews",
    "MatchingOptions",
    "Sighting",
    "match_files",
    "match_views",
]
