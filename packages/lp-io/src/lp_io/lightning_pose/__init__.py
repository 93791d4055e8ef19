"""Model directories of the public package Lightning Pose, read without running anything of them."""

from lp_io.lightning_pose.checkpoint import PublicCheckpoint, read_public_checkpoint
from lp_io.lightning_pose.folder import find_public_checkpoint, is_public_model_dir

__all__ = [
    "PublicCheckpoint",
    "find_public_checkpoint",
    "is_public_model_dir",
    "read_public_checkpoint",
]
