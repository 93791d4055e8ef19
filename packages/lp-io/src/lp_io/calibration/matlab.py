"""Cameras in MATLAB files of DANNCE and Label3D.

MATLAB multiplies rows from the left, so its matrices are transposed; and the centre of its top-left
pixel is (1, 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lp_core.geometry.cameras import Camera
from lp_io.calibration.entries import Entry, Sizes
from lp_io.errors import require
from lp_io.untrusted.content import ContentError, library_reading

_ONE_CAMERA = ("K", "r", "R", "t", "RDistort", "TDistort", "m")
_HDF5 = b"MATLAB 7.3"


def read_matlab(path: Path, sizes: Sizes | None) -> list[Camera]:
    """The cameras of a MATLAB file: ``params`` and ``camnames`` of all, or the values of one.

    Raises:
        ContentError: It is not such a file, or a camera lacks a value or has an impossible one.
        MissingExtraError: scipy is not installed.
    """
    values = _variables(path)
    if "params" not in values:
        name = path.stem.removesuffix("_params")
        return [_camera(Entry(name, values), sizes)]
    params = _items(values["params"])
    names = [str(name) for name in _items(values.get("camnames", []))]
    names = names or [f"Camera{number}" for number in range(1, len(params) + 1)]
    if len(names) != len(params):
        raise ContentError(f"it names {len(names)} cameras and has the values of {len(params)}")
    return [_camera(_entry(*pair), sizes) for pair in zip(names, params, strict=True)]


def _variables(path: Path) -> Mapping[str, Any]:
    library = require("scipy.io", "matlab")
    with path.open("rb") as raw:
        if raw.read(len(_HDF5)) == _HDF5:
            raise ContentError(
                "it is a MATLAB file of version 7.3", "save it in MATLAB with the option -v7"
            )
    wanted = ["params", "camnames", *_ONE_CAMERA]
    with library_reading("scipy"):
        found = library.loadmat(str(path), variable_names=wanted, simplify_cells=True)
    return {key: value for key, value in found.items() if key in wanted}


def _items(value: Any) -> list[Any]:
    """The items of a cell array; scipy gives the only item of a cell array of one itself."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, np.ndarray):
        return list(value.ravel())
    return [value]


def _entry(name: str, values: Any) -> Entry:
    if not isinstance(values, dict):
        raise ContentError(f"camera '{name}': its values should be a struct")
    return Entry(name, values)


def _camera(entry: Entry, sizes: Sizes | None) -> Camera:
    matrix = entry.shaped((3, 3), "K").T.copy()
    if not np.allclose(matrix[2], (0, 0, 1)):
        raise entry.error("'K' is not in MATLAB's order: [fx 0 0; 0 fy 0; cx cy 1]")
    if np.any(np.asarray(entry.find(("m",)) or 0)):
        raise entry.error("it shows a mirror image, which is not supported")
    matrix[:2, 2] -= 1.0
    radial = np.zeros(3)
    given = entry.numbers("RDistort").ravel()
    if given.size > 3:
        raise entry.error(f"'RDistort' should be 2 or 3 numbers, got {given.size}")
    radial[: given.size] = given
    tangential = entry.shaped((2,), "TDistort")
    return entry.camera(
        size=entry.size(sizes, "image_width", "image_height"),
        matrix=matrix,
        distortion=np.array([*radial[:2], *tangential, radial[2]]),
        rotation=entry.shaped((3, 3), "r", "R").T,
        translation=entry.shaped((3,), "t"),
    )
