"""Points in space from the tables of several views, and how good they are."""

from lp_analysis.triangulation.association import (
    MatchedFiles,
    MatchedViews,
    MatchingOptions,
    Sighting,
    match_files,
    match_views,
)
from lp_analysis.triangulation.label_files import (
    label_poses,
    triangulate_files,
    triangulate_labels,
)
from lp_analysis.triangulation.pose_prior import PosePrior, fit_pose_prior
from lp_analysis.triangulation.predictions import SessionPrediction, triangulate_predictions
from lp_analysis.triangulation.quality import (
    BoneLength,
    bone_lengths,
    leave_one_view_out,
    world_error,
)
from lp_analysis.triangulation.reprojection import Reprojected, reproject
from lp_analysis.triangulation.rigs import (
    LabelRigs,
    SessionRigs,
    label_rigs,
    offsets_of_views,
    size_of,
)
from lp_analysis.triangulation.tables import (
    Triangulated,
    TriangulationOptions,
    triangulate_poses,
    triangulate_tables,
    views_of,
)

__all__ = [
    "BoneLength",
    "LabelRigs",
    "MatchedFiles",
    "MatchedViews",
    "MatchingOptions",
    "PosePrior",
    "Reprojected",
    "SessionPrediction",
    "SessionRigs",
    "Sighting",
    "Triangulated",
    "TriangulationOptions",
    "bone_lengths",
    "fit_pose_prior",
    "label_poses",
    "label_rigs",
    "leave_one_view_out",
    "match_files",
    "match_views",
    "offsets_of_views",
    "reproject",
    "size_of",
    "triangulate_files",
    "triangulate_labels",
    "triangulate_poses",
    "triangulate_predictions",
    "triangulate_tables",
    "views_of",
    "world_error",
]
