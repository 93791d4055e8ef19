"""The tables of a video while they are predicted: written as rows come, and gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.confidence.stored import written_beside
from lp_analysis.errors import EvaluationError
from lp_core.batches import Prediction
from lp_core.listing import file_marks
from lp_core.poses import Content, read_pose_csv_chunks
from lp_core.video import VideoSource
from lp_data.inference.handler import PredictionHandler
from lp_data.inference.joint import JointPredictor
from lp_data.regions import Boxes
from lp_data.sessions import ViewSet
from lp_io.model_directory import member_table
from lp_io.predictions import PredictionCsvWriter
from lp_io.predictions.covariance import CovarianceCsvWriter, covariance_path
from lp_io.predictions.streaming import RowsCsvWriter


@dataclass(frozen=True)
class VideoResult:
    """What was written for one video.

    Attributes:
        path: The table of coordinates.
        frames: Rows written, which is the number of frames of the video.
        damage: What is wrong with the file although its readable frames were predicted; or None.
        resumed: Of the rows, those that an interrupted run had predicted.
        seconds: How long the others took.
    """

    path: Path
    frames: int
    damage: str | None
    resumed: int
    seconds: float = 0.0


@dataclass(frozen=True)
class OpenTable:
    """The table of coordinates of one video and those beside it, while they are written.

    Attributes:
        coordinates: Writes the table of coordinates.
        append_beside: Writes the next rows of those beside it.
        covariance: Writes the covariances that an ensemble states; None for one tracker.
        members: Write the tables of the members of an ensemble, where they are asked for.
    """

    coordinates: PredictionCsvWriter
    append_beside: Callable[[Prediction], None]
    covariance: CovarianceCsvWriter | None = None
    members: tuple[PredictionCsvWriter, ...] = ()

    @property
    def number(self) -> int:
        """How many rows all of them have."""
        return min(writer.complete_rows for writer in self._writers)

    @property
    def _writers(self) -> list[RowsCsvWriter]:
        return [self.coordinates, *self.members, *filter(None, [self.covariance])]

    def go_back(self, rows: int) -> None:
        """Keep the first rows of those that an interrupted run had written."""
        for writer in self._writers:
            writer.go_back(rows)
        if rows:  # as they came from the network
            path = self.coordinates.partial_path
            for part in read_pose_csv_chunks(path, Content.PREDICTIONS):
                self.append_beside(Prediction.of_table(part))

    def append(self, part: Prediction) -> None:
        """Write the rows of the next frames."""
        for writer, found in zip(self.members, part.members, strict=False):
            writer.append(found.keypoints.numpy(), found.confidences.numpy())
        if self.covariance is not None and part.covariance is not None:
            self.covariance.append(part.covariance.numpy())
        self.coordinates.append(part.keypoints.numpy(), part.confidences.numpy())
        self.append_beside(part)

    def result(self, source: VideoSource, video: Path, resumed: int) -> VideoResult:
        """What was written, of which ``resumed`` rows by an interrupted run.

        Raises:
            EvaluationError: It is not one row for each frame.
        """
        if self.number != len(source):
            raise EvaluationError(
                f"{self.number} frames were predicted, but the video has {len(source)}",
                where=video,
                remedy="this is a fault of the video reader; please report it",
            )
        damage = getattr(source, "damage", None)
        return VideoResult(self.coordinates.path, len(source), damage, resumed)


@contextmanager
def open_table(
    table: Path,
    keypoint_names: tuple[str, ...],
    identity: str,
    *,
    scorer: str,
    calibration: ConfidenceCalibration | None = None,
    resume: bool = False,
    ensemble: bool = False,
    members: Sequence[str] = (),
) -> Iterator[OpenTable]:
    """The tables of a video, which appear under their names when the block ends well.

    Args:
        table: The table of coordinates.
        keypoint_names: K names.
        identity: What its rows depend on; see `identity_of`.
        scorer: Goes into the first header row.
        calibration: If there is one, ``<stem>_calibrated_confidence.csv`` is written too.
        resume: Keep the rows of an interrupted run; see `OpenTable.go_back`.
        ensemble: Write the covariances that an ensemble states; else there are none afterwards.
        members: Names of the members whose tables are written, see
            `lp_io.model_directory.member_table`.
    """
    known: dict[str, Any] = {"identity": identity, "resume": resume}
    tables = [table, *(member_table(table, name) for name in members)]
    writers = [PredictionCsvWriter(each, keypoint_names, scorer=scorer, **known) for each in tables]
    with ExitStack() as stack:
        # the first one takes its name last, so that the others are there when it is
        coordinates, *others = (stack.enter_context(writer) for writer in writers)
        covariance = None
        if ensemble:
            covariance = stack.enter_context(CovarianceCsvWriter(table, keypoint_names, **known))
        beside = stack.enter_context(written_beside(table, keypoint_names, calibration))
        yield OpenTable(coordinates, beside, covariance, tuple(others))
        if not ensemble:
            covariance_path(table).unlink(missing_ok=True)


def write_session(
    joint: JointPredictor,
    session: ViewSet,
    tables: Mapping[str, OpenTable],
    on_progress: Callable[[int], None],
) -> dict[str, VideoResult]:
    """Predict the videos of a session together into their open tables.

    Args:
        joint: What predicts.
        session: The videos.
        tables: By view, with what an interrupted run had written.
        on_progress: Called with the number of frames of the session that are done.

    Returns:
        What was written, by view.

    Raises:
        VideoError: A video cannot be read.
        EvaluationError: A table has not one row for each frame of its video.
    """
    start = joint.seam(session, {view: table.number for view, table in tables.items()})
    resumed = {view: session.frames_before(view, start) for view in tables}
    for view, table in tables.items():
        table.go_back(resumed[view])
    for chunk in joint.predict(session, start):
        for view, part in chunk.views.items():
            tables[view].append(part)
        on_progress(chunk.frames.stop - session.frames.start)
    return {
        view: table.result(session.sources[view], session.videos[view].video, resumed[view])
        for view, table in tables.items()
    }


def identity_of(
    handler: PredictionHandler, source: VideoSource, video: Path, boxes: Boxes | None = None
) -> str:
    """A text that differs where predictions of a video may differ in any bit.

    The number of threads is left out: a cluster may give a resumed job others.
    """
    return json.dumps(
        {
            "weights": handler.weights_digest,
            "size": handler.image_size,
            "context": handler.tracker.context_frames,
            "chunk": handler.chunk,
            "device": handler.device.type,
            "precision": handler.precision,
            "torch": torch.__version__,
            "reader": type(source).__qualname__,
            "video": file_marks(video),
            "boxes": boxes.digest if boxes else None,
        }
    )
