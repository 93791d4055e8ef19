"""SLEAP's files through sleap-io, from anywhere and without opening a video that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lp_io.extras import require
from lp_io.untrusted import hdf5, probe
from lp_io.untrusted.content import ContentError, library_reading


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The ``sleap_io.Labels`` of a ``.slp`` file.

    Raises:
        ContentError: It is no SLEAP file, or the block finds it damaged.
        MissingExtraError: sleap-io is not installed.
    """
    library = require("sleap_io", "sleap")
    probe.check_readable(path)
    with hdf5.opened(path, "sleap") as file:
        if "metadata" not in file:
            raise ContentError("this HDF5 file is not one of SLEAP's")
        hdf5.check_members(file)
    with library_reading("sleap-io"):
        yield library.load_slp(str(path), open_videos=False)


def image_list(paths: Sequence[str]) -> Any:
    """A ``sleap_io.Video`` of image files, none of which has to exist."""
    library = require("sleap_io", "sleap")
    return library.Video(
        filename=list(paths),
        open_backend=False,
        backend_metadata={
            "type": "ImageVideo",
            "shape": None,
            "filename": paths[0],
            "filenames": list(paths),
        },
    )


def video_file(name: str) -> Any:
    """A ``sleap_io.Video`` of a video file, which does not have to exist."""
    library = require("sleap_io", "sleap")
    metadata = {
        "type": "MediaVideo",
        "shape": None,
        "filename": name,
        "grayscale": False,
        "bgr": True,
        "dataset": "",
        "input_format": "",
    }
    return library.Video(filename=name, open_backend=False, backend_metadata=metadata)


def save(labels: Any, path: Path) -> None:
    """Write ``sleap_io.Labels`` to ``path``, in place, without opening a video."""
    with library_reading("sleap-io"):
        labels.save(str(path), verbose=False, embed=False)
