"""SLEAP's files through sleap-io, from anywhere and without opening a video that they name.

What SLEAP has no place for (the scorer of predictions, the splits) goes into the file's provenance,
under ``lp``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from lp_core.poses import Animals, Frames, PoseTable, Skeleton, confidence_of
from lp_io.animals import check_animals, is_empty_row
from lp_io.errors import require
from lp_io.untrusted import hdf5
from lp_io.untrusted.content import ContentError, library_reading

_OURS = "lp"


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The ``sleap_io.Labels`` of a ``.slp`` file.

    Raises:
        ContentError: It is no SLEAP file, or the block finds it damaged.
        MissingExtraError: sleap-io is not installed.
    """
    library = require("sleap_io", "sleap")
    with hdf5.checked(path, "sleap") as file:
        if "metadata" not in file:
            raise ContentError("this HDF5 file is not one of SLEAP's")
    with library_reading("sleap-io"):
        yield library.load_slp(str(path), open_videos=False)


def _skeleton_of(labels: Any) -> Skeleton:
    """The only skeleton of ``sleap_io.Labels``, with its edges and symmetries."""
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


def poses_of(labels: Any, frame: Frames, instances: Sequence[Any], *, scorer: str) -> PoseTable:
    """A row for each of some instances of ``sleap_io.Labels``, by the frames that they are in.

    None instead of an instance is a frame without any animal. Individuals are named where an
    instance has a track, a frame has several rows or none has an animal.

    Raises:
        ContentError: There is not exactly one skeleton.
    """
    skeleton = _skeleton_of(labels)
    tracks = tuple(map(_track_of, instances))
    K = len(skeleton)
    nothing = np.full((K, 2), np.nan)
    points = [nothing if one is None else one.points["xy"] for one in instances]
    return PoseTable(
        skeleton,
        _stacked(points, len(instances), K, 2),
        frame,
        individual=tracks if any(tracks) or len(set(frame)) < len(frame) else None,
        scorer=scorer,
    )


def _track_of(instance: Any) -> str | None:
    track = None if instance is None else instance.track
    return None if track is None else str(track.name)


def _stacked(rows: list[Any], *shape: int) -> Any:
    return np.array(rows, dtype=np.float64).reshape(shape)


def image_list(paths: Sequence[str]) -> Any:
    """A ``sleap_io.Video`` of image files, none of which has to exist."""
    more = {"type": "ImageVideo", "filename": paths[0], "filenames": list(paths)}
    return _closed_video(list(paths), more)


def _closed_video(filename: str | list[str], metadata: dict[str, Any]) -> Any:
    library = require("sleap_io", "sleap")
    metadata = {"shape": None, **metadata}
    return library.Video(filename=filename, open_backend=False, backend_metadata=metadata)


def write_sleap(
    table: PoseTable,
    path: Path,
    videos: Sequence[Any],
    places: Sequence[tuple[Any, int]],
    provenance: dict[str, Any],
    *,
    embed: bool = False,
) -> None:
    """Write labels, or predictions where the table has confidences, to ``path``, in place.

    Args:
        table: The poses.
        path: The file.
        videos: Every ``sleap_io.Video``.
        places: The video of each frame of the table, and its number there.
        provenance: What else to keep.
        embed: Put the pictures of the frames into the file; else no video is opened.

    Raises:
        ContentError: SLEAP cannot keep the table.
        MissingExtraError: sleap-io is not installed.
    """
    library = require("sleap_io", "sleap")
    skeleton = library.Skeleton(
        nodes=list(table.keypoint_names),
        edges=list(table.skeleton.edges),
        symmetries=list(table.skeleton.left_right),
        name="animal",
    )
    individuals = table.individual or (None,) * len(table)
    tracks: dict[str | None, Any] = {
        name: library.Track(name) for name in individuals if name is not None
    }

    def instance(row: int) -> Any:
        known = {"skeleton": skeleton, "track": tracks.get(individuals[row])}
        return _instance(library, table, row, known)

    frames = [
        library.LabeledFrame(
            video,
            number,
            instances=[instance(row) for row in rows.tolist() if not is_empty_row(table, row)],
        )
        for (_, rows), (video, number) in zip(table.by_frame(), places, strict=True)
    ]
    labels = library.Labels(
        frames,
        videos=list(videos),
        skeletons=[skeleton],
        tracks=list(tracks.values()),
        provenance=provenance,
    )
    with library_reading("sleap-io"):
        labels.save(str(path), verbose=False, embed="user" if embed else False)


