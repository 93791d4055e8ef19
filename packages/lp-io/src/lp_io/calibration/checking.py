"""Whether files of calibrated cameras go with the views of a project."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lp_core.errors import LPError
from lp_io.calibration.reading import read_rig


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
