"""Model directories of Lightning Pose, read without running anything of them."""

from lp_io.lightning_pose.checkpoint import LightningPoseCheckpoint, read_lightning_pose_checkpoint
from lp_io.lightning_pose.folder import (
    find_lightning_pose_checkpoint,
    is_lightning_pose_model_dir,
)
from lp_io.lightning_pose.weights import (
    PARTS,
    check_backbone,
    get_adapter,
    misfit,
    tracker_weights,
)

__all__ = [
    "PARTS",
    "LightningPoseCheckpoint",
    "check_backbone",
    "find_lightning_pose_checkpoint",
    "get_adapter",
    "is_lightning_pose_model_dir",
    "misfit",
    "read_lightning_pose_checkpoint",
    "tracker_weights",
]
