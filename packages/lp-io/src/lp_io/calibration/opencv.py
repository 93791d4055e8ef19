"""Files of OpenCV's FileStorage in YAML, and JARVIS's, which are of the same kind.

A file is one camera, which has the file's name, or a mapping of cameras by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lp_core.geometry.cameras import Camera
from lp_io.calibration.entries import Entry, Sizes, natural
from lp_io.untrusted.content import ContentError

LARGEST_FILE = 4 * 2**20

_MATRIX = ("camera_matrix", "cameraMatrix", "K", "M", "matrix", "intrinsics")
_DISTORTION = ("distortion_coefficients", "dist_coeffs", "distCoeffs", "distortion", "dist", "D")
_ROTATION = ("R", "rotation_matrix", "rotation", "rvec")
_TRANSLATION = ("T", "t", "translation_vector", "translation", "tvec")
_JARVIS = "intrinsicMatrix"


class _Loader(yaml.SafeLoader):
    """Reads plain values and OpenCV's matrices, and nothing else."""


def _matrix(loader: _Loader, node: yaml.Node) -> Any:
    """An OpenCV matrix as nested lists."""
    if not isinstance(node, yaml.MappingNode):
        raise ContentError("a matrix is damaged: it has no rows, cols and data")
    values = loader.construct_mapping(node, deep=True)
    try:
        numbers = np.array(values["data"], dtype=float)
        return numbers.reshape(int(values["rows"]), int(values["cols"])).tolist()
    except (KeyError, TypeError, ValueError) as error:
        line = node.start_mark.line + 1
        raise ContentError(f"line {line}: a matrix is damaged: {error}") from error


_Loader.add_constructor("tag:yaml.org,2002:opencv-matrix", _matrix)


def _document(path: Path) -> Mapping[str, Any]:
    if path.stat().st_size > LARGEST_FILE:
        raise ContentError("it is far larger than a file of cameras")
    try:
        text = path.read_text(encoding="utf-8")
        # OpenCV writes %YAML:1.0, which YAML itself does not know
        document = yaml.load(re.sub(r"\A\s*%YAML.*", "", text), Loader=_Loader)  # noqa: S506
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        if isinstance(error, ContentError):
            raise
        raise ContentError(f"it is not YAML: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(document, dict):
        raise ContentError("it has no keys and values")
    return {str(key): value for key, value in document.items()}


def read_opencv(path: Path, sizes: Sizes | None) -> list[Camera]:
    """The cameras of a YAML file.

    Raises:
        ContentError: It is not such a file, or a camera lacks a value or has an impossible one.
    """
    document = _document(path)
    if {*_MATRIX, _JARVIS} & set(document):
        return [_camera(Entry(path.stem, document), sizes)]
    entries = {
        name: Entry(name, {str(key): value for key, value in values.items()})
        for name, values in document.items()
        if isinstance(values, dict) and {*_MATRIX, _JARVIS} & {str(key) for key in values}
    }
    if not entries:
        raise ContentError(f"no camera is in it: there is no '{_MATRIX[0]}' or '{_JARVIS}'")
    return [_camera(entries[name], sizes) for name in sorted(entries, key=natural)]


def _camera(entry: Entry, sizes: Sizes | None) -> Camera:
    size = entry.size(sizes, "image_width", "image_height")
    if _JARVIS in entry.values:
        return _jarvis(entry, size)
    distortion = entry.numbers(*_DISTORTION) if entry.find(_DISTORTION) is not None else np.zeros(0)
    model = str(entry.find(("camera_model", "distortion_model", "model")) or "")
    fisheye = model.lower() in ("fisheye", "equidistant", "kannala_brandt")
    return entry.camera(
        size=size,
        matrix=entry.shaped((3, 3), *_MATRIX),
        distortion=distortion.ravel(),
        rotation=entry.rotation(*_ROTATION),
        translation=entry.shaped((3,), *_TRANSLATION),
        model="fisheye" if fisheye else "pinhole",
    )


def _jarvis(entry: Entry, size: tuple[int, int]) -> Camera:
    """A camera of JARVIS, which multiplies rows from the left: its matrices are transposed."""
    return entry.camera(
        size=size,
        matrix=entry.shaped((3, 3), _JARVIS).T,
        distortion=entry.numbers("distortionCoefficients").ravel(),
        rotation=entry.shaped((3, 3), "R").T,
        translation=entry.shaped((3,), "T"),
    )
