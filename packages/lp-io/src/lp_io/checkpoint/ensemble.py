"""Ensembles: a model directory whose ``manifest.json`` names others, which are the members."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_core.text import quoted
from lp_io import strict_json
from lp_io.checkpoint import files
from lp_io.checkpoint.files import ENSEMBLE_FORMAT, Manifest, Record, manifest_bytes
from lp_io.errors import CheckpointError
from lp_io.model_directory import CAMERAS, MANIFEST_NAME, VIEWS

COMBINATION = "combination"
"""What `Ensemble.extra` calls how members are combined; the rest of it is as that of a model."""

_VERSION = 1
_USES = ("train", "validation", "test", "unused")
"""Splits: an image of an ensemble is in the first of these that it is in for any member."""


class Ensemble(Record):
    """Which models are combined, and how.

    Attributes:
        members: Their folders, relative to that of the ensemble, with ``/``.
        unfinished: Those of them that are not trained yet.
        extra: Whatever else is kept, such as how confident it is; plain values.
    """

    members: tuple[str, ...]
    unfinished: tuple[str, ...] = ()
    extra: Mapping[str, Any] = {}


def read_ensemble(folder: Path) -> Ensemble | None:
    """What a folder says of an ensemble; None for one that holds none.

    Raises:
        CheckpointError: What it says is damaged, or of a newer version.
    """
    path = folder / MANIFEST_NAME
    if not path.is_file():
        return None
    text = manifest_bytes(path)
    try:
        content = strict_json.parse(text)
    except strict_json.JSONContentError:
        return None  # whoever reads it as a model says what is wrong
    if not isinstance(content, dict) or content.get("format") != ENSEMBLE_FORMAT:
        return None
    version = content.get("format_version")
    if version != _VERSION:
        raise CheckpointError(
            f"the ensemble is of format {version}, this lp-io reads {_VERSION}",
            where=path,
            remedy="upgrade lp-io",
        )
    own = {name: content[name] for name in content if name not in ("format", "format_version")}
    try:
        ensemble = Ensemble.model_validate_json(strict_json.dump(own))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        problem = f"the ensemble is damaged: {place}: {first['msg']}"
        raise CheckpointError(problem, where=path) from error
    _check(ensemble, path)
    return ensemble


def write_ensemble(folder: Path, ensemble: Ensemble) -> None:
    """Write which models are combined, into a folder that there is.

    Raises:
        CheckpointError: There is no member, or one twice, or it cannot be written.
    """
    path = folder / MANIFEST_NAME
    _check(ensemble, path)
    plain = {"format": ENSEMBLE_FORMAT, "format_version": _VERSION}
    text = strict_json.dump(plain | ensemble.model_dump(mode="json"), indent=1)
    with unwritable_as(CheckpointError, "the ensemble", path), atomic_text(path) as file:
        file.write(f"{text}\n")


def begin_ensemble(folder: Path, members: Sequence[str]) -> None:
    """Write that members are to be trained.

    Raises:
        CheckpointError: It cannot be written.
    """
    write_ensemble(folder, Ensemble(members=tuple(members), unfinished=tuple(members)))


def finish_member(folder: Path, ensemble: Ensemble, member: str) -> Ensemble:
    """Write that a member is trained.

    Raises:
        CheckpointError: It cannot be written.
    """
    left = tuple(each for each in ensemble.unfinished if each != member)
    ensemble = ensemble.model_copy(update={"unfinished": left})
    write_ensemble(folder, ensemble)
    return ensemble


def _check(ensemble: Ensemble, path: Path) -> None:
    members = ensemble.members
    if not members:
        raise CheckpointError(
            "an ensemble needs at least one member", where=path, remedy="name model directories"
        )
    twice = [name for place, name in enumerate(members) if name in members[:place]]
    if twice:
        raise CheckpointError(
            f"the model '{twice[0]}' is in the ensemble twice",
            where=path,
            remedy="name each model once",
        )


def ensemble_of(folder: Path, models: Sequence[Path]) -> Ensemble:
    """What a folder will say of an ensemble of these models.

    Raises:
        CheckpointError: There is no model, or one twice.
    """
    here = folder.resolve()
    paths = (Path(os.path.relpath(model.resolve(), here)) for model in models)
    ensemble = Ensemble(members=tuple(path.as_posix() for path in paths))
    _check(ensemble, folder)
    return ensemble


def member_names(ensemble: Ensemble) -> tuple[str, ...]:
    """Short names of the members: of their folders, or of the whole paths where these are alike."""
    short = tuple(PurePosixPath(name).name for name in ensemble.members)
    if len({*short}) == len(short):
        return short
    return tuple("_".join(p for p in name.split("/") if p != "..") for name in ensemble.members)


def member_folders(folder: Path, ensemble: Ensemble) -> list[Path]:
    """The model directories of the members.

    Raises:
        CheckpointError: Some are not trained yet, or are not there.
    """
    if ensemble.unfinished:
        done = len(ensemble.members) - len(ensemble.unfinished)
        raise CheckpointError(
            f"{done} of the {len(ensemble.members)} members of the ensemble are trained; not yet: "
            f"{', '.join(ensemble.unfinished)}",
            where=folder,
            remedy=f"litpose train --resume {quoted(folder)}",
        )
    found = [folder / name for name in ensemble.members]
    for member in found:
        if not (member / MANIFEST_NAME).is_file():
            raise CheckpointError(
                f"there is no model where the ensemble has the member '{member.name}'",
                where=member,
                remedy="put it back, or make an ensemble of the others: litpose ensemble",
            )
    return found


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a model; of an ensemble, that of its first member with what is said of all.

    An image of an ensemble was trained on where it was for any member. Weights are not looked at.

    Raises:
        CheckpointError: There is no saved model, or its manifest cannot be trusted.
    """
    folder = Path(folder)
    ensemble = read_ensemble(folder)
    if ensemble is None:
        return files.read_manifest(folder)
    manifests = [files.read_manifest(member) for member in member_folders(folder, ensemble)]
    first = manifests[0]
    shared = {name: first.extra[name] for name in (VIEWS, CAMERAS) if name in first.extra}
    extra = {**shared, **ensemble.extra}
    return first.model_copy(update={"split": _split(manifests), "metrics": {}, "extra": extra})


def _split(manifests: Sequence[Manifest]) -> dict[str, tuple[str, ...]]:
    """The split of the images of all members."""
    uses: dict[str, int] = {}
    for manifest in manifests:
        for name, images in manifest.split.items():
            use = _USES.index(name) if name in _USES else len(_USES)
            for image in images:
                uses[image] = min(use, uses.get(image, use))
    known = enumerate(_USES)
    return {name: tuple(im for im, use in uses.items() if use == own) for own, name in known}
