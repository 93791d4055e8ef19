"""Choose frames of videos to label, and put their images into the project."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from lp_analysis.errors import SuggestionError
from lp_analysis.suggestion import (
    PredictedVideo,
    SuggestionOptions,
    labelled_frames,
    suggest_frames,
    suggest_unpredicted,
)
from lp_analysis.suggestion.extraction import image_name
from lp_app.errors import MissingError, ProjectError
from lp_app.labels.store import Choice
from lp_app.state import Session
from lp_core.image_source import ImageSource
from lp_core.paths import same_name
from lp_data.pictures import PictureWriter

_ROOM = 4  # frames for each one that is suggested, or known, at least

MOST = 500
"""Frames that are chosen at once, at most."""


def is_of(image: str, video: Path) -> bool:
    """Whether an image is in the folder of the frames of a video."""
    return same_name(PurePosixPath(image).parent.name, video.stem)


def video_frames(session: Session, video: Path) -> tuple[list[int], list[int]]:
    """The numbers of the frames of a video that are labelled, and of those that wait to be."""
    images = session.store.images()
    waiting = labelled_frames((i for i in images if session.store.choice(i)), video)
    return sorted(labelled_frames(images, video) - waiting), sorted(waiting)


def known_frames(session: Session, video: Path) -> set[int]:
    """The numbers of the frames of a video that are labelled or wait to be."""
    return labelled_frames(session.store.images(), video)


def evenly(frames: int, count: int, taken: Collection[int] = ()) -> list[int]:
    """Frames at even distances, those that are taken left out.

    Args:
        frames: How many frames the video has.
        count: How many are wanted; fewer are given where there are no more.
        taken: Frames that are chosen already.
    """
    places = (np.arange(count) + 0.5) * frames / count
    found = dict.fromkeys(min(frames - 1, int(place)) for place in places.tolist())
    return [frame for frame in found if frame not in taken]


class Suggested(NamedTuple):
    """A frame that may be worth labelling, and why."""

    frame: int
    why: str


def suggest_evenly(session: Session, name: str, count: int) -> list[Suggested]:
    """Frames of a video at even distances.

    Raises:
        LPError: The video is not there, or cannot be read.
    """
    video = session.video(name)
    frames = session.frames.reader(name, video).frames
    found = evenly(frames, count, known_frames(session, video))
    return [Suggested(frame, "at even distances") for frame in found]


def suggest_by_looks(session: Session, name: str, count: int) -> list[Suggested]:
    """Frames of a video that look unlike each other, and in which something moves.

    Raises:
        LPError: The video is not there, or cannot be read, or has too few frames.
    """
    video = session.video(name)
    options, known = _options(session, name, video, count)
    with _words_of_the_app():
        found = suggest_unpredicted([video], options, labelled=known)
    return [Suggested(each.frame, each.reason) for each in found]


def suggest_by_model(session: Session, name: str, count: int, model: str) -> list[Suggested]:
    """Frames of a video on which the predictions of a model look wrong or uncertain.

    Raises:
        LPError: The video or its predictions are not there, or cannot be read.
    """
    video = session.video(name)
    table = session.table(video, model)
    options, known = _options(session, name, video, count)
    with _words_of_the_app():
        found = suggest_frames([PredictedVideo(video, table)], options, labelled=known)
    return [Suggested(each.frame, each.reason) for each in found]


def _options(
    session: Session, name: str, video: Path, count: int
) -> tuple[SuggestionOptions, dict[Path, set[int]]]:
    """Frames half a second apart, or as far as a short video has room; and the known frames."""
    known = known_frames(session, video)
    reader = session.frames.reader(name, video)
    room = reader.frames // (_ROOM * (count + len(known)))
    return SuggestionOptions(count, max(1, min(round(reader.fps / 2), room))), {video: known}


@contextmanager
def _words_of_the_app() -> Iterator[None]:
    """Advise what a person at the page can do, instead of options of the command line."""
    try:
        yield
    except SuggestionError as error:
        error.remedy = "ask for fewer frames, or choose them by hand"
        raise


def choose(session: Session, name: str, frames: Sequence[int], why: str) -> list[str]:
    """Write the images of frames and of those around them, and let them wait to be labelled.

    Gives the images that were added; frames that are labelled or wait already stay as they are.

    Raises:
        MissingError: The video has no such frame.
        ProjectError: The image of a frame cannot be had, or would be mixed up with another video's.
        VideoError: The video cannot be read.
    """
    video = session.video(name)
    count = session.frames.reader(name, video).frames
    beyond = [frame for frame in frames if not 0 <= frame < count]
    if beyond:
        raise MissingError(f"the video has no frame {beyond[0]}, only {count} from 0", where=video)
    _check_apart(session, video)
    file = session.project.label_file_of(video)
    known = known_frames(session, video)
    new = [frame for frame in dict.fromkeys(frames) if frame not in known]
    folder = session.project.places.checked(session.project.folder / image_name(video, 0)).parent
    writer = PictureWriter(session.project.folder)
    sources = [ImageSource(image_name(video, frame), video=video, frame=frame) for frame in new]
    written = [sources[place].name for place in writer.write(sources)]
    session.store.choose([Choice(image, file, why) for image in written])
    if len(written) < len(new):
        reasons = "; ".join([*writer.reasons, *writer.notes])
        raise ProjectError(f"not all images could be had: {reasons}", where=folder)
    return written


def _check_apart(session: Session, video: Path) -> None:
    same = [other for other in session.project.videos() if other.stem == video.stem]
    if len(same) > 1:
        raise ProjectError(
            "two videos have the same name, and their images would have the same paths",
            where=", ".join(map(str, same)),
            remedy="rename one of them",
        )
