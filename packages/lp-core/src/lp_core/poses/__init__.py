"""Poses: the skeleton, the one table of labels and predictions, and its CSV files."""

from lp_core.poses.columns import ONE_ANIMAL, Animals, Content
from lp_core.poses.csv_reading import read_pose_csv, read_pose_csv_chunks
from lp_core.poses.csv_writing import write_pose_csv
from lp_core.poses.skeleton import Skeleton
from lp_core.poses.table import (
    Frames,
    MissingPolicy,
    Origin,
    PoseTable,
    Visibility,
    concatenate,
    confidence_of,
)

__all__ = [
    "ONE_ANIMAL",
    "Animals",
    "Content",
    "Frames",
    "MissingPolicy",
    "Origin",
    "PoseTable",
    "Skeleton",
    "Visibility",
    "concatenate",
    "confidence_of",
    "read_pose_csv",
    "read_pose_csv_chunks",
    "write_pose_csv",
]
