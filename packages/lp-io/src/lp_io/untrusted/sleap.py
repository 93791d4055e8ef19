"""SLEAP's files through sleap-io, from anywhere and without opening a video that they name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lp_core.poses import PoseTable, Skeleton
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


def skeleton_of(labels: Any) -> Skeleton:
    """The only skeleton of ``sleap_io.Labels``, with its edges and symmetries.

    Raises:
        ContentError: There are several, or none.
    """
    if len(labels.skeletons) != 1:
        raise ContentError(f"the SLEAP file has {len(labels.skeletons)} skeletons; lp takes one")
    found = labels.skeletons[0]
    names = tuple(str(node.name) for node in found.nodes)
    symmetries = sorted(tuple(sorted(map(int, pair))) for pair in found.symmetry_inds)
    return Skeleton(
        names,
        edges=tuple((names[int(a)], names[int(b)]) for a, b in found.edge_inds),
        left_right=tuple((names[a], names[b]) for a, b in symmetries),
    )


def as_sleap(skeleton: Skeleton) -> Any:
    """A ``sleap_io.Skeleton``."""
    return require("sleap_io", "sleap").Skeleton(
        nodes=list(skeleton.names),
        edges=list(skeleton.edges),
        symmetries=list(skeleton.left_right),
        name="animal",
    )


def track_of(instance: Any) -> str | None:
    """The name of the track that an instance belongs to."""
    return None if instance.track is None else str(instance.track.name)


def tracks_of(table: PoseTable) -> dict[str | None, Any]:
    """A ``sleap_io.Track`` for each individual of a table, and None for rows without one."""
    library = require("sleap_io", "sleap")
    names = dict.fromkeys(table.individual or ())
    return {name: None if name is None else library.Track(name) for name in (None, *names)}


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
