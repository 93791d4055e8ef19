"""``litpose evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_analysis.errors import EvaluationError
from lp_core.display import Display
from lp_core.memory import explained_memory_errors
from lp_core.paths import check_output_file, refuse_same_names
from lp_pipeline.cli.options import Device
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import terminal_display

if TYPE_CHECKING:
    from lp_data.inference.handler import PredictionHandler


@dataclass(frozen=True)
class Evaluate:
    """Compute the metric tables and the report of a model directory again.

    Without LABELS.csv: of the labels of its training, of CollectedData_new.csv and _test.csv beside
    them, and of the videos that it has predicted. Where the images are not at hand, of the
    predictions that the model directory holds.

    With --truth: of tables of predictions, of one or several animals.
    """

    model_dir: Annotated[
        Path,
        typer.Argument(help="What `litpose train` made; with --truth, a table of predictions."),
    ]
    label_files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[LABELS.csv]...",
            help="Label files to evaluate by themselves; default: all that the model knows. With "
            "--truth, further tables of predictions.",
        ),
    ] = None
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            help="Where the images are; default: as the config says, or beside LABELS.csv.",
        ),
    ] = None
    truth: Annotated[
        list[Path] | None,
        typer.Option(
            "--truth",
            help="What is true of a table of predictions: a label file or another table; once for "
            "each table, in their order.",
        ),
    ] = None
    fps: Annotated[
        float | None,
        typer.Option(min=0.001, help="With --truth: frames per second, for switches per minute."),
    ] = None
    body_length: Annotated[
        float | None,
        typer.Option(
            min=0.001,
            help="With --truth: in px; default: the median over animals of the longest distance "
            "between two keypoints.",
        ),
    ] = None
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="With --truth: also write a .csv or .json."),
    ] = None
    device: Device = "auto"
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32

    def run(self) -> None:
        """Evaluate tables, label files, or all that a model directory knows and has predicted."""
        start_session()
        display = terminal_display()
        if self.truth:
            self._evaluate_tables(self.truth, display)
            return
        if self.fps or self.body_length or self.output:
            raise EvaluationError("--fps, --body-length and --output need --truth")
        if self.data_dir is not None and not self.data_dir.is_dir():
            raise EvaluationError("there is no such folder", where=f"--data-dir: {self.data_dir}")
        _check_files(self.label_files or ())
        from lp_analysis.confidence.stored import stored_calibration
        from lp_analysis.report.reliability import confidence_warnings
        from lp_data.sessions import label_sets, told_files
        from lp_pipeline.evaluation.evaluate_model import evaluate_project, show_label_files
        from lp_pipeline.evaluation.model_project import ModelProject, told_pose_metrics

        project = ModelProject.from_dir(self.model_dir, data_dir=self.data_dir)
        told_pose_metrics(project, display)
        remedy = f"lower --batch-size (now {self.batch_size})"
        with explained_memory_errors(EvaluationError, remedy):
            if not self.label_files:
                evaluate_project(project, self._handler, display)
                return
            handler, calibration = self._handler(), stored_calibration(project.manifest)
            for files in label_sets(self.label_files, handler.tracker, project.views):
                found = show_label_files(project, handler, files, self.data_dir, display)
                for warning in confidence_warnings(found, told_files(files), calibration):
                    display.message(f"warning: {warning}")

    def _evaluate_tables(self, truth: Sequence[Path], display: Display) -> None:
        """Print and write the metrics of tables of predictions."""
        from lp_analysis.metrics.animal_files import (
            METRIC_FILES,
            read_video_tables,
            write_animal_metrics,
        )
        from lp_analysis.metrics.animals import AnimalOptions, evaluate_animals
        from lp_analysis.terminal_tables import animal_metrics_table

        tables = [self.model_dir, *(self.label_files or ())]
        if len(tables) != len(truth):
            raise EvaluationError(f"{len(tables)} tables of predictions, but {len(truth)} --truth")
        for path in self.output or ():
            check_output_file(path, METRIC_FILES)
        metrics = evaluate_animals(
            {
                str(table): read_video_tables(table, true, self.fps)
                for table, true in zip(tables, truth, strict=True)
            },
            AnimalOptions(body_length=self.body_length),
        )
        display.show(animal_metrics_table(metrics))
        for note in metrics.notes:
            display.message(f"note: {note}")
        for path in self.output or ():
            write_animal_metrics(metrics, path)
            display.message(f"written: {path}")

    def _handler(self) -> PredictionHandler:
        from lp_pipeline.model import Model

        model = Model.from_dir(self.model_dir, device=self.device, chunk=self.batch_size)
        return model.handler


def _check_files(files: Sequence[Path]) -> None:
    """Refuse label files that do not exist, or whose predictions would go into one file."""
    for file in files:
        if not file.is_file():
            raise EvaluationError("there is no such label file", where=file)
    refuse_same_names(files)
