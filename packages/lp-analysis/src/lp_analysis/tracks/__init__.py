"""Identity over time: which rows of a video are the same individual."""

from lp_analysis.tracks.appearance import Appearance, AppearanceReader
from lp_analysis.tracks.files import (
    FileTracking,
    TrackedFile,
    review_path,
    track_file,
    write_tracked,
)
from lp_analysis.tracks.following import Follower, FollowingOptions
from lp_analysis.tracks.linked_rows import LinkedRows
from lp_analysis.tracks.offline import Count, Individuals, JoiningOptions, track_offline
from lp_analysis.tracks.online import UNTRACKED, Decisions, OnlineTracker
from lp_analysis.tracks.options import TrackingOptions
from lp_analysis.tracks.review import Doubt, least_certain, write_review
from lp_analysis.tracks.similarity import AppearanceMetric
from lp_analysis.tracks.tables import sized, surest_rows, track_online, with_tracks
from lp_analysis.tracks.tracing import trace_back

__all__ = [
    "UNTRACKED",
    "Appearance",
    "AppearanceMetric",
    "AppearanceReader",
    "Count",
    "Decisions",
    "Doubt",
    "FileTracking",
    "Follower",
    "FollowingOptions",
    "Individuals",
    "JoiningOptions",
    "LinkedRows",
    "OnlineTracker",
    "TrackedFile",
    "TrackingOptions",
    "least_certain",
    "review_path",
    "sized",
    "surest_rows",
    "trace_back",
    "track_file",
    "track_offline",
    "track_online",
    "with_tracks",
    "write_review",
    "write_tracked",
]
