"""Labelled images as SLEAP files, with the pictures inside (``.pkg.slp``) or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_core.image_source import ImageSource
from lp_core.paths import find_file
from lp_core.poses import PoseTable
from lp_io.errors import ConversionError, require
from lp_io.projects.labels import (
    LABEL_FOLDER,
    LabeledImages,
    chosen_labels,
    distinct_names,
    existing_video,
    folder_name,
    frame_number,
    last_part,
)
from lp_io.tables.sleap import image_list, opened, poses_of, write_sleap
from lp_io.untrusted.content import ContentError, library_reading, reading


def read_sleap_labels(
    path: Path, *, individual: str | None = None, empty: bool = False
) -> LabeledImages:
    """Read what people labelled in a SLEAP file; predictions in it are left out.

    A track is an individual; animals without a track stay without a name. A point that SLEAP shows
    as not visible, but that has a position, is an occluded one.

    Args:
        path: The ``.slp`` or ``.pkg.slp`` file.
        individual: Which animal to take, by the name of its track; None takes all.
        empty: Keep frames without any animal.

    Raises:
        ConversionError: The file is damaged, has several skeletons, or a frame has two animals of
            one track.
        MissingExtraError: sleap-io is not installed.
    """
    with reading(path, ConversionError, "a SLEAP file"), opened(path) as labels:
        frames = [
            frame
            for frame in labels.labeled_frames
            if frame.user_instances or (empty and not frame.predicted_instances)
        ]
        frames.sort(key=lambda f: (labels.videos.index(f.video), int(f.frame_idx)))
        folders = _video_folders(labels.videos)
        sources = [_source(frame, folders, labels.videos, path) for frame in frames]
        videos = [_existing(video, path) for video in labels.videos]
        return chosen_labels(
            _table(labels, frames, sources),
            sources,
            individual,
            empty=empty,
            videos=dict.fromkeys(video for video in videos if video is not None),
            left_out=(*_left_out(labels), *_missing(labels.videos, videos)),
        )


def _table(labels: Any, frames: Sequence[Any], sources: Sequence[ImageSource]) -> PoseTable:
    """A row for each labelled instance, and one for each frame without any."""
    rows = [
        (source.name, one)
        for frame, source in zip(frames, sources, strict=True)
        for one in frame.user_instances or [None]
    ]
    instances = [one for _, one in rows]
    scorer = str(labels.provenance.get("scorer") or "SLEAP")
    table = poses_of(labels, tuple(name for name, _ in rows), instances, scorer=scorer)
    there = table.has_position
    nothing = np.zeros(there.shape[1], dtype=bool)
    visible = [nothing if one is None else one.points["visible"] for one in instances]
    codes = np.where(np.array(visible, bool).reshape(there.shape), 2, 1)
    return replace(
        table,
        points=np.where(there[..., None], table.points, np.nan),
        visibility=np.where(there, codes, 0).astype(np.int8),
    )


def _left_out(labels: Any) -> list[str]:
    """What a SLEAP file may hold besides labels of people."""
    corrected = others = crowded = 0
    for frame in labels.labeled_frames:
        sources = [id(one.from_predicted) for one in frame.user_instances]
        linked = sum(id(one) in sources for one in frame.predicted_instances)
        corrected += linked
        if frame.user_instances:
            crowded += len(frame.predicted_instances) - linked
        else:
            others += len(frame.predicted_instances)
    notes = {
        f"{corrected} predicted instances: people have corrected them": corrected,
        f"{crowded} predicted instances on labelled frames that nobody has corrected: if they are "
        "animals, they are not labelled there": crowded,
        f"{others} predicted instances: only labels of people are taken": others,
        f"{len(labels.suggestions)} suggested frames, which have no labels": labels.suggestions,
    }
    return [note for note, found in notes.items() if found]


def _missing(videos: Sequence[Any], found: Sequence[Path | None]) -> list[str]:
    """A note for each video that the file names and that is not there."""
    origins = [(video.source_video or video).filename for video in videos]
    return [
        f"the video '{last_part(origin)}': there is no such file"
        for origin, file in zip(origins, found, strict=True)
        if file is None and isinstance(origin, str) and not origin.endswith((".slp", ".h5"))
    ]


def _video_folders(videos: Sequence[Any]) -> list[str]:
    """For each video the folder of its pictures."""
    files = [(video.source_video or video).filename for video in videos]
    names = ["images" if isinstance(file, list) else last_part(str(file)) for file in files]
    return distinct_names([folder_name(name.rsplit(".", 1)[0]) for name in names])


def _source(frame: Any, folders: Sequence[str], videos: Sequence[Any], path: Path) -> ImageSource:
    video, number = frame.video, int(frame.frame_idx)
    folder = folders[videos.index(video)]
    origin = video.source_video or video
    if isinstance(origin.filename, list):
        source = _listed(origin.filename, number, folder, path)
    else:
        name = f"{LABEL_FOLDER}/{folder}/img{number:08d}.png"
        source = ImageSource(name, video=_existing(video, path), frame=number)
    return replace(source, embedded=_embedded(video, number, path))


def _listed(files: Sequence[str], number: int, folder: str, path: Path) -> ImageSource:
    """A picture from a list of image files."""
    if not 0 <= number < len(files):
        raise ContentError(f"frame {number} is not among the {len(files)} images of its list")
    parts = [part for part in files[number].replace("\\", "/").split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        raise ContentError(f"an image has the name '{files[number][:80]}', which leads elsewhere")
    inner = parts[-2] if len(parts) > 1 else folder
    named = Path(files[number])
    file = find_file(named.parent, named.name) or find_file(path.parent, "/".join(parts))
    name = f"{LABEL_FOLDER}/{folder_name(inner)}/{parts[-1]}"
    return ImageSource(name, file=file, frame=frame_number(parts[-1]))


def _existing(video: Any, path: Path) -> Path | None:
    """The video file, or that which embedded pictures were taken from."""
    origin = video.source_video or video
    if not isinstance(origin.filename, str) or Path(origin.filename) == path:
        return None
    return existing_video(origin.filename, path.parent, path.parent / "videos")


def _embedded(
    video: Any, number: int, path: Path
) -> Callable[[], UInt8[ndarray, "height width 3"]] | None:
    """Reads the picture that the SLEAP file itself holds; None where it holds none."""
    if video.backend_metadata.get("type") != "HDF5Video" or Path(video.filename) != path:
        return None

    def read() -> UInt8[ndarray, "height width 3"]:
        with reading(path, ConversionError, "a SLEAP file"), library_reading("sleap-io"):
            if video.backend is None:
                video.open()
            picture = np.asarray(video[number])
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] not in (1, 3):
                raise ContentError(f"the picture of frame {number} is not an image of 8 bits")
            return np.ascontiguousarray(np.broadcast_to(picture, (*picture.shape[:2], 3)))

    return read


def write_sleap_labels(labels: LabeledImages, path: Path, *, embed: bool = False) -> list[str]:
    """Write labels to ``path``, in place; pictures are lists of files, one for each folder.

    With ``embed`` the pictures are put into the file (``.pkg.slp``); every one needs its file.

    Returns:
        What could not be kept.

    Raises:
        ContentError: SLEAP cannot keep a name, or a picture to embed has no file.
        MissingExtraError: sleap-io is not installed.
    """
    table = labels.table
    files: dict[str, list[str]] = {}
    places = []
    for source in labels.images:
        folder = source.name.rsplit("/", 1)[0]
        listed = files.setdefault(folder, [])
        places.append((folder, len(listed)))
        if embed and source.file is None:
            raise ContentError(f"the picture '{source.name}' has no file to embed")
        listed.append(str(source.file.absolute()) if source.file else source.name)
    list_of = require("sleap_io", "sleap").Video.from_filename if embed else image_list
    videos = {folder: list_of(names) for folder, names in files.items()}
    write_sleap(
        table,
        path,
        list(videos.values()),
        [(videos[folder], number) for folder, number in places],
        {"scorer": table.scorer},
        embed=embed,
    )
    lost = int(((table.codes > 0) & ~table.has_position).sum())
    return [f"{lost} occluded keypoints without a position: SLEAP needs one"] if lost else []
