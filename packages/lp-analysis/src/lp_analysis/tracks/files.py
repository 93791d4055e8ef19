"""Follow the individuals of a file of predictions, and write it with their tracks."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from numpy import ndarray

from lp_analysis.errors import TrackingError
from lp_analysis.tracks.appearance import Appearance
from lp_analysis.tracks.offline import Individuals, JoiningOptions, track_offline
from lp_analysis.tracks.options import TrackingOptions
from lp_analysis.tracks.review import Doubt, least_certain, write_review
from lp_analysis.tracks.tables import (
    check_trackable,
    sized,
    surest_rows,
    track_name,
    track_online,
    view_rows,
)
from lp_analysis.tracks.tracklets import uncertain_cuts
from lp_core.poses import PoseTable
from lp_core.poses.grid import SINGLE
from lp_io.predictions import WriteOptions, read_predictions, write_predictions
from lp_io.predictions.formats import format_of


@dataclass(frozen=True)
class TrackedFile:
    """What became of a file of predictions.

    Attributes:
        path: The file with tracks.
        review: The list of the least certain decisions.
        tracks: How many individuals there are.
        tracked: How many rows belong to one.
        untracked: How many rows with a position belong to none.
        doubts: How many decisions are in the list.
        lost: What the format could not keep, in words.
    """

    path: Path
    review: Path
    tracks: int
    tracked: int
    untracked: int
    doubts: int
    lost: list[str]


@dataclass(frozen=True)
class FileTracking:
    """How the individuals of a file are followed.

    Attributes:
        options: About the animals and their motion.
        joining: How tracklets are joined.
        online: Decide frame by frame, and never revise a decision.
        join: Take the individuals that the file names for tracklets, which are only joined; else
            they are not looked at.
        most_doubts: How many decisions the list for review holds.
        most_rows: How many rows of a frame are written at most, those of individuals first, then
            the surest; None for all.
        body_length: Size of a body in px where no row tells it; None refuses such a table.
        write: What the format keeps beside the table.
    """

    options: TrackingOptions = field(default_factory=TrackingOptions)
    joining: JoiningOptions = field(default_factory=JoiningOptions)
    online: bool = False
    join: bool = False
    most_doubts: int = 100
    most_rows: int | None = None
    body_length: float | None = None
    write: WriteOptions = field(default_factory=WriteOptions)

    def __post_init__(self) -> None:
        if self.online and self.join:
            raise TrackingError(
                "tracklets cannot be joined frame by frame", remedy="choose one of the two"
            )


def track_file(
    source: Path, target: Path, tracking: FileTracking | None = None, video: Path | None = None
) -> TrackedFile:
    """Follow the individuals of a file of predictions, and write all its rows with their tracks.

    DeepLabCut's keypoints that exist once in the scene, the animal ``single``, stay as they are.

    Args:
        source: A table of predictions of a video, in any format that lp reads.
        target: The file to write; the ending of its name tells the format. The list for review
            gets the name of `review_path`.
        tracking: How.
        video: The video of the table, which tells what the animals look like.

    Raises:
        TrackingError: The table holds one animal, no frame numbers, or tracks that overlap; or it
            is not of the video.
        PoseError: It cannot be read or written.
        VideoError: The video cannot be read.
    """
    tracking = tracking or FileTracking()
    format_of(target)
    table = read_predictions(source, several=True)
    if table.individual is None:
        raise TrackingError(
            "each frame has one animal at most, so there are no identities to track",
            where=source,
            remedy="give a table of several animals, such as DeepLabCut's with individuals",
        )
    try:
        if video is None:
            return write_tracked(table, target, tracking)
        from lp_data.video.open import open_video

        with open_video(video) as frames:
            looks = Appearance.of_video(frames, table)
        return write_tracked(table, target, tracking, appearance=looks)
    except TrackingError as error:
        where = error.where or source
        raise TrackingError(error.problem, where=where, remedy=error.remedy) from error


def write_tracked(
    table: PoseTable,
    target: Path,
    tracking: FileTracking,
    link: Int[ndarray, " rows"] | None = None,
    appearance: Appearance | None = None,
) -> TrackedFile:
    """Follow the individuals of a table as `track_file` does, and write its rows.

    Args:
        table: The rows of one view.
        target: The file to write.
        tracking: How they are followed.
        link: The row that each row probably goes on from, see `track_online`; only for a table of
            which all rows are followed.
        appearance: What rows look like.

    Raises:
        TrackingError: See `track_offline`.
        PoseError: The file cannot be written.
    """
    names_before = table.individual or (None,) * len(table)
    animal = np.array([name != SINGLE for name in names_before], dtype=bool)
    rows = np.flatnonzero(animal)
    found = tracked(
        table.rows(rows), tracking, link, None if appearance is None else appearance.within(rows)
    )
    names = np.full(len(table), SINGLE, dtype=object)
    names[rows] = [None if number < 0 else track_name(number) for number in found.track.tolist()]
    named = replace(table, individual=tuple(names))
    if tracking.most_rows is not None:
        named = named.rows(surest_rows(named, tracking.most_rows))
    lost = write_predictions(named, target, options=tracking.write)
    doubts = least_certain(found.doubts, tracking.most_doubts)
    write_review(review_path(target), doubts)
    placed: Bool[ndarray, " rows"] = np.any(table.has_position, axis=1)[rows]
    return TrackedFile(
        path=target,
        review=review_path(target),
        tracks=len(np.unique(found.track[found.track >= 0])),
        tracked=int((found.track >= 0).sum()),
        untracked=int((placed & (found.track < 0)).sum()),
        doubts=len(doubts),
        lost=lost,
    )


def review_path(target: Path) -> Path:
    """The list for review that belongs to a file with tracks."""
    return target.with_name(f"{target.stem}_review.csv")


def tracked(
    table: PoseTable,
    tracking: FileTracking,
    link: Int[ndarray, " rows"] | None = None,
    appearance: Appearance | None = None,
) -> Individuals:
    """The individuals of a table, in the way that is asked for.

    Raises:
        TrackingError: See `track_offline`.
    """
    tracking = replace(tracking, options=sized(tracking.options, table, tracking.body_length))
    if tracking.online:
        return _online(table, tracking, link)
    given = None
    if tracking.join:
        given = _given(table)
    return track_offline(table, tracking.options, tracking.joining, appearance, given, link)


def _given(table: PoseTable) -> Int[ndarray, " rows"]:
    """Numbers of the individuals that a table names, in each view by themselves."""
    names = table.individual or (None,) * len(table)
    views = table.view or (None,) * len(table)
    number: dict[object, int] = {}
    return np.array(
        [
            -1 if name is None else number.setdefault((view, name), len(number))
            for view, name in zip(views, names, strict=True)
        ],
        dtype=np.int64,
    )


def _online(
    table: PoseTable, tracking: FileTracking, link: Int[ndarray, " rows"] | None
) -> Individuals:
    check_trackable(table)
    found = track_online(table, tracking.options, link=link)
    frame = np.array(table.frame, dtype=np.int64)
    doubts = []
    for rows in view_rows(table):
        cuts = uncertain_cuts(
            found.track[rows], found.margin[rows], frame[rows], tracking.joining.cut_margin
        )
        view = None if table.view is None or not len(rows) else table.view[rows[0]]
        doubts += [
            Doubt(
                cut.frame, tuple(map(track_name, sorted(cut.tracks))), cut.margin, "contact", view
            )
            for cut in cuts
        ]
    return Individuals(found.track, doubts)
