"""``litpose evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_analysis.errors import EvaluationError
from lp_core.memory import explained_memory_errors
from lp_core.text import quoted
from lp_pipeline.cli.options import Device, ModelDir
from lp_pipeline.cli.session import refuse_same_names, start_session
from lp_pipeline.display import Display, terminal_display

if TYPE_CHECKING:
    from lp_analysis.labeled_predictions import LabeledPrediction
    from lp_pipeline.evaluation.model_project import ModelProject
    from lp_pipeline.prediction.handler import PredictionHandler


@dataclass(frozen=True)
class Evaluate:
    """Compute the metric tables and the report of a model directory again.

    Without LABELS.csv: of the labels of its training, of CollectedData_new.csv and _test.csv beside
    them, and of the videos that it has predicted. Where the images are not at hand, of the
    predictions that the model directory holds.
    """

    model_dir: ModelDir
    label_files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[LABELS.csv]...",
            help="Label files to evaluate by themselves; default: all that the model knows.",
        ),
    ] = None
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            help="Where the images are; default: as the config says, or beside LABELS.csv.",
        ),
    ] = None
    device: Device = "auto"
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32

    def run(self) -> None:
        """Evaluate label files, or all that a model directory was trained on and has predicted.

        Raises:
            EvaluationError: A folder or a label file is not there, or the memory is not enough.
        """
        start_session()
        display = terminal_display()
        if self.data_dir is not None and not self.data_dir.is_dir():
            raise EvaluationError("there is no such folder", where=f"--data-dir: {self.data_dir}")
        _check_files(self.label_files or ())
        from lp_pipeline.evaluation.model_project import ModelProject

        project = ModelProject.from_dir(self.model_dir, data_dir=self.data_dir)
        for note in project.pose_metrics.notes:
            display.message(f"note: {note}")
        remedy = f"lower --batch-size (now {self.batch_size})"
        with explained_memory_errors(EvaluationError, remedy):
            if self.label_files:
                _evaluate_files(project, self, display)
            else:
                _evaluate_all(project, self, display)


def _check_files(files: Sequence[Path]) -> None:
    """Refuse label files that do not exist, or whose predictions would go into one file."""
    for file in files:
        if not file.is_file():
            raise EvaluationError("there is no such label file", where=file)
    refuse_same_names(files)


def _handler(request: Evaluate) -> PredictionHandler:
    from lp_pipeline.model import Model

    model = Model.from_dir(request.model_dir, device=request.device, chunk=request.batch_size)
    return model.handler


def _evaluate_files(project: ModelProject, request: Evaluate, display: Display) -> None:
    """Label files by themselves, with one and the same model."""
    handler = _handler(request)
    for file in request.label_files or ():
        _evaluate_file(project, handler, file, request.data_dir, display)


def _evaluate_file(
    project: ModelProject,
    handler: PredictionHandler,
    file: Path,
    data_dir: Path | None,
    display: Display,
) -> None:
    """One label file by itself."""
    from lp_pipeline.cli.train import show_errors
    from lp_pipeline.evaluation.evaluate_model import evaluate_label_file

    result, path = evaluate_label_file(project, handler, file, data_dir=data_dir, display=display)
    show_errors(result, display)
    display.message(f"{file.name}: {len(result.labels)} images -> {path}")


def _evaluate_all(project: ModelProject, request: Evaluate, display: Display) -> None:
    """The training's labels, label files beside them, and the metrics of predicted videos."""
    from lp_pipeline.cli.train import show_errors
    from lp_pipeline.evaluation.evaluate_model import (
        evaluate_video_tables,
        outdated_tables,
        write_project_evaluation,
    )
    from lp_pipeline.evaluation.model_report import write_model_report

    result, handler = _project_labels(project, request, display)
    write_project_evaluation(project, result)
    if handler is not None:
        for file in project.other_label_files():
            _evaluate_file(project, handler, file, project.data_dir, display)
    tables = evaluate_video_tables(project)
    for table in outdated_tables(project.folder, tables):
        display.message(
            f"warning: other weights have predicted {table} than the model has now: the report "
            f"leaves it out; litpose predict {quoted(project.folder)} VIDEO --overwrite predicts "
            "it again"
        )
    report = write_model_report(project, result, display=display)
    show_errors(result, display)
    for table in tables:
        display.message(f"metrics of a predicted video: beside {table}")
    display.message(f"report: {report}")


def _project_labels(
    project: ModelProject, request: Evaluate, display: Display
) -> tuple[LabeledPrediction, PredictionHandler | None]:
    """Predictions of the training's labels, made now where the images are there."""
    from lp_io.model_directory import PREDICTIONS
    from lp_pipeline.evaluation.evaluate_model import (
        outdated_tables,
        predict_project_labels,
        stored_project_labels,
    )

    if project.has_images:
        handler = _handler(request)
        return predict_project_labels(project, handler, display=display), handler
    result = stored_project_labels(project)
    if outdated_tables(project.folder, [project.folder / PREDICTIONS]):
        raise EvaluationError(
            "other weights have predicted this table than the model has now, and the labelled "
            "images are not there",
            where=project.folder / PREDICTIONS,
            remedy="say where the images are by --data-dir",
        )
    display.message(
        f"note: the labelled images are not in {project.data_dir}, so nothing is predicted again: "
        "the metrics are those of predictions.csv; --data-dir says where the images are"
    )
    return result, None
