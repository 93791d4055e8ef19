"""Load a saved model, or its weights, and tell one trained tracker from another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from lp_core.errors import LPError
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_core.trackers.weights import (
    LOSS_PREFIXES,
    digest_of,
    digest_of_members,
    without_losses,
)
from lp_io.checkpoint.building import build_tracker, get_model_class
from lp_io.checkpoint.ensemble import COMBINATION, member_folders, read_ensemble
from lp_io.checkpoint.files import Manifest, not_finite, read_saved_model
from lp_io.errors import CheckpointError
from lp_io.model_directory import MANIFEST_NAME, WEIGHTS_NAME
from lp_io.tensor_file import read_tensor_file


class LeftOut(NamedTuple):
    """A tensor that was not loaded, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class LoadedModel:
    """A tracker in evaluation mode, its manifest, and the tensors that were not loaded, if any."""

    tracker: BaseSupervisedTracker
    manifest: Manifest
    left_out: tuple[LeftOut, ...]


def load_model(
    folder: str | Path,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype | None = None,
    strict: bool = True,
    with_losses: bool = False,
) -> LoadedModel:
    """Load the model that `save_model` wrote.

    Nothing in the files is executed, nothing is fetched, and the random generators stay as they
    were.

    Args:
        folder: The model directory.
        device: Where to put the tracker.
        dtype: Its floating-point type; None keeps that of the file.
        strict: Refuse weights that do not fit the installed tracker class; if not, those are left
            out and listed, and keep their initial values.
        with_losses: Also build its losses, with what they learnt from the labels, and the
            semi-supervised twin if it was trained as one; only then can it be trained further.

    Raises:
        CheckpointError: There is no saved model, it cannot be trusted, or it does not fit the
            tracker class that is installed, if any.
    """
    folder = Path(folder)
    manifest, tensors = read_saved_model(folder)
    _check_finite(tensors, folder / WEIGHTS_NAME)
    tracker = build_tracker(manifest, draw_weights=not strict, with_losses=with_losses)
    tensors = tensors if with_losses else without_losses(tensors)
    left_out = _fill(tracker, tensors, folder / WEIGHTS_NAME, strict=strict)
    tracker.to(device=torch.device(device), dtype=dtype)
    return LoadedModel(tracker.eval(), manifest, left_out)


def read_weights(source: str | Path) -> dict[str, Tensor]:
    """The weights of a model directory or of a ``.safetensors`` file, without those of its losses.

    Raises:
        CheckpointError: There are none, they cannot be trusted, or they are not finite.
    """
    path = Path(source)
    is_model = path.name == WEIGHTS_NAME and (path.parent / MANIFEST_NAME).is_file()
    folder = path.parent if is_model else path
    if folder.is_dir() or not path.exists():
        path, (_, tensors) = folder / WEIGHTS_NAME, read_saved_model(folder)
    else:
        tensors = read_tensor_file(path).tensors
    _check_finite(tensors, path)
    return without_losses(tensors)


def take_weights(
    tracker: BaseSupervisedTracker, tensors: Mapping[str, Tensor], source: str | Path
) -> tuple[LeftOut, ...]:
    """Start a tracker from ``tensors``, as far as they fit.

    Args:
        tracker: The tracker to start; it keeps its device and floating-point type.
        tensors: Weights by the names of the tracker's state, such as those of `read_weights`.
        source: Where they come from, for messages.

    Returns:
        What was left out on either side, with the reason.

    Raises:
        CheckpointError: Nothing fits.
    """
    left_out = _misfits(tracker, tensors)
    fitting = _without(tensors, left_out)
    if not fitting:
        own = without_losses(tracker.state_dict())
        raise CheckpointError(
            f"none of the {len(tensors)} tensors fits {type(tracker).__name__} with its {len(own)}",
            where=source,
            remedy="use a model of the same model type and backbone",
        )
    tracker.load_state_dict(fitting, strict=False)
    return left_out


def _fill(
    tracker: BaseSupervisedTracker, tensors: Mapping[str, Tensor], path: Path, *, strict: bool
) -> tuple[LeftOut, ...]:
    """Put the tensors into the tracker."""
    left_out = _misfits(tracker, tensors)
    misfit = f"the weights do not fit the installed {type(tracker).__name__}"
    if strict and left_out:
        more = f" (and {len(left_out) - 1} more)" if len(left_out) > 1 else ""
        raise CheckpointError(
            f"{misfit}: '{left_out[0].name}' {left_out[0].reason}{more}",
            where=path,
            remedy="install the version that saved the model, or load it with strict=False",
        )
    # Taking the tensors themselves saves a copy, but would part parameters that are tied.
    every = sum(1 for _ in tracker.named_parameters(remove_duplicate=False))
    has_ties = every != sum(1 for _ in tracker.parameters())
    try:
        tracker.load_state_dict(_without(tensors, left_out), strict=strict, assign=not has_ties)
    except RuntimeError as error:
        raise CheckpointError(f"{misfit}: {str(error)[:300]}", where=path) from error
    return left_out


def _misfits(tracker: BaseSupervisedTracker, tensors: Mapping[str, Tensor]) -> tuple[LeftOut, ...]:
    """Tensors that are on one side only, or differ in shape or kind of number."""
    state = tracker.state_dict()
    own = without_losses(state) | {name: t for name, t in state.items() if name in tensors}
    missing = [LeftOut(n, "is not in the file") for n in own.keys() - tensors.keys()]
    unknown = [LeftOut(n, "is not in the tracker") for n in tensors.keys() - own.keys()]
    unlike = [
        LeftOut(name, f"is {_words(tensors[name])} in the file, {_words(own[name])} in the tracker")
        for name in own.keys() & tensors.keys()
        if not _alike(name, own[name], tensors[name])
    ]
    return tuple(sorted([*missing, *unknown, *unlike]))


def _alike(name: str, own: Tensor, other: Tensor) -> bool:
    """Whether one can stand for the other; what a loss learnt may have any shape."""
    same_kind = own.dtype == other.dtype or (own.is_floating_point() and other.is_floating_point())
    return same_kind and (own.shape == other.shape or name.startswith(LOSS_PREFIXES))


def _words(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"


def _without(tensors: Mapping[str, Tensor], left_out: tuple[LeftOut, ...]) -> dict[str, Tensor]:
    names = {item.name for item in left_out}
    return {name: tensor for name, tensor in tensors.items() if name not in names}


def _check_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    broken = not_finite(tensors)
    if broken is not None:
        raise CheckpointError(f"the weights '{broken}' are not finite numbers", where=path)


def stored_weights_digest(folder: Path) -> str | None:
    """The digest of the model or ensemble in a folder, without building it; None without one."""
    try:
        ensemble = read_ensemble(folder)
        if ensemble is not None:
            digests = [stored_weights_digest(own) for own in member_folders(folder, ensemble)]
            known = [digest for digest in digests if digest is not None]
            combination = ensemble.extra.get(COMBINATION)
            return digest_of_members(known, combination) if len(known) == len(digests) else None
        manifest, tensors = read_saved_model(folder)
        return digest_of(get_model_class(manifest), tensors)
    except LPError:
        return None