def _instance(library: Any, table: PoseTable, row: int, known: dict[str, Any]) -> Any:
    points = table.points[row].astype(np.float64)
    if table.confidence is None:
        labelled = library.Instance.from_numpy(points, **known)
        labelled.points["visible"] = table.has_position[row] & (table.codes[row] != 1)
        return labelled
    scores = table.confidence[row].astype(np.float64)
    finite = scores[np.isfinite(scores)]
    mean = float(finite.mean()) if len(finite) else 0.0
    score = mean if table.score is None else float(table.score[row])
    return library.PredictedInstance.from_numpy(points, point_scores=scores, score=score, **known)


def write_sleap_predictions(table: PoseTable, path: Path, *, video: str = "") -> None:
    """Write predictions to ``path``, in place.

    SLEAP opens ``video``, in which frame numbers count, to show the predictions.

    Raises:
        ContentError: SLEAP cannot keep the table.
        MissingExtraError: sleap-io is not installed.
    """
    if table.individual is None and len(set(table.frame)) < len(table):
        raise ContentError("a frame number occurs twice, which SLEAP would join into one frame")
    groups = list(table.by_frame())
    numbers = [frame for frame, _ in groups if isinstance(frame, int)]
    name = video or "unknown_video.mp4"
    more = {"grayscale": False, "bgr": True, "dataset": "", "input_format": ""}
    source = _closed_video(name, {"type": "MediaVideo", "filename": name, **more})
    if len(numbers) < len(groups):
        source = image_list([str(frame) for frame, _ in groups])
        numbers = list(range(len(groups)))
    splits = None if table.split is None else [table.split[int(rows[0])] for _, rows in groups]
    write_sleap(
        replace(table, confidence=confidence_of(table)),
        path,
        [source],
        [(source, number) for number in numbers],
        {_OURS: {"scorer": table.scorer, "sets": splits}},
    )


def read_sleap_predictions(path: Path, animals: Animals) -> PoseTable:
    """Read the predictions in one video, or in a list of images; animals are told by their tracks.

    Frames without the animals that are taken get no row.

    Raises:
        ContentError: The file is no SLEAP file, or holds several videos, or no predictions.
        PoseError: It holds several animals of which none is chosen.
        MissingExtraError: sleap-io is not installed.
    """
    with opened(path) as labels:
        frames = _predicted_frames(labels)
        found = [
            (place, one)
            for place, frame in enumerate(frames)
            for one in frame.predicted_instances or [None]
            if one is not None or animals.several
        ]
        names = [_track_of(one) for _, one in found]
        if animals.wanted is not None and not animals.several:
            found = [pair for pair in found if _track_of(pair[1]) == animals.wanted]
        places, instances = [place for place, _ in found], [one for _, one in found]
        numbers = [int(frames[place].frame_idx) for place in places]
        check_animals(animals, names, numbers, "frame")
        ours = _ours(labels)
        scorer = str(ours.get("scorer") or "SLEAP")
        table = poses_of(labels, _frames(frames, numbers), instances, scorer=scorer)
        sets, R, nothing = ours.get("sets"), len(table), np.full(table.num_keypoints, np.nan)
        confidence = [nothing if one is None else one.points["score"] for one in instances]
        scores = [np.nan if one is None else one.score for one in instances]
        if not isinstance(sets, list) or len(sets) != len(frames):
            sets = None
        return replace(
            table,
            individual=table.individual if animals.several else None,
            score=_stacked(scores, R) if animals.several else None,
            confidence=_stacked(confidence, R, table.num_keypoints),
            split=None if sets is None else tuple(str(sets[place]) for place in places),
        )


def _predicted_frames(labels: Any) -> list[Any]:
    """The frames with predictions, and those without any animal, by number."""
    frames = [f for f in labels.labeled_frames if f.predicted_instances or not f.user_instances]
    if labels.labeled_frames and not frames:
        raise ContentError(
            "the SLEAP file holds labels, not predictions",
            "convert it to a project, with a folder as the target",
        )
    videos = {id(frame.video) for frame in frames}
    if len(videos) > 1:
        raise ContentError(f"the SLEAP file holds predictions of {len(videos)} videos")
    return sorted(frames, key=lambda frame: int(frame.frame_idx))


def _frames(frames: Sequence[Any], numbers: Sequence[int]) -> Frames:
    """Frame numbers, or the paths of the images that they count."""
    files = frames[0].video.filename if frames else ""
    if isinstance(files, list) and numbers and max(numbers) < len(files):
        return tuple(str(files[number]) for number in numbers)
    return tuple(numbers)


def _ours(labels: Any) -> dict[str, Any]:
    """What lp keeps in the provenance of a file."""
    ours = labels.provenance.get(_OURS) if isinstance(labels.provenance, dict) else None
    return ours if isinstance(ours, dict) else {}
