"""Anipose's calibration.toml, which Lightning Pose reads too: one table per camera."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lp_core.atomic import atomic_text
from lp_core.geometry.cameras import Camera, Rig
from lp_io.calibration.entries import Entry, Sizes, natural, rig_of
from lp_io.errors import CalibrationFileError
from lp_io.untrusted.content import ContentError, writing

_TABLE = "cam_"
_REQUIRED = ("matrix", "rotation", "translation")


def read_toml(path: Path, sizes: Sizes | None) -> Rig:
    """The rig of a TOML file. Tables that are not cameras, such as ``metadata``, are left out.

    Raises:
        ContentError: It is not TOML, or a camera lacks a value or has an impossible one.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ContentError(f"it is not TOML: {error}") from error
    tables = {key: value for key, value in document.items() if _is_camera(key, value)}
    if not tables:
        raise ContentError(
            "it has no tables of cameras", "each has a name, size, matrix, rotation, translation"
        )
    cameras = [_camera(key, tables[key], sizes) for key in sorted(tables, key=natural)]
    metadata = document.get("metadata")
    unit = metadata.get("unit", "") if isinstance(metadata, dict) else ""
    return rig_of(cameras, unit if isinstance(unit, str) else "")


def _is_camera(key: str, value: object) -> bool:
    return isinstance(value, dict) and (key.startswith(_TABLE) or set(_REQUIRED) <= set(value))


def _camera(key: str, values: Mapping[str, Any], sizes: Sizes | None) -> Camera:
    entry = Entry(str(values.get("name", key)), values)
    fisheye = values.get("fisheye", False)
    if not isinstance(fisheye, bool):
        raise entry.error(f"'fisheye' should be true or false, got {fisheye!r}")
    distortion = entry.numbers("distortions") if "distortions" in values else np.zeros(0)
    return entry.camera(
        size=entry.size(sizes, "size"),
        matrix=entry.shaped((3, 3), "matrix"),
        distortion=distortion.ravel(),
        rotation=entry.rotation("rotation"),
        translation=entry.shaped((3,), "translation"),
        model="fisheye" if fisheye else "pinhole",
    )


def _distortions(camera: Camera) -> list[float]:
    """Coefficients in a number that every reader takes: 4 of a fisheye lens, or at least 5."""
    least = 4 if camera.model == "fisheye" else 5
    missing = max(least - camera.distortion.size, 0)
    return np.pad(camera.distortion, (0, missing)).tolist()


def _lines(key: str, camera: Camera) -> list[str]:
    lines = [
        f"[{key}]",
        f"name = {json.dumps(camera.name)}",
        f"size = {list(camera.size)}",
        f"matrix = {camera.matrix.tolist()}",
        f"distortions = {_distortions(camera)}",
        f"rotation = {camera.rotation_vector.tolist()}",
        f"translation = {camera.translation.tolist()}",
    ]
    return [*lines, "fisheye = true", ""] if camera.model == "fisheye" else [*lines, ""]


def write_rig(rig: Rig, path: Path) -> None:
    """Write a rig as Anipose and Lightning Pose read it; numbers keep all of their digits.

    Args:
        rig: The cameras; they keep their order.
        path: The file, whose name ends in ``.toml``; its folder is made.

    Raises:
        CalibrationFileError: It cannot be written.
    """
    digits = len(str(len(rig) - 1))  # readers that sort the keys as texts keep the order
    tables = [
        line
        for number, camera in enumerate(rig)
        for line in _lines(f"{_TABLE}{number:0{digits}d}", camera)
    ]
    metadata = ["[metadata]", f"unit = {json.dumps(rig.unit)}", ""] if rig.unit else []
    with writing(path, CalibrationFileError), atomic_text(path) as file:
        file.write("\n".join([*tables, *metadata]))
