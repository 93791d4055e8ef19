"""Sessions filmed by several cameras: whose video is whose, and which rows are of one moment."""

from lp_data.errors import SessionError
from lp_data.sessions.calibrations import (
    calibration_of_videos,
    calibrations_of,
    calibrations_of_labels,
    find_calibrations,
    sizes_of_views,
)
from lp_data.sessions.labels import (
    LabelSet,
    join_views,
    label_sets,
    read_label_set,
    read_view_labels,
    share_of_views,
    told_files,
)
from lp_data.sessions.manifest import (
    MANIFEST,
    Group,
    SessionManifest,
    SessionVideo,
    find_sessions,
    group_videos,
    listed_sessions,
    others_of,
    prediction_groups,
    read_manifest,
)
from lp_data.sessions.names import ViewNames
from lp_data.sessions.view_set import ViewSet, tell_lengths

__all__ = [
    "MANIFEST",
    "Group",
    "LabelSet",
    "SessionError",
    "SessionManifest",
    "SessionVideo",
    "ViewNames",
    "ViewSet",
    "calibration_of_videos",
    "calibrations_of",
    "calibrations_of_labels",
    "find_calibrations",
    "find_sessions",
    "group_videos",
    "join_views",
    "label_sets",
    "listed_sessions",
    "others_of",
    "prediction_groups",
    "read_label_set",
    "read_manifest",
    "read_view_labels",
    "share_of_views",
    "sizes_of_views",
    "tell_lengths",
    "told_files",
]
