"""Predictions as a SLEAP file: one predicted instance for each frame.

What SLEAP has no place for (the scorer, the sets) goes into the file's provenance, under ``lp``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from lp_io.extras import require
from lp_io.predictions.table import PredictionTable
from lp_io.untrusted import sleap
from lp_io.untrusted.content import ContentError
from lp_io.untrusted.individuals import unknown_individual

_OURS = "lp"


def write_sleap_predictions(table: PredictionTable, path: Path, *, video: str = "") -> list[str]:
    """Write predictions to ``path``, in place.

    Args:
        table: The predictions.
        path: The file.
        video: The video that frame numbers count in; SLEAP opens it to show the predictions.

    Returns:
        What could not be kept: nothing.

    Raises:
        ContentError: SLEAP cannot keep the table.
        MissingExtraError: sleap-io is not installed.
    """
    library = require("sleap_io", "sleap")
    skeleton = library.Skeleton(nodes=list(table.keypoint_names), name="animal")
    numbered = all(isinstance(item, int) for item in table.index)
    source = (
        sleap.video_file(video or "unknown_video.mp4")
        if numbered
        else sleap.image_list([str(item) for item in table.index])
    )
    frames = [
        library.LabeledFrame(
            video=source,
            frame_idx=item if isinstance(item, int) else row,
            instances=[_instance(library, table, row, skeleton)],
        )
        for row, item in enumerate(table.index)
    ]
    if len({frame.frame_idx for frame in frames}) < len(frames):
        raise ContentError("a frame number occurs twice, which SLEAP would join into one frame")
    ours = {"scorer": table.scorer, "sets": None if table.sets is None else list(table.sets)}
    labels = library.Labels(frames, videos=[source], skeletons=[skeleton], provenance={_OURS: ours})
    sleap.save(labels, path)
    return []


def _instance(library: Any, table: PredictionTable, row: int, skeleton: Any) -> Any:
    scores = table.confidences[row].astype(np.float64)
    known = scores[np.isfinite(scores)]
    return library.PredictedInstance.from_numpy(
        table.keypoints[row].astype(np.float64),
        skeleton=skeleton,
        point_scores=scores,
        score=float(known.mean()) if len(known) else 0.0,
    )


def read_sleap_predictions(path: Path, individual: str | None = None) -> PredictionTable:
    """Read the predictions of one animal in one video, or in a list of images.

    Args:
        path: The file.
        individual: Which animal to take, by the name of its track. Frames without it get no row.

    Raises:
        ContentError: The file is no SLEAP file, or holds several animals or videos, or no
            predictions.
        MissingExtraError: sleap-io is not installed.
    """
    with sleap.opened(path) as labels:
        return _table(labels, individual)


def _table(labels: Any, individual: str | None) -> PredictionTable:
    if len(labels.skeletons) != 1:
        raise ContentError(f"the SLEAP file has {len(labels.skeletons)} skeletons; lp takes one")
    names = tuple(str(node.name) for node in labels.skeletons[0].nodes)
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
    frames, instances = _instances(frames, individual)
    N, K = len(frames), len(names)
    ours = _ours(labels)
    sets = ours.get("sets")
    return PredictionTable(
        keypoint_names=names,
        keypoints=_stacked([one.points["xy"] for one in instances], (N, K, 2)),
        confidences=_stacked([one.points["score"] for one in instances], (N, K)),
        index=_index(frames),
        sets=tuple(sets) if isinstance(sets, list) and len(sets) == N else None,
        scorer=str(ours.get("scorer") or "SLEAP"),
    )


def _instances(frames: list[Any], individual: str | None) -> tuple[list[Any], list[Any]]:
    """The frames that show the animal, and its instance in each."""
    tracks = sorted({_track(one) for frame in frames for one in frame.predicted_instances} - {""})
    if individual is not None and individual not in tracks:
        raise unknown_individual(individual, tracks)
    found = []
    for frame in frames:
        wanted = [
            one
            for one in frame.predicted_instances
            if individual is None or _track(one) == individual
        ]
        if len(wanted) > 1:
            choice = f"choose one with litpose convert --individual: {', '.join(tracks)}"
            raise ContentError(
                f"frame {frame.frame_idx} has several animals; lp tracks one",
                choice if tracks and individual is None else None,
            )
        found += [(frame, one) for one in wanted]
    return [frame for frame, _ in found], [one for _, one in found]


def _track(instance: Any) -> str:
    return "" if instance.track is None else str(instance.track.name)


def _stacked(rows: list[Any], shape: tuple[int, ...]) -> Any:
    return np.array(rows, dtype=np.float64).reshape(shape)


def _index(frames: list[Any]) -> tuple[str, ...] | tuple[int, ...]:
    """Frame numbers, or the paths of the images that they count."""
    numbers = tuple(int(frame.frame_idx) for frame in frames)
    files = frames[0].video.filename if frames else ""
    if isinstance(files, list) and numbers and max(numbers) < len(files):
        return tuple(str(files[number]) for number in numbers)
    return numbers


def _ours(labels: Any) -> dict[str, Any]:
    ours = labels.provenance.get(_OURS) if isinstance(labels.provenance, dict) else None
    return ours if isinstance(ours, dict) else {}
