"""Whether files of calibrated cameras go with the views of a project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.errors import LPError
from lp_core.geometry.cameras import Rig
from lp_io.calibration.reading import read_rig


def packed_rigs(
    sizes: Mapping[Path, Mapping[str, tuple[int, int]]], views: Sequence[str]
) -> dict[Path, Float[Tensor, "views parameters"]]:
    """The cameras of each file, packed, in the order of the views.

    Args:
        sizes: For each file (width, height) of the images of views.
        views: The views that each must have a camera of.

    Raises:
        CalibrationFileError: A file cannot be read.
        CameraError: A file lacks a view, or is of images of another size.
    """
    packed = {}
    for file, known in sizes.items():
        rig = read_rig(file).subset(views)
        rig.check_sizes(known)
        packed[file] = rig.packed(dtype=torch.float32)
    return packed


def rig_errors(
    files: Iterable[Path],
    views: Sequence[str],
    images: Iterable[tuple[Path, str, Mapping[str, tuple[int, int]]]] = (),
) -> list[LPError]:
    """What is wrong with files of cameras: those that cannot be read, lack a view, or do not fit.

    Args:
        files: The files.
        views: The views that each must have a camera of.
        images: A file, which images its cameras filmed, in words, and (width, height) of those of
            each view.
    """
    errors: list[LPError] = []
    rigs: dict[Path, Rig] = {}

    def tell(error: LPError, where: str | Path) -> None:
        errors.append(type(error)(error.problem, where=error.where or where, remedy=error.remedy))

    asked = list(dict.fromkeys(files))
    for file in asked:
        try:
            rigs[file] = read_rig(file)
            rigs[file].subset(views)
        except LPError as error:
            tell(error, file)
    for file, which, sizes in images:
        if file in asked and file not in rigs:
            continue
        try:
            rig = rigs.get(file) or read_rig(file)
            names = rig.names if file in asked else sizes  # a missing camera is told once
            rig.check_sizes({view: size for view, size in sizes.items() if view in names})
        except LPError as error:
            tell(error, f"{file}, of {which}")
    return errors
