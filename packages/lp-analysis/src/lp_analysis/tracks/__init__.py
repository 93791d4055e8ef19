"""Identity over time: which rows of a video are the same individual."""

from lp_analysis.tracks.online import UNTRACKED, Decisions, OnlineTracker
from lp_analysis.tracks.options import TrackingOptions
from lp_analysis.tracks.tables import track_online, with_tracks

__all__ = [
    "UNTRACKED",
    "Decisions",
    "OnlineTracker",
    "TrackingOptions",
    "track_online",
    "with_tracks",
]
