"""Write a synthetic project: labelled images, videos, and the truth of every frame."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from itertools import count
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8
from numpy import ndarray

from lp_core.errors import unwritable
from lp_core.poses import concatenate, write_pose_csv
from lp_core.poses.csv_text import write_csv
from lp_data.video.writer import VideoWriter
from lp_synthetic.camera import MirrorCamera
from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.labelling import BOX_COLUMNS, box_rows, label_table, truth_table
from lp_synthetic.project import (
    LABEL_FILE,
    OOD_LABEL_FILE,
    SyntheticProject,
    is_project,
    of_view,
    read_project,
    write_project_file,
)
from lp_synthetic.scene import Notes
from lp_synthetic.session import Session, held_out_sessions, ood_sessions, training_sessions
from lp_synthetic.settings import SyntheticSettings
from lp_synthetic.skeleton import KEYPOINTS
from lp_synthetic.space import write_space

_QUALITY = 20
_THREADS = 2  # always, since the bytes of a video depend on it
_PNG = cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE
_DEFAULT = SyntheticSettings()


def generate_project(
    folder: str | Path,
    settings: SyntheticSettings = _DEFAULT,
    *,
    overwrite: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> SyntheticProject:
    """Make up a project to try lp on: a mouse above a mirror, or mice in an open field.

    It is an ordinary Lightning Pose project (``CollectedData.csv``, ``labeled-data``, ``videos``,
    and ``CollectedData_new.csv`` with frames of another look), and has besides ``videos_test``,
    ``videos_ood`` and, in ``truth``, where every keypoint is in every frame of every video.
    The same settings give the same label files, images and videos.

    Several cameras stand around an open field. Each has its own label files, as
    ``CollectedData_top.csv``, and videos, as ``session_00_top.mp4``; ``calibrations`` has the exact
    cameras of each session, and ``truth`` every keypoint in space, in mm.

    Args:
        folder: Where to write it. It appears there whole or not at all.
        settings: Its size and difficulty.
        overwrite: Whether to replace a synthetic project that is there already.
        progress: Called with the number of frames rendered so far and their total.

    Raises:
        SyntheticProjectError: The folder holds something else, or cannot be written.
    """
    folder = Path(folder)
    _check_folder(folder, overwrite=overwrite)
    training, ood = training_sessions(settings), ood_sessions(settings)
    sessions = [*training, *held_out_sessions(settings), *ood]
    total, done = sum(len(session.rendered) for session in sessions), count(1)
    tick = (lambda: progress(next(done), total)) if progress else (lambda: None)
    with _built_beside(folder) as beside:
        notes = {session.name: _record(beside, session, tick) for session in sessions}
        for view in settings.view_names or ("",):
            for name, found in ((LABEL_FILE, training), (OOD_LABEL_FILE, ood)):
                own = [session for session in found if session.view == view]
                _write_labels(beside / of_view(name, view), own, notes)
        if settings.cameras > 1:
            write_space(beside, [s for s in sessions if s.view == settings.view_names[0]])
        write_project_file(beside, settings, _body_length(training))
    return read_project(folder)


def _write_labels(path: Path, sessions: list[Session], notes: dict[str, dict[int, Notes]]) -> None:
    """The labels of some sessions, and the boxes of the animals in the labelled frames."""
    tables = [label_table(session, notes[session.name]) for session in sessions]
    write_pose_csv(concatenate(tables), path)
    boxes = [
        row
        for session in sessions
        for frame in session.labeled
        for row in box_rows(session, notes[session.name][frame], session.image_path(frame))
    ]
    _write_boxes(path, sessions[0], boxes)


def _write_boxes(labels: Path, session: Session, rows: list[tuple[object, ...]]) -> None:
    """Write boxes beside a label file, where animals are filmed from above."""
    if not isinstance(session.camera, MirrorCamera):
        path = labels.with_name(f"{labels.stem}_boxes.csv")
        write_csv(path, [BOX_COLUMNS, *rows], SyntheticProjectError, "the file of boxes")


def _record(folder: Path, session: Session, tick: Callable[[], None]) -> dict[int, Notes]:
    """Write a session's images, video and truth; returns what was seen in each frame."""
    images, notes = set(session.images), {}
    with ExitStack() as stack:
        video = None
        if session.video:
            size, fps = (session.camera.height, session.camera.width), Fraction(session.fps)
            path = folder / session.video
            writer = VideoWriter(path, fps=fps, size=size, quality=_QUALITY, threads=_THREADS)
            video = stack.enter_context(writer)
        for frame in session.rendered:
            shot = session.shoot(frame)
            notes[frame] = shot.notes
            if video is not None:
                video.write(shot.image)
            if frame in images:
                _write_image(folder / session.image_path(frame), shot.image)
            tick()
    if session.video:
        truth = folder / f"truth/{session.name}.csv"
        write_pose_csv(truth_table(session, notes), truth)
        boxes = [row for frame in notes for row in box_rows(session, notes[frame], frame)]
        _write_boxes(truth, session, boxes)
    return notes


def _write_image(path: Path, image: UInt8[ndarray, "height width 3"]) -> None:
    """Write a PNG; through memory, since cv2 opens no path that is not ASCII on some systems."""
    _, encoded = cv2.imencode(".png", image[..., ::-1], _PNG)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.tobytes())


def _body_length(sessions: list[Session]) -> float:
    """Mean distance from nose to tail base in the direct view of the labelled frames, frame px."""
    nose, tail = KEYPOINTS.index("nose"), KEYPOINTS.index("tail_base")
    keypoints = np.concatenate([session.keypoints[list(session.labeled)] for session in sessions])
    body = keypoints[:, :, nose] - keypoints[:, :, tail]
    return float(np.linalg.norm(body, axis=-1).mean().round(3))


def _check_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse to touch what is not ours."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    ours = is_project(folder)
    if not (ours and overwrite):
        what = "a synthetic project" if ours else "something else"
        remedy = "pass overwrite=True to replace it" if ours else "name a new or an empty folder"
        raise SyntheticProjectError(f"there is {what} already", where=folder, remedy=remedy)


@contextmanager
def _built_beside(folder: Path) -> Iterator[Path]:
    """A folder beside ``folder`` that takes its place when the block ends well."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as work:
            beside = Path(work) / "new"
            beside.mkdir()
            yield beside
            if folder.exists():
                folder.rename(Path(work) / "old")
            beside.rename(folder)
    except OSError as error:
        raise unwritable(SyntheticProjectError, "the project", folder, error) from error
