"""Model directories of Lightning Pose, read without running anything of them."""

from lp_io.lightning_pose.checkpoint import (
    LightningPoseCheckpoint,
    find_lightning_pose_checkpoint,
    is_lightning_pose_model_dir,
    read_lightning_pose_checkpoint,
)
from lp_io.lightning_pose.weights import (
    check_backbone,
    fill,
    get_adapter,
    tracker_weights,
)

__all__ = [
    "LightningPoseCheckpoint",
    "check_backbone",
    "fill",
    "find_lightning_pose_checkpoint",
    "get_adapter",
    "is_lightning_pose_model_dir",
    "read_lightning_pose_checkpoint",
    "tracker_weights",
]
