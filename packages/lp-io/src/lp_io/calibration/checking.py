"""Whether files of calibrated cameras go with the views of a project."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.errors import LPError
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


def rig_errors(files: Iterable[Path], views: Sequence[str]) -> list[LPError]:
    """What is wrong with files of cameras: those that cannot be read, or that lack a view.

    Args:
        files: The files.
        views: The views that each must have a camera of.
    """
    errors: list[LPError] = []
    for file in dict.fromkeys(files):
        try:
            read_rig(file).subset(views)
        except LPError as error:
            place = error.where or file
            errors.append(type(error)(error.problem, where=place, remedy=error.remedy))
    return errors
