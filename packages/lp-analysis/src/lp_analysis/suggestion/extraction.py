"""Put suggested frames into a project: their images, and predictions as a first guess of labels.

Guesses never become labels by themselves. ``CollectedData_suggested.csv`` has the layout of
predictions (with the likelihood), indexed by images, as DeepLabCut's ``machinelabels`` have; no
reader of label files takes it, and its rows are `lp_core.poses.Origin.PREDICTED`. Once a person has
corrected them, `lp_analysis.suggestion.accepting` adds them to the labels.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np

from lp_analysis.errors import SuggestionError
from lp_analysis.suggestion.suggest import Suggestion
from lp_core.errors import suggestion as nearest
from lp_core.image_source import ImageSource
from lp_core.paths import same_name
from lp_core.poses import (
    Origin,
    PoseTable,
    Skeleton,
    concatenate,
    confidence_of,
    write_pose_csv,
)
from lp_data.datasets.neighbours import frame_number
from lp_data.extra_labels import SUGGESTED
from lp_data.labels import named_animals, read_labels
from lp_data.pictures import PictureWriter
from lp_io.predictions import VideoPredictions, predictions_of_video, read_predictions

IMAGES = "labeled-data"


@dataclass(frozen=True)
class Extracted:
    """What was put into a project.

    Attributes:
        file: The table of guesses.
        images: How many images were written.
        neighbours: How many frames before and after them.
        notes: What could not be had, a sentence each.
    """

    file: Path
    images: int
    neighbours: int
    notes: tuple[str, ...] = ()

    @property
    def told(self) -> list[str]:
        """What there is to say of it, in lines."""
        around = f"{self.images} images and {self.neighbours} around them: {self.file}"
        return [*(f"note: {note}" for note in self.notes), around]


def suggested_file(label_file: Path) -> Path:
    """Where the guesses for a label file lie: ``CollectedData_suggested.csv`` beside it."""
    return label_file.with_name(f"{label_file.stem}{SUGGESTED}.csv")


def image_name(video: Path, frame: int) -> str:
    """The path of the image of a frame in a project: ``labeled-data/VIDEO/img00000012.png``."""
    return f"{IMAGES}/{video.stem}/img{frame:08d}.png"


def labelled_frames(images: Iterable[str], video: Path) -> set[int]:
    """The frames of a video that images show: by the name of their folder, and their numbers.

    Args:
        images: Paths with forward slashes, relative to the project.
        video: The video.
    """
    own = (path for path in images if same_name(PurePosixPath(path).parent.name, video.stem))
    return {number for path in own if (number := frame_number(path)) is not None}


def known_images(label_file: Path) -> set[str]:
    """The images that a label file has, and those that wait in its table of guesses.

    Raises:
        PoseError: A file cannot be read.
    """
    waiting = suggested_file(label_file)
    found = set(read_labels(label_file, require_labels=False).image_paths)
    return found | (set(_guesses(waiting).image_paths) if waiting.is_file() else set())


def extract_frames(
    suggestions: Sequence[Suggestion],
    label_file: Path,
    *,
    tables: Mapping[Path, Path] | None = None,
    scorer: str = "suggested",
) -> Extracted:
    """Write images of suggested frames, and those around them, and what a model says of them.

    Nothing is written over: images that are labelled, and guesses that are there, stay as they are.
    Guesses of images that have been labelled meanwhile are dropped.

    Args:
        suggestions: The frames.
        label_file: The labels of the project, in its folder.
        tables: For videos the predictions of a model; a video without has empty guesses.
        scorer: Who is said to have guessed.

    Raises:
        PoseError: A table or the label file cannot be read.
        SuggestionError: The predictions are of other keypoints than the labels.
        VideoError: A video cannot be read.
    """
    labels, target = read_labels(label_file, require_labels=False), suggested_file(label_file)
    waiting = _guesses(target) if target.is_file() else None
    known = {*labels.image_paths, *(waiting.image_paths if waiting is not None else ())}
    new = [each for each in suggestions if image_name(each.video, each.frame) not in known]
    parts = [] if waiting is None else [_unlabelled(waiting, labels.image_paths)]
    for video in dict.fromkeys(each.video for each in new):
        frames = [each.frame for each in new if each.video == video]
        table = (tables or {}).get(video)
        parts.append(first_guess(video, frames, table, labels.skeleton, named_animals(label_file)))
    done = write_images([(each.video, each.frame) for each in new], label_file.parent, target)
    if parts:
        write_pose_csv(replace(concatenate(parts), scorer=scorer), target)
    return done


def write_images(frames: Sequence[tuple[Path, int]], folder: Path, table: Path) -> Extracted:
    """Write the images of frames, and those around them, into the folder of a project.

    Args:
        frames: Videos, and numbers of their frames.
        folder: The project's.
        table: The table of the images.

    Raises:
        LPError: An image cannot be written.
    """
    writer = PictureWriter(folder)
    writer.write([ImageSource(image_name(v, f), video=v, frame=f) for v, f in frames])
    reasons = (f"{count} {reason}" for reason, count in writer.reasons.items())
    return Extracted(table, len(frames), writer.neighbours, (*writer.notes, *reasons))


def first_guess(
    video: Path,
    frames: Sequence[int],
    table: Path | None,
    skeleton: Skeleton,
    animals: Sequence[str] = (),
) -> PoseTable:
    """What a model says of some frames, as rows of their images with the keypoints of a project.

    Every frame has a row, also one in which the model finds nothing. Tracks whose names the project
    does not know get those of its animals, in their order in the table: as a guess, like all else.

    Args:
        video: The video.
        frames: The frames, each once.
        table: The predictions of the video; None leaves the positions empty.
        skeleton: The keypoints of the project.
        animals: The names of its animals, where there are several.

    Raises:
        PoseError: The table cannot be read.
        SuggestionError: The table has keypoints that the project does not know.
    """
    names = {frame: image_name(video, frame) for frame in frames}
    found = _empty(skeleton, frames)
    if table is not None:
        predictions = predictions_of_video(table)
        check_keypoints(predictions.keypoint_names, skeleton.names, table)
        if isinstance(predictions, VideoPredictions):
            found = predictions.at(frames)
        else:
            each = zip(predictions.at(frames), frames, strict=True)
            own = predictions.skeleton
            found = concatenate([rows if len(rows) else _empty(own, [f]) for rows, f in each])
            found = replace(found, individual=_named(found, animals))
    rows, K = len(found), len(skeleton)
    places = [skeleton.names.index(name) for name in found.keypoint_names]
    points, confidence = np.full((rows, K, 2), np.nan), np.full((rows, K), np.nan)
    points[:, places], confidence[:, places] = found.points, confidence_of(found)
    return PoseTable(
        skeleton,
        points,
        tuple(names[int(frame)] for frame in found.frame),
        individual=found.individual,
        confidence=confidence,
        origin=(Origin.PREDICTED,) * rows,
    )


def _empty(skeleton: Skeleton, frames: Sequence[int]) -> PoseTable:
    """A row without positions for each frame."""
    return PoseTable(skeleton, np.full((len(frames), len(skeleton), 2), np.nan), tuple(frames))


def _named(rows: PoseTable, animals: Sequence[str]) -> tuple[str | None, ...]:
    """The names of rows, in which tracks that are none of the animals take their names in turn."""
    names = list(rows.individual or ())
    if {*names} - {None} <= {*animals}:
        return tuple(names)
    tracks = dict(zip(dict.fromkeys(filter(None, names)), animals, strict=False))
    return tuple(tracks.get(name) if name else None for name in names)


def check_keypoints(predicted: Collection[str], known: Sequence[str], where: Path) -> None:
    """Refuse predictions of keypoints that a project does not have.

    Raises:
        SuggestionError: There is such a keypoint.
    """
    unknown = [name for name in predicted if name not in known]
    if unknown:
        raise SuggestionError(
            f"the model predicts {len(unknown)} keypoints that the project does not have, such as "
            f"'{unknown[0]}'",
            where=where,
            remedy=f"use a model of this project; {nearest(unknown[0], known)}",
        )


def _guesses(path: Path) -> PoseTable:
    """A table of guesses, whose rows are predicted."""
    table = read_predictions(path, several=True)
    return replace(table, origin=(Origin.PREDICTED,) * len(table), read_from=None)


def _unlabelled(guesses: PoseTable, labelled: Collection[str]) -> PoseTable:
    images = set(labelled)
    kept = [row for row, image in enumerate(guesses.image_paths) if image not in images]
    return guesses.rows(kept)
