"""From the predicted tables of a session's views to its points in space, where it is calibrated."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.confidence.stored import stored_calibration
from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation import (
    MatchingOptions,
    PosePrior,
    Triangulated,
    TriangulationOptions,
    match_files,
    triangulate_tables,
)
from lp_core.atomic import atomic_text
from lp_core.errors import CameraError, unwritable_as
from lp_core.geometry.cameras import Rig
from lp_data.sessions import SessionVideo, ViewNames, calibration_of_videos
from lp_data.video.open import open_video
from lp_io.calibration import read_rig
from lp_io.checkpoint import Manifest, read_manifest
from lp_io.model_directory import (
    POSES,
    TOP_DOWN,
    VIEWS,
    WHOLE_FRAME,
    points3d_path,
    reprojected_path,
)
from lp_io.points3d import ENDINGS
from lp_io.predictions import holds_several
from lp_io.predictions.source import source_path
from lp_io.tensor_file import sha256_of

Tell = Callable[[str], None]


@dataclass(frozen=True)
class SpaceOptions:
    """How points in space are made of predictions.

    Attributes:
        views: The views of the project; None of one camera, which makes no points.
        ending: Of the files of points, ``.csv``, ``.parquet`` or ``.nc``; None makes no points.
        rig: The cameras of all sessions; None takes those that `calibration_of_videos` finds.
        project: The folder of the project; None where it is not known.
        table: Its ``camera_params_file``, relative to it; None without one.
        animals: How many there are at most; None where it is not known.
        prior: The poses in space that the animals take, see `TriangulationOptions`.
        calibration: Of the tracker's confidences. Detections then count by the probabilities, and
            err as it says; and likelihoods of reprojected points are about its radius. None takes
            what `TriangulationOptions` does.
        reader: A registered video reader, or ``auto``.
        overwrite: Make points again although they were made from the same.

    Raises:
        TriangulationError: There is no such format.
    """

    views: ViewNames | None
    ending: str | None = ".csv"
    rig: Path | None = None
    project: Path | None = None
    table: str | None = None
    animals: int | None = None
    prior: PosePrior | None = None
    calibration: ConfidenceCalibration | None = None
    reader: str = "auto"
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.ending is not None and self.ending not in ENDINGS:
            raise TriangulationError(
                f"'{self.ending.removeprefix('.')}' is not a format of points in space",
                remedy=f"known: {', '.join(each.removeprefix('.') for each in ENDINGS)}",
            )

    def of_views(
        self, views: Iterable[str], offsets: Mapping[str, int] | None
    ) -> TriangulationOptions:
        """How the detections of some views are put together, which have such frame offsets."""
        options, known = TriangulationOptions(offsets=offsets, prior=self.prior), self.calibration
        if known is None:
            return options
        sure = dict.fromkeys(views, known.probability)
        return replace(options, noise=known.noise, radius=known.radius, confidences=sure)

    @classmethod
    def of_model(cls, manifest: Manifest) -> SpaceOptions:
        """How points in space are made of the predictions of a model.

        Raises:
            LPError: What the manifest says is damaged.
        """
        extra = manifest.extra
        several = extra.get(TOP_DOWN) or extra.get(WHOLE_FRAME)
        return cls(
            ViewNames.from_dict(extra.get(VIEWS)),
            animals=several.get("count") if isinstance(several, dict) else None,
            prior=PosePrior.from_dict(extra.get(POSES)),
            calibration=stored_calibration(manifest),
        )


def poses_of_model(folder: Path) -> PosePrior:
    """The poses in space that the labels of a model show.

    Raises:
        CheckpointError: The folder is not a model directory.
        TriangulationError: The model keeps none.
    """
    prior = SpaceOptions.of_model(read_manifest(folder)).prior
    if prior is None:
        raise TriangulationError(
            "this model keeps no poses in space",
            where=folder,
            remedy="train it on calibrated cameras, with 20 labelled poses or more",
        )
    return prior


@dataclass(frozen=True, eq=False)
class CalibratedSession:
    """The videos of a session, and the cameras that filmed them.

    Attributes:
        videos: Two or more.
        rig: Their cameras, in that order.
        file: Where they were read from.
        options: How points are made.
    """

    videos: tuple[SessionVideo, ...]
    rig: Rig
    file: Path
    options: SpaceOptions = field(repr=False)

    @property
    def name(self) -> str:
        """The session."""
        return self.videos[0].session

    @property
    def offsets(self) -> dict[str, int]:
        """By view, how many frames later its video shows a moment."""
        return {video.view: video.offset for video in self.videos}

    def output(self, folder: Path) -> Path:
        """Where its points go, next to the tables of its views."""
        return points3d_path(folder, self.name, self.options.ending or ENDINGS[0])


def sessions_of(groups: Iterable[Iterable[SessionVideo]]) -> dict[str, list[SessionVideo]]:
    """The videos of each session, of those in any grouping that are of a view."""
    sessions: dict[str, list[SessionVideo]] = {}
    for video in (video for group in groups for video in group if video.view):
        sessions.setdefault(video.session, []).append(video)
    return sessions


def calibrated_sessions(
    groups: Sequence[Sequence[SessionVideo]], options: SpaceOptions, tell: Tell
) -> list[CalibratedSession]:
    """The sessions whose cameras are known, of videos that are predicted; why others are not.

    Args:
        groups: The videos, in any grouping.
        options: Which cameras, and where to look for them.
        tell: Called with a line for what makes no points.

    Raises:
        LPError: A calibration cannot be read, or lacks a view.
    """
    if options.views is None or options.ending is None:
        return []
    found, bare = [], []
    for name, videos in sessions_of(groups).items():
        if len(videos) < 2:
            tell(f"no points in space of session '{name}': they need 2 views, and it has 1 here")
            continue
        file = options.rig or calibration_of_videos(
            videos, options.views, options.project, options.table
        )
        if file is None:
            bare.append(name)
            continue
        rig = _rig_of(file, [video.view for video in videos])
        tell(f"cameras of session '{name}': {file}")
        found.append(CalibratedSession(tuple(videos), rig, file, options))
    if bare:
        tell(
            f"no points in space of {', '.join(bare)}: there is no calibration; put "
            "calibrations/SESSION.toml or calibration.toml beside the videos or into the project, "
            "or name a file by --rig; `litpose calibrate` makes one"
        )
    return found


def _rig_of(file: Path, views: Sequence[str]) -> Rig:
    """The cameras of some views; an error names the file."""
    try:
        return read_rig(file).subset(views)
    except CameraError as error:
        remedy = f"{error.remedy}; --rig names another file, --points none predicts without"
        raise type(error)(error.problem, where=error.where or file, remedy=remedy) from error


def write_session_points(
    session: CalibratedSession, tables: Mapping[str, Path], tell: Tell
) -> Path | None:
    """Write the points in space of a session, and what they say that each view shows.

    ``<session>_points3d.csv`` lies next to the tables, and ``<stem>_reprojected.csv`` for each of
    them; ``<session>_points3d_source.json`` says what they were made from. What was made from the
    same is kept. The files appear when they are complete, that of the points last, so that they
    are the same after an interruption as without one.

    Several animals are matched between the views first, and their tables get the common names; see
    `match_files`.

    Args:
        session: Its videos and cameras.
        tables: By view, the predictions of its video.
        tell: Called with a line for what was done.

    Returns:
        The file of points; None where there is none to make, which was told.

    Raises:
        CameraError: A video differs in size from the calibration.
        LPError: A table cannot be read, or a file cannot be written.
    """
    paths = {video.view: tables[video.view] for video in session.videos}
    output = session.output(next(iter(paths.values())).parent)
    reason = _obstacle(paths)
    if reason is not None:
        tell(f"no points in space of session '{session.name}': {reason}")
        return None
    beside = {view: reprojected_path(path) for view, path in paths.items()}
    said = _said(session, paths, output)
    if kept := _kept(session, output, list(beside.values()), said):
        tell(f"{output} {kept}")
        return output
    options = replace(session.options.of_views(paths, session.offsets), fps=_check_videos(session))
    if any(map(holds_several, paths.values())):
        matching = MatchingOptions(session.offsets, animals=session.options.animals)
        matched = match_files(session.rig, paths, paths, output, matching)
        tell(f"{session.name}: {matched.told()}")
        if not matched.individuals:
            return None
        options = replace(options, individuals=matched.individuals)
        said = _said(session, paths, output)  # with the new names
    done = triangulate_tables(session.rig, paths, output, options, reprojected=beside)
    source = source_path(output)
    with unwritable_as(TriangulationError, "the file", source), atomic_text(source) as file:
        file.write(f"{json.dumps(said, indent=1)}\n")
    tell(told_points(session.name, done))
    return output


def told_points(session: str, done: Triangulated) -> str:
    """What was triangulated, in a line."""
    errors = ", ".join(f"{view} {error:.2f}" for view, error in done.errors.items())
    return (
        f"{session}: points in space of {done.points} of {done.wanted} keypoints in {done.frames} "
        f"frames, median reprojection error in px: {errors} -> {done.path}"
    )


def _obstacle(tables: Mapping[str, Path]) -> str | None:
    """Why the tables of a session's views make no points; None where they do."""
    absent = [view for view, table in tables.items() if not table.is_file()]
    if absent:
        return f"the views {', '.join(absent)} were not predicted"
    return None


