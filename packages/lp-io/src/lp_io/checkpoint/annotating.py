"""Say more about a saved model, without touching its weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_io.checkpoint.files import MANIFEST_NAME, finish_interrupted_save, read_manifest
from lp_io.checkpoint.manifest import Manifest, manifest_text
from lp_io.errors import CheckpointError


def annotate_model(folder: str | Path, extra: Mapping[str, Any]) -> Manifest:
    """Add values to the ``extra`` of a saved model's manifest.

    What is interrupted leaves the manifest that was there before, or the new one.

    Args:
        folder: The model directory.
        extra: Plain values by name; they replace those of the same name.

    Returns:
        The manifest that was written.

    Raises:
        CheckpointError: There is no saved model, its manifest cannot be trusted, a value is not
            plain, or the file cannot be written.
    """
    folder = Path(folder)
    finish_interrupted_save(folder)
    manifest = read_manifest(folder)
    manifest = manifest.model_copy(update={"extra": {**manifest.extra, **extra}})
    text = manifest_text(manifest)
    path = folder / MANIFEST_NAME
    with unwritable_as(CheckpointError, "the manifest", path), atomic_text(path) as file:
        file.write(text)
    return manifest
