"""The frames before and after a labelled one, and whether they are its neighbours in time.

Trackers with context learn from the frames before and after a labelled one, which are found by the
numbers in file names. But frames that were selected far apart are often numbered from 1 on, too.
That the neighbours are neighbours in time is proved for each folder, either by their likeness
(labelled images look far more like their neighbours than like other images of the folder), or by a
video (each image shows the frame of its number).

The limit of 0.6 was chosen on the 90 selected frames and the video (250 Hz) of Lightning Pose's
example project mirror-mouse: the median ratio of unlikeness to neighbours and to other images was
0.94 for the selected frames, 0.78 to 0.92 for frames taken from the video at random or every 5th to
50th and numbered from 0, and 0.26 to 0.31 for true neighbours. Images compared with the frames of
another video had 1.04, with their own 0.00 to 0.16 (after a change of contrast).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_core.paths import find_file, same_name
from lp_core.video import VideoSource
from lp_data.errors import ImageFileError, VideoError
from lp_data.images import read_image
from lp_data.video.listing import find_videos
from lp_data.video.open import open_video

OFFSETS = (-2, -1, 1, 2)
"""The neighbours of a labelled frame that trackers with context look at."""

_LAST_NUMBER = re.compile(r"^(?P<before>.*?)(?P<number>\d+)(?P<after>\D*)$")

Thumbnail = Float[ndarray, "side side"]

_SIDE = 32  # px of a thumbnail
_SAMPLE = 12  # labelled images that are looked at in each folder
_FAR = 4  # frames apart at which images count as others
_OTHERS = 8  # frames of a video that images are compared with
_COMPARED = 4  # labelled images that are compared with a video
_HARDLY = 0.02  # unlikeness of pictures that are as good as the same
_ALIKE = 0.6  # share of the usual unlikeness


def neighbour_name(image_path: str, offset: int) -> str | None:
    """The path of the frame ``offset`` frames later: ``v/img10.png`` for ``v/img12.png`` and -2.

    The last number in the file name counts the frames. The neighbour's number has at least as many
    digits, filled with zeros, and is never below 0: before the first frame comes the first frame.
    None where the name has no number.
    """
    path = PurePosixPath(image_path)
    match = _LAST_NUMBER.match(path.stem)
    if match is None:
        return None
    digits = match["number"]
    number = str(max(0, int(digits) + offset)).zfill(len(digits))
    return str(path.with_name(f"{match['before']}{number}{match['after']}{path.suffix}"))


def frame_number(image_path: str) -> int | None:
    """The number by which a file name counts frames; None where it has none."""
    match = _LAST_NUMBER.match(PurePosixPath(image_path).stem)
    return None if match is None else int(match["number"])


def context_window(data_dir: Path, image_path: str, num_frames: int) -> list[str]:
    """The paths of an odd number of consecutive frames, the labelled one in the middle.

    A neighbour without a file is replaced by the labelled frame.
    """
    half = num_frames // 2
    names = [neighbour_name(image_path, offset) for offset in range(-half, half + 1)]
    names[half] = image_path
    return [name if name and find_file(data_dir, name) else image_path for name in names]


class NeighbourEvidence(NamedTuple):
    """By folder, for how many labelled images all four neighbours are there.

    They are ``proved`` to be neighbours in time, or ``unproved`` where nothing shows that.
    """

    proved: Mapping[str, int]
    unproved: Mapping[str, int]

    @property
    def num_proved(self) -> int:
        """For how many labelled images all neighbours are there, and proved."""
        return sum(self.proved.values())

    @property
    def num_unproved(self) -> int:
        """For how many labelled images files of the right numbers are there, but not proved."""
        return sum(self.unproved.values())

    def unproved_text(self) -> str:
        """Words for the images whose neighbours are not proved; empty where there are none."""
        if not self.unproved:
            return ""
        folders = ", ".join(f"'{folder}'" for folder in list(self.unproved)[:3])
        more = f" and {len(self.unproved) - 3} more" if len(self.unproved) > 3 else ""
        return (
            f"{self.num_unproved} images have files of the numbers before and after them, but "
            "nothing shows that these are neighbours in time: no video has them as frames of these "
            f"numbers, and they look no more alike than other images of {folders}{more}"
        )


def context_warning(proofs: NeighbourEvidence, tracker: str) -> str | None:
    """What to say where ``tracker``, one with context, would not learn from motion; else None."""
    if proofs.unproved:
        return (
            f"warning: {proofs.unproved_text()}. {tracker} would learn from motion that did not "
            "happen: choose a model without context, or let litpose convert take the neighbours "
            "from the videos"
        )
    if not proofs.proved:
        return (
            "warning: no labelled image has its neighbouring frames beside it, from which "
            f"{tracker} learns; litpose convert takes them from the videos"
        )
    return None


def prove_neighbours(
    image_paths: Sequence[str], data_dir: Path, video_of: Callable[[str], Path | None]
) -> NeighbourEvidence:
    """Find which labelled images have neighbours, and whether these are neighbours in time.

    At most 12 labelled images of each folder are read, with their neighbours.

    Args:
        image_paths: With forward slashes, relative to ``data_dir``.
        data_dir: The project folder.
        video_of: Gives the video that the images of a folder are frames of; see `videos_by_name`.
    """
    folders: dict[str, list[str]] = defaultdict(list)
    for path in image_paths:
        if all(_is_there(data_dir, path, offset) for offset in OFFSETS):
            folders[path.rpartition("/")[0]].append(path)
    proved: dict[str, int] = {}
    unproved: dict[str, int] = {}
    for folder, paths in folders.items():
        windows = _windows(_spread(paths), data_dir)
        found = _alike_in_folder(windows) or _are_frames(windows, video_of(folder))
        (proved if found else unproved)[folder] = len(paths)
    return NeighbourEvidence(proved, unproved)


def videos_by_name(video_dir: Path) -> Callable[[str], Path | None]:
    """Finds for a folder of images the video of the same name in ``video_dir``, if there is one."""
    if not video_dir.is_dir():
        return lambda folder: None
    videos = find_videos(video_dir).files

    def video_of(folder: str) -> Path | None:
        name = folder.rpartition("/")[2]
        return next((video for video in videos if same_name(video.stem, name)), None)

    return video_of


def _is_there(data_dir: Path, path: str, offset: int) -> bool:
    name = neighbour_name(path, offset)
    return name is not None and find_file(data_dir, name) is not None


def _spread(paths: list[str]) -> list[str]:
    """At most so many, spread over the frames."""
    ordered = sorted(paths, key=lambda path: frame_number(path) or 0)
    places = np.linspace(0, len(ordered) - 1, min(_SAMPLE, len(ordered))).round().astype(int)
    return [ordered[place] for place in places.tolist()]


class _Windows(NamedTuple):
    """Thumbnails of labelled images and of their neighbours, by the number of the frame."""

    centres: list[int]
    thumbnails: dict[int, Thumbnail]


def _windows(paths: Sequence[str], data_dir: Path) -> _Windows:
    """The images that can be read."""
    thumbnails: dict[int, Thumbnail] = {}
    for path in paths:
        for offset in (0, *OFFSETS):
            name = neighbour_name(path, offset)
            number = None if name is None else frame_number(name)
            file = None if name is None else find_file(data_dir, name)
            if number is None or file is None or number in thumbnails:
                continue
            try:
                thumbnails[number] = thumbnail(read_image(file))
            except ImageFileError:
                continue  # told where images are checked or read
    numbers = [frame_number(path) for path in paths]
    return _Windows([number for number in numbers if number in thumbnails], thumbnails)


def _alike_in_folder(windows: _Windows) -> bool:
    """Whether labelled images look far more like their neighbours than like other images."""
    near, far = [], []
    for centre in windows.centres:
        for number, other in windows.thumbnails.items():
            if 0 < abs(number - centre) <= 1:
                near.append(_unlikeness(windows.thumbnails[centre], other))
            elif abs(number - centre) > _FAR:
                far.append(_unlikeness(windows.thumbnails[centre], other))
    return bool(near and far) and float(np.median(near)) < _ALIKE * float(np.median(far))


def _are_frames(windows: _Windows, video: Path | None) -> bool:
    """Whether the images show the frames of their numbers of a video."""
    if video is None:
        return False
    shown: list[bool] = []
    try:
        with open_video(video) as source:
            others = other_frames(source)
            for centre in windows.centres[:: max(1, len(windows.centres) // _COMPARED)]:
                first, last = max(0, centre - 2), min(len(source), centre + 3)
                frames = source.read(first, last) if first < last else ()
                for number, frame in enumerate(frames, first):
                    if number in windows.thumbnails:
                        image = windows.thumbnails[number]
                        shown.append(shows_frame(image, thumbnail(frame), others))
    except VideoError:
        return False
    return 2 * sum(shown) > len(shown)


def other_frames(source: VideoSource) -> list[Thumbnail]:
    """Some frames of a video, spread over it, to compare pictures with.

    Raises:
        VideoError: A frame cannot be read.
    """
    places = np.linspace(0, len(source) - 1, min(_OTHERS, len(source))).astype(int)
    return [thumbnail(source.read(place, place + 1)[0]) for place in places.tolist()]


def shows_frame(picture: Thumbnail, frame: Thumbnail, others: Sequence[Thumbnail]) -> bool:
    """Whether a picture is far more like one frame than like other frames of the same video.

    Also where it can hardly be told from the frame, as in a video that hardly moves.
    """
    same = _unlikeness(picture, frame)
    usual = float(np.median([_unlikeness(picture, other) for other in others]))
    return same < _HARDLY or usual == 0 or same < _ALIKE * usual


def thumbnail(picture: UInt8[ndarray, "height width 3"]) -> Thumbnail:
    """A small grey picture of RGB pixels, with mean 0 and standard deviation 1.

    So neither a camera's noise nor another rendering of brightness and contrast counts.
    """
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float64)
    return (small - small.mean()) / max(float(small.std()), 1.0)


def _unlikeness(one: Thumbnail, other: Thumbnail) -> float:
    """Mean absolute difference of two thumbnails: 0 for the same picture."""
    return float(np.abs(one - other).mean())
