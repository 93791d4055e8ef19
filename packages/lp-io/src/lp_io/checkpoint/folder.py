"""Whether a folder may become a model directory."""

from __future__ import annotations

from pathlib import Path

from lp_io.checkpoint.files import MANIFEST_NAME
from lp_io.errors import CheckpointError
from lp_io.model_directory import CONFIG_FILE, LOCK_FILE, PROGRESS_FILE, STATE_FOLDER
from lp_io.training_lock import check_free

_MADE_BY_TRAINING = (PROGRESS_FILE, STATE_FOLDER, MANIFEST_NAME)


def check_model_dir(model_dir: Path, *, overwrite: bool = False, locked: bool = False) -> None:
    """Refuse a folder that holds something that is not to be replaced.

    Args:
        model_dir: The folder.
        overwrite: Whether an earlier model directory may be replaced.
        locked: Whether this process holds the lock of the folder.

    Raises:
        CheckpointError: It is a file, or not empty and no earlier model directory to replace.
        FolderInUseError: Another training works in it.
    """
    if not locked:
        check_free(model_dir)
    if model_dir.is_dir() and not content(model_dir):
        return
    ours = (model_dir / CONFIG_FILE).is_file() and any(
        (model_dir / name).exists() for name in _MADE_BY_TRAINING
    )
    if (overwrite and ours) or not model_dir.exists():
        return
    if overwrite:
        raise CheckpointError(
            "the folder is not a model directory, so it is not replaced",
            where=model_dir,
            remedy="choose another --output-dir (--overwrite replaces model directories only)",
        )
    raise CheckpointError(
        "the model directory exists already",
        where=model_dir,
        remedy="choose another --output-dir"
        + (", go on with it by --resume, or replace it by --overwrite" if ours else ""),
    )


def content(folder: Path) -> list[Path]:
    """What lies in a folder, but for the lock of a training."""
    return [path for path in folder.iterdir() if path.name != LOCK_FILE]
