"""Save a tracker as a model directory, and add to its manifest later."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from math import isfinite
from pathlib import Path
from typing import Any

from torch import Tensor

from lp_core.atomic import atomic_text, flush_to_disk, put_in_place
from lp_core.errors import unwritable, unwritable_as
from lp_core.losses.factory import LossFactory
from lp_core.options import plain_options
from lp_core.poses import Skeleton
from lp_core.registry import LOSSES, Plugin, registered
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint.building import registration_of
from lp_io.checkpoint.files import (
    NEW_MANIFEST_NAME,
    NEW_WEIGHTS_NAME,
    Distribution,
    LossRecord,
    Manifest,
    WeightsRecord,
    finish_interrupted_save,
    manifest_text,
    not_finite,
    read_manifest,
    tensor_record,
)
from lp_io.errors import CheckpointError
from lp_io.model_directory import MANIFEST_NAME, WEIGHTS_NAME
from lp_io.tensor_file import sha256_of, write_tensor_file

_PACKAGES = (
    "lp-core", "lp-data", "lp-io", "lp-models", "lp-pipeline", "numpy", "pytorch-lightning", "timm",
    "torch",
)  # fmt: skip


def save_model(
    folder: str | Path,
    tracker: BaseSupervisedTracker,
    *,
    skeleton: Skeleton | None = None,
    split: Mapping[str, Sequence[str]] | None = None,
    metrics: Mapping[str, float | None] | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Manifest:
    """Write ``model.safetensors`` and ``manifest.json``, all that prediction needs.

    A save that is interrupted, even by a power cut, leaves the model that was there before, or the
    new one.

    Args:
        folder: The model directory; it is made if it is missing.
        tracker: The tracker, or its semi-supervised twin; its losses' buffers are kept with it.
        skeleton: How its keypoints belong together.
        split: Image paths by name of the split: ``train``, ``validation``, ``test``, ``unused``.
        metrics: Figures by name.
        extra: Further plain values to keep.

    Raises:
        CheckpointError: The tracker is not registered, its weights are not finite, or the files
            cannot be written.
    """
    folder = Path(folder)
    tensors = tracker.state_dict()
    _check_finite(tensors)
    kind, plugin = registration_of(type(tracker))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        finish_interrupted_save(folder)
        write_tensor_file(folder / NEW_WEIGHTS_NAME, tensors, {"format": "pt"})
        manifest = Manifest(
            model_type=plugin.name,
            semi_supervised=type(tracker) is not kind,
            distribution=_distribution(plugin),
            options=plain_options(tracker.options),
            optimization=plain_options(tracker.optimization),
            keypoint_names=tracker.options.keypoint_names,
            skeleton=skeleton,
            weights=_weights_record(folder / NEW_WEIGHTS_NAME, tensors),
            supervised_losses=_loss_records(tracker.losses),
            unsupervised_losses=_loss_records(getattr(tracker, "unsupervised_losses", None)),
            packages=_package_versions([plugin.distribution]),
            split={name: tuple(paths) for name, paths in (split or {}).items()},
            metrics={name: _finite(value) for name, value in (metrics or {}).items()},
            extra=extra or {},
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        )
        _put_both_in_place(folder, manifest_text(manifest))
    except OSError as error:
        raise unwritable(CheckpointError, "the model", error.filename or folder, error) from error
    finally:  # what an unsuccessful save left, unless the new weights already stand
        if (folder / NEW_WEIGHTS_NAME).exists():
            (folder / NEW_WEIGHTS_NAME).unlink()
            (folder / NEW_MANIFEST_NAME).unlink(missing_ok=True)
    return manifest


def _check_finite(tensors: Mapping[str, Tensor]) -> None:
    broken = not_finite(tensors)
    if broken is not None:
        raise CheckpointError(
            f"the weights '{broken}' are not finite: the training has diverged",
            remedy="lower training.optimizer_params.learning_rate",
        )


def _finite(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else float(value)


def annotate_model(folder: str | Path, extra: Mapping[str, Any]) -> Manifest:
    """Add values to the ``extra`` of a saved model's manifest.

    What is interrupted leaves the manifest that was there before, or the new one.

    Args:
        folder: The model directory.
        extra: Plain values by name; they replace those of the same name.

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


def _put_both_in_place(folder: Path, text: str) -> None:
    """Let the two files take their names, the new manifest being on the disk before either does.

    Where this stops between the two, the loader finds the new manifest under its own name.
    """
    new_manifest = folder / NEW_MANIFEST_NAME
    new_manifest.write_text(text, encoding="utf-8")
    flush_to_disk(new_manifest)
    flush_to_disk(folder)
    put_in_place(folder / NEW_WEIGHTS_NAME, folder / WEIGHTS_NAME)
    put_in_place(new_manifest, folder / MANIFEST_NAME)


def _weights_record(path: Path, tensors: Mapping[str, Tensor]) -> WeightsRecord:
    records = tuple(tensor_record(name, tensors[name]) for name in sorted(tensors))
    return WeightsRecord(sha256=sha256_of(path), size=path.stat().st_size, tensors=records)


def _loss_records(factory: LossFactory | None) -> tuple[LossRecord, ...]:
    if factory is None:
        return ()
    plugins = registered(LOSSES)
    return tuple(
        LossRecord(
            name=name,
            options=plain_options(loss.options),
            distribution=_distribution(plugins.get(name)),
        )
        for name, loss in factory.losses.items()
    )


def _distribution(plugin: Plugin | None) -> Distribution:
    if plugin is None:
        return Distribution(name="unknown", version="unknown")
    return Distribution(name=plugin.distribution, version=plugin.version)


def _package_versions(others: Iterable[str]) -> dict[str, str]:
    """The versions of Python and of the distributions that made the model."""
    found = {"python": platform.python_version()}
    for name in sorted({*_PACKAGES, *others}):
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
