"""Where things lie in a model directory of Lightning Pose."""

from __future__ import annotations

import re
from pathlib import Path

from lp_io.errors import ConversionError

CONFIG_NAME = "config.yaml"
_CHECKPOINTS = "tb_logs/*/version_*/checkpoints/*.ckpt"
_VERSION = re.compile(r"version_(\d+)")
_STEP = re.compile(r"step=(\d+)")


def is_lightning_pose_model_dir(folder: Path) -> bool:
    """Whether a folder is a model directory of Lightning Pose: a config and logs, no manifest."""
    ours = (folder / "manifest.json").exists()
    return not ours and (folder / CONFIG_NAME).is_file() and (folder / "tb_logs").is_dir()


def find_lightning_pose_checkpoint(folder: Path) -> Path:
    """The checkpoint that Lightning Pose itself would predict with.

    That is the best one of the latest run, by the name that the package gives it; where it kept no
    best one, the one of the most steps.

    Args:
        folder: The model directory.

    Raises:
        ConversionError: There is no checkpoint.
    """
    files = (file for file in sorted(folder.glob(_CHECKPOINTS)) if file.is_file())
    found = [file for file in files if not file.name.startswith(".")]
    if not found:
        raise ConversionError(
            "there is no checkpoint in this model directory",
            where=folder / _CHECKPOINTS,
            remedy="was its training interrupted before the first validation?",
        )
    return max(found, key=_rank)


def _rank(file: Path) -> tuple[int, bool, int]:
    """Run, whether it is the best of it, and steps."""
    version = _VERSION.fullmatch(file.parent.parent.name)
    step = _STEP.search(file.name)
    return (
        int(version[1]) if version else -1,
        file.stem.endswith("-best"),
        int(step[1]) if step else -1,
    )
