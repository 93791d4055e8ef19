"""Model directories of Lightning Pose, read without running anything of them."""

from lp_io.lightning_pose.checkpoint import read_lightning_pose_checkpoint

__all__ = ["read_lightning_pose_checkpoint"]
