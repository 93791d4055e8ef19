"""Label files of several views to points in space, session by session."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation.association import MatchingOptions, match_files
from lp_analysis.triangulation.pose_prior import PosePrior, fit_pose_prior
from lp_analysis.triangulation.rigs import LabelRigs, SessionRigs
from lp_analysis.triangulation.tables import (
    Tally,
    Triangulated,
    TriangulationOptions,
    triangulate_poses,
    triangulate_tables,
)
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable, Visibility
from lp_data.images import image_file, image_size
from lp_data.sessions import ViewNames, read_view_labels
from lp_data.sessions.names import session_of
from lp_io.points3d import points3d_writer
from lp_io.predictions import holds_several

GUESSED = 0.5
"""What a label counts that has a position but is marked as occluded; a visible one counts 1."""


class ViewLabels(NamedTuple):
    """What label files of V views say of each animal in each frame.

    Attributes:
        table: R rows; frames are paths of images without the view, points are left out.
        sessions: R sessions.
        images: For each row the image of each view that has one.
        points: (V, R, K, 2) in frame px; NaN where there is none.
        weights: (V, R, K): 1 for a visible keypoint, `GUESSED` for an occluded one that has a
            position; NaN where there is none.
        places: (V, R) the row of the joined labels that each is; -1 where a view has none.
    """

    table: PoseTable
    sessions: tuple[str, ...]
    images: tuple[dict[str, str], ...]
    points: Float[ndarray, "views rows keypoints 2"]
    weights: Float[ndarray, "views rows keypoints"]
    places: Int[ndarray, "views rows"]


def view_labels(
    files: Mapping[str, Path], offsets: Mapping[tuple[str, str], int] | None = None
) -> ViewLabels:
    """Read the label file of each view and join their rows by session, frame and individual.

    Args:
        files: By view.
        offsets: By session and view, see `ViewNames`.

    Raises:
        PoseError: A file cannot be read, or has other keypoints than another one.
        SessionError: An image is not of the view whose file lists it.
        TriangulationError: Of several animals some have no name.
    """
    views = ViewNames(tuple(files), offsets or {})
    labels = read_view_labels(files, views, name_all=False)
    return by_moment(labels.rows(np.flatnonzero(labels.has_position.any(axis=1))), views)


def by_moment(labels: PoseTable, views: ViewNames) -> ViewLabels:
    """The labels of several views, those of one animal in one frame together.

    Args:
        labels: As `lp_data.sessions.join_views` joins them.
        views: The V views.

    Raises:
        SessionError: The path of an image does not say its view.
        TriangulationError: Of several animals some have no name.
    """
    names = labels.individual or (None,) * len(labels)
    if labels.individual is not None and None in names:
        raise TriangulationError(
            "an animal has no name",
            where=labels.place(names.index(None)),
            remedy="name individuals alike in the label files of all views",
        )
    keys = list(zip(views.moments(labels), names, strict=True))
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    shape = (len(views), len(places), labels.num_keypoints)
    points, weights = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    rows = np.full(shape[:2], -1)
    images: list[dict[str, str]] = [{} for _ in places]
    trust = np.where(labels.codes == Visibility.VISIBLE, 1.0, GUESSED)
    for row, (key, view) in enumerate(zip(keys, views.numbers(labels), strict=True)):
        at = view, places[key]
        points[at], rows[at] = labels.points[row], row
        weights[at] = np.where(labels.has_position[row], trust[row], np.nan)
        images[places[key]][views.names[view]] = labels.image_paths[row]
    frames, individuals = tuple(zip(*places, strict=True)) or ((), ())
    table = PoseTable(
        labels.skeleton,
        np.full((*shape[1:], 3), np.nan),
        frames,
        individual=individuals if labels.individual is not None else None,
    )
    sessions = tuple(map(session_of, frames))
    return ViewLabels(table, sessions, tuple(images), points, weights, rows)


def label_poses(
    labels: PoseTable, views: ViewNames | None, rigs: LabelRigs | None
) -> PosePrior | None:
    """The poses in space that labels of calibrated cameras show.

    Args:
        labels: Of all views, of one animal, or of several with names.
        views: The views; None of one camera.
        rigs: The cameras of each frame; None where they are not calibrated.

    Returns:
        None where they are not calibrated, too few, or of animals without names.
    """
    if views is None or rigs is None or (labels.individual and None in labels.individual):
        return None
    rows = by_moment(labels.rows(np.flatnonzero(labels.has_position.any(axis=1))), views)
    poses = np.full((len(rows.table), len(labels.skeleton), 3), np.nan)
    numbers = np.array([-1 if n is None else n for n in map(rigs.number, rows.table.image_paths)])
    for number, rig in enumerate(rigs.rigs):
        of_rig = np.flatnonzero(numbers == number)
        points, weights = rows.points[:, of_rig], rows.weights[:, of_rig]
        made, _ = triangulate_poses(rig, points, weights, rows.table.rows(of_rig))
        poses[of_rig] = made.table.points
    unit = next((rig.unit for rig in rigs.rigs if rig.unit), "")
    return fit_pose_prior(poses, labels.skeleton, unit)


def triangulate_labels(
    rigs: SessionRigs,
    files: Mapping[str, Path],
    output: Path,
    options: TriangulationOptions | None = None,
) -> Triangulated:
    """Put the labels of several views together to points in space.

    Rows are joined by session and frame, and each session has its own cameras. Frames of the points
    are the paths of the images without the view, ``labeled-data/<session>/img0012.png``.

    Args:
        rigs: The cameras of each session.
        files: By view.
        output: A file ``.csv``, ``.parquet`` or ``.nc``.
        options: How they are put together; offsets are those of ``rigs``.

    Raises:
        CameraError: A rig has no camera of a view, or is of images of another size.
        PoseError: A file cannot be read or written.
        SessionError: An image is not of the view whose file lists it.
        TriangulationError: A session has no calibration, or the files do not go together.
    """
    labels = view_labels(files, rigs.offsets)
    of_session = np.array(labels.sessions)
    names = tuple(dict.fromkeys(filter(None, labels.table.individual or ())))
    options, tally = options or TriangulationOptions(), Tally()
    with points3d_writer(output, names, fps=options.fps) as writer:
        for session in dict.fromkeys(labels.sessions):
            rows = np.flatnonzero(of_session == session)
            rig = rigs.of(session).subset(list(files))
            _check_sizes(rig, files, labels.images[rows[0]])
            seen, weights = labels.points[:, rows], labels.weights[:, rows]
            table = labels.table.rows(rows)
            points, error = triangulate_poses(rig, seen, weights, table, options)
            writer.write(points)
            tally.add(seen, points, error)
    return tally.total(output, len(set(labels.table.frame)), list(files))


def triangulate_files(
    rigs: SessionRigs,
    session: str,
    tables: Mapping[str, Path],
    output: Path,
    options: TriangulationOptions | None = None,
    *,
    by_name: bool = False,
    animals: int | None = None,
) -> Triangulated:
    """Put label files, or predictions of the videos of a session, together to points in space.

    Predicted animals of several are matched between the views by the cameras, see `match_files`;
    the tables stay as they are.

    Args:
        rigs: The cameras.
        session: That of the predictions; label files name theirs.
        tables: By view, label files or predictions.
        output: A file ``.csv``, ``.parquet`` or ``.nc``.
        options: How they are put together; its offsets replace those of ``rigs``.
        by_name: Predicted animals have the same names in all views, and are not matched.
        animals: How many of several there are at most; None where it is not known.

    Raises:
        LPError: See `triangulate_labels` and `triangulate_tables`.
    """
    options = options or TriangulationOptions()
    if len(tables) < 2:
        raise TriangulationError(f"points in space need at least 2 views, got {len(tables)}")
    for view in options.offsets or {}:
        if view not in tables:
            raise TriangulationError(f"there is an offset of '{view}', but no table")
    if not all(map(is_label_file, tables.values())):
        known = {view: frames for (of, view), frames in rigs.offsets.items() if of == session}
        options = replace(options, offsets=known | dict(options.offsets or {}))
        if by_name or not any(map(holds_several, tables.values())):
            return triangulate_tables(rigs.of(session), tables, output, options)
        return _matched(rigs.of(session), tables, output, options, animals)
    if options.offsets:
        raise TriangulationError(
            "offsets of label files depend on the session",
            remedy="write them to sessions.csv in the project",
        )
    return triangulate_labels(rigs, tables, output, options)


def _matched(
    rig: Rig,
    tables: Mapping[str, Path],
    output: Path,
    options: TriangulationOptions,
    animals: int | None,
) -> Triangulated:
    """The points of several animals that are matched between the views."""
    matching = MatchingOptions(options.offsets, options.noise, animals=animals)
    with tempfile.TemporaryDirectory() as folder:
        named = {view: Path(folder) / f"{place}.csv" for place, view in enumerate(tables)}
        found = match_files(rig, tables, named, output, matching)
        if not found.individuals:
            raise TriangulationError(
                "no animal is shown by two views, as far as the cameras tell",
                remedy="check the calibration and the frame offsets; --by-name trusts the names",
            )
        options = replace(options, individuals=found.individuals)
        return triangulate_tables(rig, named, output, options)._replace(notes=(found.told(),))


def is_label_file(path: Path) -> bool:
    """Whether a table is a CSV file without likelihoods."""
    if path.suffix != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return not any("likelihood" in line for line, _ in zip(file, range(4), strict=False))


def _check_sizes(rig: Rig, files: Mapping[str, Path], images: Mapping[str, str]) -> None:
    """Refuse cameras of images of another size, where images are next to the label files."""
    found = {view: image_file(files[view].parent, name) for view, name in images.items()}
    sizes = {view: image_size(file)[::-1] for view, file in found.items() if file.is_file()}
    rig.check_sizes(sizes)
