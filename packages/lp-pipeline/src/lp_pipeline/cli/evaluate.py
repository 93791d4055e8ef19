"""``litpose evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_analysis.errors import EvaluationError
from lp_core.memory import explained_memory_errors
from lp_pipeline.cli.options import Device, ModelDir
from lp_pipeline.cli.session import refuse_same_names, start_session
from lp_pipeline.display import terminal_display

if TYPE_CHECKING:
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
        """Evaluate label files, or all that a model directory was trained on and has predicted."""
        start_session()
        display = terminal_display()
        if self.data_dir is not None and not self.data_dir.is_dir():
            raise EvaluationError("there is no such folder", where=f"--data-dir: {self.data_dir}")
        _check_files(self.label_files or ())
        from lp_pipeline.evaluation.evaluate_model import evaluate_project, show_label_file
        from lp_pipeline.evaluation.model_project import ModelProject, told_pose_metrics

        project = ModelProject.from_dir(self.model_dir, data_dir=self.data_dir)
        told_pose_metrics(project, display)
        remedy = f"lower --batch-size (now {self.batch_size})"
        with explained_memory_errors(EvaluationError, remedy):
            if not self.label_files:
                evaluate_project(project, self._handler, display)
                return
            handler = self._handler()
            for file in self.label_files:
                show_label_file(project, handler, file, self.data_dir, display)

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
