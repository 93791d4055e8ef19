"""Sessions filmed by several cameras: whose video is whose, and which rows are of one moment."""

from lp_data.sessions.calibrations import find_calibrations
from lp_data.sessions.labels import join_views, read_view_labels, share_of_views
from lp_data.sessions.manifest import (
    MANIFEST,
    Manifest,
    SessionVideo,
    group_videos,
    read_manifest,
    videos_in,
)
from lp_data.sessions.names import ViewNames
from lp_data.sessions.view_set import ViewSet, tell_lengths

__all__ = [
    "MANIFEST",
    "Manifest",
    "SessionVideo",
    "ViewNames",
    "ViewSet",
    "find_calibrations",
    "group_videos",
    "join_views",
    "read_manifest",
    "read_view_labels",
    "share_of_views",
    "tell_lengths",
    "videos_in",
]
