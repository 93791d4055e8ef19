"""Predictions as a SLEAP file: predicted instances, each with the track of its individual.

What SLEAP has no place for (the scorer, the splits) goes into the file's provenance, under ``lp``.
"""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from lp_core.errors import PoseError
from lp_core.poses import Animals, Frames, PoseTable, confidence_of
from lp_core.poses.grid import refuse_wish, unknown_individual
from lp_io.extras import require
from lp_io.untrusted import sleap
from lp_io.untrusted.content import ContentError

_OURS = "lp"


def write_sleap_predictions(table: PoseTable, path: Path, *, video: str = "") -> None:
    """Write predictions to ``path``, in place.

    Args:
        table: The predictions.
        path: The file.
        video: The video that frame numbers count in; SLEAP opens it to show the predictions.

    Raises:
        ContentError: SLEAP cannot keep the table.
        MissingExtraError: sleap-io is not installed.
    """
    library = require("sleap_io", "sleap")
    if table.individual is None and len(set(table.frame)) < len(table):
        raise ContentError("a frame number occurs twice, which SLEAP would join into one frame")
    skeleton, tracks = sleap.as_sleap(table.skeleton), sleap.tracks_of(table)
    groups = list(table.by_frame())
    numbered = all(isinstance(item, int) for item in table.frame)
    source = (
        sleap.video_file(video or "unknown_video.mp4")
        if numbered
        else sleap.image_list([str(frame) for frame, _ in groups])
    )
    frames = [
        library.LabeledFrame(
            video=source,
            frame_idx=frame if isinstance(frame, int) else place,
            instances=[_instance(library, table, row, skeleton, tracks) for row in rows.tolist()],
        )
        for place, (frame, rows) in enumerate(groups)
    ]
    splits = None if table.split is None else [table.split[int(rows[0])] for _, rows in groups]
    labels = library.Labels(
        frames,
        videos=[source],
        skeletons=[skeleton],
        tracks=[track for track in tracks.values() if track is not None],
        provenance={_OURS: {"scorer": table.scorer, "sets": splits}},
    )
    sleap.save(labels, path)


def _instance(
    library: Any, table: PoseTable, row: int, skeleton: Any, tracks: dict[str | None, Any]
) -> Any:
    scores = confidence_of(table)[row].astype(np.float64)
    known = scores[np.isfinite(scores)]
    score = float(known.mean()) if len(known) else 0.0
    return library.PredictedInstance.from_numpy(
        table.points[row].astype(np.float64),
        skeleton=skeleton,
        point_scores=scores,
        score=score if table.score is None else float(table.score[row]),
        track=None if table.individual is None else tracks[table.individual[row]],
    )


def read_sleap_predictions(path: Path, animals: Animals) -> PoseTable:
    """Read the predictions in one video, or in a list of images.

    Args:
        path: The file.
        animals: Which animals to take, by the names of their tracks. Frames without them get no
            row.

    Raises:
        ContentError: The file is no SLEAP file, or holds several videos, or no predictions.
        PoseError: It holds several animals of which none is chosen.
        MissingExtraError: sleap-io is not installed.
    """
    with sleap.opened(path) as labels:
        return _table(labels, animals)


def _table(labels: Any, animals: Animals) -> PoseTable:
    skeleton = sleap.skeleton_of(labels)
    frames = [frame for frame in labels.labeled_frames if frame.predicted_instances]
    if labels.labeled_frames and not frames:
        raise ContentError(
            "the SLEAP file holds labels, not predictions",
            "convert it to a project, with a folder as the target",
        )
    videos = list(dict.fromkeys(id(frame.video) for frame in frames))
    if len(videos) > 1:
        raise ContentError(f"the SLEAP file holds predictions of {len(videos)} videos")
    frames.sort(key=lambda frame: int(frame.frame_idx))
    found = [
        (place, one) for place, frame in enumerate(frames) for one in frame.predicted_instances
    ]
    if not animals.several:
        found = _of_one_animal(found, frames, animals.wanted)
    instances = [one for _, one in found]
    R, K = len(found), len(skeleton)
    tracks = tuple(map(sleap.track_of, instances))
    several = animals.several and (any(tracks) or len({place for place, _ in found}) < R)
    ours = _ours(labels)
    return PoseTable(
        skeleton,
        _stacked([one.points["xy"] for one in instances], (R, K, 2)),
        _frames(frames, [place for place, _ in found]),
        individual=tracks if several else None,
        score=_stacked([one.score for one in instances], (R,)) if animals.several else None,
        confidence=_stacked([one.points["score"] for one in instances], (R, K)),
        split=_splits(ours, [place for place, _ in found], len(frames)),
        scorer=str(ours.get("scorer") or "SLEAP"),
    )


def _of_one_animal(
    found: list[tuple[int, Any]], frames: list[Any], wanted: str | None
) -> list[tuple[int, Any]]:
    """The instances of one animal, and the places of their frames."""
    tracks = sorted({track for _, one in found if (track := sleap.track_of(one)) is not None})
    if wanted is not None:
        if not tracks:
            refuse_wish(wanted)
        if wanted not in tracks:
            raise unknown_individual(wanted, tracks)
        found = [(place, one) for place, one in found if sleap.track_of(one) == wanted]
    places = [place for place, _ in found]
    twice = next((place for place, later in pairwise(places) if place == later), None)
    if twice is not None:
        choice = f"choose one with litpose convert --individual: {', '.join(tracks)}"
        raise PoseError(
            f"frame {frames[twice].frame_idx} has several animals; lp tracks one",
            remedy=choice if tracks and wanted is None else None,
        )
    return found


def _stacked(rows: list[Any], shape: tuple[int, ...]) -> Any:
    return np.array(rows, dtype=np.float64).reshape(shape)


def _frames(frames: list[Any], places: list[int]) -> Frames:
    """Frame numbers, or the paths of the images that they count."""
    numbers = tuple(int(frames[place].frame_idx) for place in places)
    files = frames[0].video.filename if frames else ""
    if isinstance(files, list) and numbers and max(numbers) < len(files):
        return tuple(str(files[number]) for number in numbers)
    return numbers


def _splits(ours: dict[str, Any], places: list[int], frames: int) -> tuple[str, ...] | None:
    found = ours.get("sets")
    if not isinstance(found, list) or len(found) != frames:
        return None
    return tuple(str(found[place]) for place in places)


def _ours(labels: Any) -> dict[str, Any]:
    ours = labels.provenance.get(_OURS) if isinstance(labels.provenance, dict) else None
    return ours if isinstance(ours, dict) else {}
