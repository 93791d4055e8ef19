"""``litpose outliers``: what looks wrong in a predicted video, as a table and as clips."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_analysis.errors import EvaluationError
from lp_core.paths import check_output_folder
from lp_core.text import quoted
from lp_io.model_directory import OUTLIERS, video_table
from lp_pipeline.cli.options import ModelDir, Overwrite, Reader
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import terminal_display


@dataclass(frozen=True)
class Outliers:
    """Find frames of a video whose predictions look wrong, and cut clips of them."""

    model_dir: ModelDir
    video: Annotated[Path, typer.Argument(help="A video that the model has predicted.")]
    predictions: Annotated[
        Path | None,
        typer.Option(help="Its table of predictions; default: in MODEL_DIR/video_preds."),
    ] = None
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Default: outliers/VIDEO beside the predictions."),
    ] = None
    count: Annotated[int, typer.Option(min=1, help="Frames per metric.")] = 10
    length: Annotated[
        int, typer.Option(min=1, help="Frames of a clip, and between frames of one metric.")
    ] = 60
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least confidence of a keypoint whose movement and pose are judged: the "
            "calibrated one where the model has one, else the likelihood; default: "
            "eval.confidence_thresh_for_vid of the config, or less if the model is never so sure.",
        ),
    ] = None
    clips: Annotated[bool, typer.Option(help="Write clips, or the table only.")] = True
    reader: Reader = "auto"
    overwrite: Overwrite = False

    def run(self) -> None:
        """Find suspicious frames of a predicted video, and cut clips around them."""
        start_session()
        table = self.predictions or video_table(self.model_dir, self.video)
        folder = self.output_dir or table.parent / "outliers" / self.video.stem
        _check(self, table, folder)
        from lp_analysis.confidence.shown import ShownConfidence
        from lp_analysis.metrics.suspicious import suspicious_frames
        from lp_analysis.metrics.suspicious_animals import metrics_of_video
        from lp_analysis.prediction.outliers import write_outliers
        from lp_data.video.open import open_video
        from lp_io.predictions import predictions_of_video
        from lp_pipeline.evaluation.model_project import find_project, style_of, told_pose_metrics

        display = terminal_display()
        pose_metrics = told_pose_metrics(find_project(self.model_dir), display)
        confidence, threshold = ShownConfidence.of_table(table), self.threshold
        if threshold is None:
            threshold = confidence.reachable(style_of(self.model_dir).confidence_threshold)
        with open_video(self.video, reader=self.reader) as source:
            predictions = predictions_of_video(table, len(source))
            if predictions.note:
                display.message(f"note: {predictions.note}; they are not judged")
            metrics = metrics_of_video(
                predictions, pose_metrics, threshold=threshold, confidence=confidence
            )
            found = suspicious_frames(metrics, self.count, apart=self.length)
            drawn = predictions.with_confidence(confidence)
            skeleton = style_of(self.model_dir).skeleton
            length = self.length if self.clips else 0
            written = write_outliers(source, drawn, found, folder, length, skeleton, display)
        display.message(
            f"{len(found)} suspicious frames of {metrics.frames}, by {', '.join(metrics.values)}"
        )
        display.message(confidence.told(metrics.confident, threshold, "judged"))
        display.message(f"{written}: {folder}")


def _check(request: Outliers, table: Path, folder: Path) -> None:
    from lp_analysis.metrics.metric_files import refuse_outdated

    predict = f"litpose predict {quoted(request.model_dir)} {quoted(request.video)}"
    check_output_folder(folder)
    if not request.model_dir.is_dir():
        raise EvaluationError("there is no such model directory", where=request.model_dir)
    if not request.video.exists():
        raise EvaluationError("there is no such video", where=request.video)
    if not table.is_file():
        raise EvaluationError(
            "there are no predictions of this video",
            where=table,
            remedy=f"{predict}; or name their table by --predictions",
        )
    if (folder / OUTLIERS).exists() and not request.overwrite:
        raise EvaluationError(
            "the outliers are there already", where=folder, remedy="--overwrite finds them again"
        )
    if request.predictions is None:
        remedy = "--overwrite; or name the table by --predictions to judge it all the same"
        refuse_outdated(request.model_dir, table, f"{predict} {remedy}")
