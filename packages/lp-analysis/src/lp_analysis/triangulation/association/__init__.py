"""Identities over views: which rows of several cameras show the same animal."""

from lp_analysis.triangulation.association.matching import (
    MatchedViews,
    MatchingOptions,
    Sighting,
    match_views,
)

__all__ = ["MatchedViews", "MatchingOptions", "Sighting", "match_views"]
