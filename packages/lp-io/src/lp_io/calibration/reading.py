"""Any file or folder of calibrated cameras."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lp_core.geometry.cameras import Camera, Rig
from lp_core.listing import visible
from lp_io.calibration.entries import Sizes, natural, rig_of
from lp_io.calibration.matlab import read_matlab
from lp_io.calibration.opencv import read_opencv
from lp_io.calibration.toml import read_toml
from lp_io.errors import CalibrationFileError
from lp_io.untrusted.content import reading

_MANY: dict[str, Callable[[Path, Sizes | None], list[Camera]]] = {
    ".yaml": read_opencv,
    ".yml": read_opencv,
    ".mat": read_matlab,
}
_KNOWN = ".toml (Anipose, Lightning Pose), .yaml or .yml (OpenCV, JARVIS), .mat (DANNCE, Label3D)"


def read_rig(path: Path, sizes: Sizes | None = None) -> Rig:
    """Read calibrated cameras: a file of Anipose, OpenCV, JARVIS, DANNCE or Label3D, or a folder.

    Cameras come in the order of the file; those of numbered tables and files in the order of the
    numbers.

    Args:
        path: A ``.toml``, ``.yaml``, ``.yml`` or ``.mat`` file; or a folder with one file per
            camera, each named as its camera.
        sizes: (width, height) of the images of cameras, by name, or of all of them, for files that
            do not say it: those of JARVIS and MATLAB. Where the file says it, it is not looked at.

    Raises:
        CalibrationFileError: It cannot be read; the message names the file, camera and key.
        MissingExtraError: It is a MATLAB file, and scipy is not installed.
    """
    if path.is_dir():
        return _folder(path, sizes)
    with reading(path, CalibrationFileError, "the file of cameras"):
        if path.suffix == ".toml":
            return read_toml(path, sizes)
        return rig_of(_cameras(path, sizes))


def _cameras(path: Path, sizes: Sizes | None) -> list[Camera]:
    if path.suffix not in _MANY:
        raise CalibrationFileError(
            "it is not known how to read cameras from it", where=path, remedy=f"known: {_KNOWN}"
        )
    with reading(path, CalibrationFileError, "the file of cameras"):
        return _MANY[path.suffix](path, sizes)


def _folder(folder: Path, sizes: Sizes | None) -> Rig:
    """The rig of the files in a folder, which are all of one kind."""
    files = [path for path in visible(folder) if path.suffix in _MANY and path.is_file()]
    if not files:
        raise CalibrationFileError(
            "no file of a camera is in this folder", where=folder, remedy=f"known: {_KNOWN}"
        )
    files.sort(key=lambda path: natural(path.name))
    with reading(folder, CalibrationFileError, "the folder of cameras"):
        return rig_of([camera for path in files for camera in _cameras(path, sizes)])
