"""What cameras saw, from videos of a board, label files and tables of predictions."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.camera_calibration.adjustment import AdjustmentOptions
from lp_analysis.camera_calibration.boards import Board
from lp_analysis.camera_calibration.from_boards import Calibrated, calibrate
from lp_analysis.camera_calibration.refinement import Refined, refine_poses
from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation.label_files import is_label_file, view_labels
from lp_analysis.triangulation.tables import TriangulationOptions, ViewTables
from lp_core.geometry.cameras import Rig
from lp_data.sessions import listed_sessions
from lp_data.video.open import open_video

_MOST_FRAMES = 300
_AT_ONCE = 16
_MOST_POINTS = 20_000
_SURE = 0.9


def calibrate_videos(
    board: Board,
    videos: Mapping[str, Path],
    *,
    fisheye: Collection[str] = (),
    unit: str = "mm",
    progress: Callable[[int, int], None] | None = None,
) -> Calibrated:
    """Calibrate cameras from videos of a board that are in step, frame by frame.

    Of long videos 300 frames are looked at, evenly spread.

    Args:
        board: The board.
        videos: By camera.
        fisheye: Names of the cameras with fisheye lenses.
        unit: What the board is measured in.
        progress: Called with the number of frames looked at so far and their total.

    Raises:
        TriangulationError: See `lp_analysis.camera_calibration.from_boards.calibrate`.
        VideoError: A video cannot be read.
    """
    unknown = sorted(set(fisheye) - set(videos))
    if unknown:
        raise TriangulationError(f"no video is of the fisheye camera '{unknown[0]}'")
    detector = board.detector()
    corners, sizes, done = {}, {}, 0
    with ExitStack() as stack:
        sources = {name: stack.enter_context(open_video(path)) for name, path in videos.items()}
        length = min(len(source) for source in sources.values())
        frames = np.unique(np.linspace(0, length - 1, min(length, _MOST_FRAMES)).astype(int))
        for name, source in sources.items():
            height, width = source.size
            sizes[name] = width, height
            found = []
            for first in range(0, len(frames), _AT_ONCE):
                for image in source.read_indices(frames[first : first + _AT_ONCE].tolist()):
                    found.append(detector.find(cv2.cvtColor(np.asarray(image), cv2.COLOR_RGB2GRAY)))
                    done += 1
                    if progress is not None:
                        progress(done, len(frames) * len(sources))
            corners[name] = np.stack(found)
    return calibrate(board, corners, sizes, fisheye=fisheye, unit=unit)


def refine_with_tables(
    rig: Rig,
    tables: Mapping[str, Path],
    options: AdjustmentOptions | None = None,
    *,
    session: str | None = None,
) -> Refined:
    """Refine the poses of cameras with label files, or with predictions of one session.

    Of labels, those that are visible count, of predictions those with a confidence of 0.9 at least.
    Frame offsets are those of ``sessions.csv`` next to the tables.

    Args:
        rig: The cameras; those without a table stay out.
        tables: By camera, label files of a project, or predictions of videos.
        options: How they are refined.
        session: Only labels of this session are used; None for all of the files.

    Raises:
        CameraError: The rig has no camera of a view.
        PoseError: A file cannot be read.
        TriangulationError: See `lp_analysis.camera_calibration.refinement.refine_poses`.
    """
    part = rig.subset([name for name in rig.names if name in tables] or list(tables))
    files = {name: tables[name] for name in part.names}
    offsets = listed_sessions(None, [file.parent for file in files.values()]).offsets
    if all(map(is_label_file, files.values())):
        seen = _labelled(files, session, offsets)
    else:
        tables_of = {f"{name}_{view}": frames for (name, view), frames in offsets.items()}
        seen = _predicted(files, {v: tables_of.get(file.stem, 0) for v, file in files.items()})
    return refine_poses(part, seen, options)


def _labelled(
    files: Mapping[str, Path], session: str | None, offsets: Mapping[tuple[str, str], int]
) -> Float[ndarray, "views points 2"]:
    """What labels say of each visible keypoint, animal and frame."""
    labels = view_labels(files, offsets)
    points = np.where((labels.weights == 1)[..., None], labels.points, np.nan)
    wanted = [session is None or session in path.split("/") for path in labels.table.image_paths]
    return points[:, wanted].reshape(len(files), -1, 2)


def _predicted(
    files: Mapping[str, Path], offsets: Mapping[str, int]
) -> Float[ndarray, "views points 2"]:
    """What sure predictions say of each keypoint, animal and frame; of many, every so many."""
    views = ViewTables(files, TriangulationOptions(offsets=offsets))
    animals = max(len(views.individuals), 1)
    total = views.frames * animals * len(views.keypoint_names)
    step = max(1, total // _MOST_POINTS)
    parts = []
    for part in views.parts():
        sure = np.nan_to_num(part.confidences, nan=1.0) >= _SURE
        points = np.where(sure[..., None], part.points, np.nan)
        parts.append(points[:, ::step].reshape(len(files), -1, 2))
    return np.concatenate(parts, axis=1)