def _check_videos(session: CalibratedSession) -> float:
    """Frames per second, once the frames of all videos are as large as those of the cameras."""
    sizes, fps = {}, 0.0
    for video in session.videos:
        with open_video(video.video, reader=session.options.reader) as source:
            sizes[video.view], fps = source.size[::-1], fps or float(source.fps)
    try:
        session.rig.check_sizes(sizes)
    except CameraError as error:
        raise CameraError(error.problem, where=session.file, remedy=error.remedy) from error
    return fps


def _said(
    session: CalibratedSession, tables: Mapping[str, Path], output: Path
) -> dict[str, object]:
    """What points are made from, as plain values."""
    known, prior = session.options.calibration, session.options.prior
    return {
        "file": output.name,
        "cameras": session.rig.to_dict(),
        "tables": {view: sha256_of(path) for view, path in tables.items()},
        "frame_offsets": session.offsets,
        "confidence_calibration": None if known is None else known.to_dict(),
        "poses": None if prior is None else prior.to_dict(),
    }


def _kept(
    session: CalibratedSession, output: Path, beside: Sequence[Path], said: dict[str, object]
) -> str | None:
    """Why points that are there are not made again; None where they are, or where there are none.

    An interrupted run may leave them without what is said of them, but not without those beside.
    """
    if session.options.overwrite or not output.is_file():
        return None
    known, there = read_said(source_path(output)), [path.is_file() for path in beside]
    if known == said and all(there):
        return "is there already"
    if known is None and not any(there):
        return "was made by another command, and is kept; --overwrite replaces it"
    return None


def read_said(source: Path) -> dict[str, Any] | None:
    """What is said beside a file of points; None where nothing is."""
    try:
        said = json.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) else None
