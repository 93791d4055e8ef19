"""Load what predicts with a model directory: one tracker, or the members of an ensemble."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.ensembles.combination import Combined, Uncertainty, combined, plain_covariance
from lp_analysis.errors import EvaluationError
from lp_core.batches import Prediction
from lp_core.devices import Precision
from lp_core.errors import unwritable_as
from lp_data.inference.ensemble import Combine, EnsembleHandler
from lp_data.inference.handler import PredictionHandler
from lp_io.checkpoint import (
    COMBINATION,
    Manifest,
    ensemble_of,
    load_model,
    member_folders,
    member_names,
    read_ensemble,
    read_manifest,
    write_ensemble,
)
from lp_io.errors import CheckpointError
from lp_io.model_directory import TOP_DOWN, VIEWS, WHOLE_FRAME
from lp_io.training_lock import check_model_dir


def load_handler(
    folder: Path,
    *,
    device: str = "auto",
    precision: Precision = "32-true",
    chunk: int | None = None,
) -> tuple[PredictionHandler, Manifest]:
    """What runs the tracker of a model directory, or the members of an ensemble, and its manifest.

    Raises:
        CheckpointError: There is none, it cannot be trusted, or members do not go together.
        TrackerError: The keypoints of members differ.
        DeviceError: The device is not there.
    """

    def load(own: Path) -> PredictionHandler:
        tracker = load_model(own).tracker
        return PredictionHandler(tracker, device=device, precision=precision, chunk=chunk)

    ensemble = read_ensemble(folder)
    if ensemble is None:
        return load(folder), read_manifest(folder)
    folders = member_folders(folder, ensemble)
    check_members(folders)
    members = [load(own) for own in folders]
    said = ensemble.extra.get(COMBINATION)
    known = None if said is None else Uncertainty.from_dict(said)
    if known is not None and len(known.usual) != members[0].tracker.num_keypoints:
        raise CheckpointError("the ensemble is of other keypoints than its members", where=folder)
    return EnsembleHandler(members, combiner(known), said), read_manifest(folder)


def check_members(folders: Sequence[Path]) -> list[Manifest]:
    """The manifests of models that are to predict together.

    Raises:
        CheckpointError: One is not there, finds animals by itself, or has other keypoints or views
            than the first.
    """
    if not folders:
        raise CheckpointError("an ensemble needs at least one member", remedy="name some models")
    manifests = [read_manifest(folder) for folder in folders]
    first = manifests[0]
    for folder, manifest in zip(folders, manifests, strict=True):
        refuse_finder(manifest.extra, folder)
        for what, own, others in (
            ("keypoints", manifest.keypoint_names, first.keypoint_names),
            ("views", manifest.extra.get(VIEWS), first.extra.get(VIEWS)),
        ):
            if own != others:
                raise CheckpointError(
                    f"the members of an ensemble have the same {what} in the same order; this has "
                    f"{_told(own)}, {folders[0]} {_told(others)}",
                    where=folder,
                    remedy="leave it out, or train it on the labels of the others",
                )
    return manifests


def refuse_finder(extra: Mapping[str, Any], where: Path | str) -> None:
    """Refuse a model that finds the animals of a frame as a member, by what is known of it.

    Raises:
        CheckpointError: It is such a model.
    """
    if extra.keys() & {TOP_DOWN, WHOLE_FRAME}:
        raise CheckpointError(
            "a model that finds the animals of a frame cannot be a member of an ensemble: its "
            "members would find other animals",
            where=where,
            remedy="train one model, and predict with it by itself",
        )


def seeds_of(text: str) -> list[int]:
    """The seeds of members that ``5`` (0 to 4) or ``0,3,7`` says.

    Raises:
        EvaluationError: It says none, or one twice.
    """
    remedy = "--seeds 5 trains five members, --seeds 0,3,7 those of three seeds"
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise EvaluationError(f"'{text}' names no seeds", where="--seeds", remedy=remedy)
    seeds = [int(part) for part in parts]
    seeds = seeds if len(seeds) > 1 else [*range(seeds[0])]
    if not seeds:
        raise EvaluationError("an ensemble of no members", where="--seeds", remedy=remedy)
    if twice := [seed for place, seed in enumerate(seeds) if seed in seeds[:place]]:
        raise EvaluationError(f"the seed {twice[0]} is given twice", where="--seeds", remedy=remedy)
    return seeds


def found_ensemble(folder: Path, models: Sequence[Path], copies: Sequence[str]) -> None:
    """Make the directory of an ensemble of models, which stay where they are.

    Args:
        folder: The directory; it must be new or empty.
        models: Their directories.
        copies: Files of the first model that the ensemble has too, where they are.

    Raises:
        CheckpointError: A model is named twice, or the folder cannot be used or written.
    """
    check_model_dir(folder)
    ensemble = ensemble_of(folder, models)
    with unwritable_as(CheckpointError, "the ensemble", folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in copies:
            if (models[0] / name).is_file():
                shutil.copyfile(models[0] / name, folder / name)
    write_ensemble(folder, ensemble)


def names_of_members(folder: Path) -> tuple[str, ...]:
    """The names of the members of an ensemble.

    Raises:
        CheckpointError: The folder is that of one model.
    """
    ensemble = read_ensemble(folder)
    if ensemble is None:
        raise CheckpointError(
            "--members is about ensembles, and this is one model",
            where=folder,
            remedy="leave it out",
        )
    return member_names(ensemble)


def _told(names: object) -> str:
    if isinstance(names, dict):
        names = names.get("names", names)
    return ", ".join(map(str, names)) if isinstance(names, list | tuple) else str(names)


def combiner(known: Uncertainty | None) -> Combine:
    """What makes one prediction of those of the members."""

    def combine(parts: Sequence[Prediction]) -> Prediction:
        points = np.stack([part.keypoints.numpy() for part in parts]).astype(np.float64)
        confidences = np.stack([part.confidences.numpy() for part in parts]).astype(np.float64)
        values = stated(combined(points, confidences), known)
        keypoints, sure, covariance = (torch.from_numpy(value).float() for value in values)
        return Prediction(keypoints, sure, covariance=covariance, members=tuple(parts))

    return combine


def stated(
    found: Combined, known: Uncertainty | None
) -> tuple[
    Float[ndarray, "rows keypoints 2"],
    Float[ndarray, "rows keypoints"],
    Float[ndarray, "rows keypoints 2 2"],
]:
    """Positions, confidences and covariances of an ensemble, fitted on labels or not."""
    if known is None:
        return found.points, found.confidences, plain_covariance(found)
    covariance = known.covariance(found)
    return found.points, known.confidence(covariance), covariance
