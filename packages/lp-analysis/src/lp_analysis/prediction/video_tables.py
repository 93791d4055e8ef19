"""The tables of a video while they are predicted: written as rows come, and gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

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
from lp_io.predictions import PredictionCsvWriter


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
    """

    coordinates: PredictionCsvWriter
    append_beside: Callable[[Prediction], None]

    @property
    def number(self) -> int:
        """How many rows there are."""
        return self.coordinates.complete_rows

    def go_back(self, rows: int) -> None:
        """Keep the first rows of those that an interrupted run had written."""
        self.coordinates.go_back(rows)
        if rows:  # as they came from the network
            path = self.coordinates.partial_path
            for part in read_pose_csv_chunks(path, Content.PREDICTIONS):
                self.append_beside(Prediction.of_table(part))

    def append(self, part: Prediction) -> None:
        """Write the rows of the next frames."""
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
) -> Iterator[OpenTable]:
    """The tables of a video, which appear under their names when the block ends well.

    Args:
        table: The table of coordinates.
        keypoint_names: K names.
        identity: What its rows depend on; see `identity_of`.
        scorer: Goes into the first header row.
        calibration: If there is one, ``<stem>_calibrated_confidence.csv`` is written too.
        resume: Keep the rows of an interrupted run; see `OpenTable.go_back`.
    """
    writer = PredictionCsvWriter(
        table, keypoint_names, scorer=scorer, identity=identity, resume=resume
    )
    beside = written_beside(table, keypoint_names, calibration)
    with writer as coordinates, beside as append_beside:
        yield OpenTable(coordinates, append_beside)


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
