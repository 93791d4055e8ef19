"""``litpose train`` and ``litpose ensemble``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_core.display import SILENT, Display
from lp_core.paths import check_output_folder
from lp_core.text import quoted
from lp_io.model_directory import CONFIG_FILE, ERROR_PLOT, PREDICTIONS, REPORT_FILE
from lp_io.training_lock import TrainingLock
from lp_pipeline.cli.options import Overrides
from lp_pipeline.cli.session import load_for_training, quieten_libraries, start_session
from lp_pipeline.display import terminal_display
from lp_pipeline.errors import TrainingError, TrainingStoppedError

if TYPE_CHECKING:
    from lp_pipeline.config.load import LoadedConfig
    from lp_pipeline.training.setup import TrainingSetup


@dataclass(frozen=True)
class Train:
    """Train a tracker."""

    config: Annotated[Path | None, typer.Argument(help="A config in YAML; none with --resume.")] = (
        None
    )
    overrides: Overrides = None
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "--output_dir", "-o", help="The model directory to make."),
    ] = None
    seeds: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER|SEED,SEED...",
            help="Train an ensemble: so many members, or one of each seed, one after the other.",
        ),
    ] = None
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier model directory.")] = False
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL_DIR", help="Go on with the training in this folder that was stopped."
        ),
    ] = None

    def run(self) -> None:
        """Train or go on with a training, evaluate, and say where everything is."""
        start_session()
        from lp_pipeline.training.run import is_secondary_process

        display = SILENT if is_secondary_process() else terminal_display()
        if self.resume is not None:
            _resume(self, self.resume, display)
            return
        if self.output_dir is not None:
            check_output_folder(self.output_dir)
        if self.config is None:
            raise TrainingError("which config?", remedy="litpose train CONFIG.yaml; or --resume")
        loaded = load_for_training(self.config, self.overrides or ())
        for note in loaded.notes:
            display.message(f"note: {note}")
        from lp_pipeline.training.run import train

        quieten_libraries()
        model_dir = self.output_dir or default_model_dir()
        if self.seeds is not None:
            from lp_analysis.ensembles.members import seeds_of
            from lp_pipeline.evaluation.ensembles import train_ensemble

            seeds, again = seeds_of(self.seeds), self.overwrite
            train_ensemble(loaded, seeds, model_dir, overwrite=again, display=display)
            _predict_with(model_dir, display)
            return
        with TrainingLock(model_dir) as lock:
            setup = train(loaded, model_dir, overwrite=self.overwrite, display=display, lock=lock)
            _finish(setup, loaded, model_dir, display)


@dataclass(frozen=True)
class MakeEnsemble:
    """Make an ensemble of trained models, which then predict together.

    `litpose train --seeds 5` trains one. The models stay where they are.
    """

    model_dirs: Annotated[
        list[Path] | None, typer.Argument(metavar="MODEL_DIR...", help="At least one.")
    ] = None
    output_dir: Annotated[
        Path, typer.Option("--output-dir", "-o", help="The directory of the ensemble to make.")
    ] = Path("ensemble")

    def run(self) -> None:
        """Make the directory, and evaluate the ensemble on the labels."""
        start_session()
        check_output_folder(self.output_dir)
        from lp_pipeline.evaluation.ensembles import make_ensemble

        make_ensemble(self.output_dir, self.model_dirs or [], terminal_display())


def _resume(request: Train, model_dir: Path, display: Display) -> None:
    given = [str(request.config)] if request.config is not None else []
    other = request.output_dir or request.overwrite or request.seeds
    if other or (given and "=" not in given[0]):
        raise TrainingError(
            "--resume goes on in its own folder with its own config",
            remedy=f"litpose train --resume {quoted(model_dir)}",
        )
    from lp_io.checkpoint import read_ensemble
    from lp_pipeline.training.resume import load_resumable_config, resume

    quieten_libraries()
    overrides = [*given, *(request.overrides or ())]
    if read_ensemble(model_dir) is not None:
        from lp_pipeline.evaluation.ensembles import resume_ensemble

        resume_ensemble(model_dir, overrides, display)
        _predict_with(model_dir, display)
        return
    loaded = load_resumable_config(model_dir, overrides)
    with TrainingLock(model_dir) as lock:
        setup = resume(loaded, model_dir, display=display, lock=lock)
        _finish(setup, loaded, model_dir, display)


def _predict_with(ensemble: Path, display: Display) -> None:
    """Predict the videos that the config of an ensemble asks for."""
    from lp_pipeline.builders.videos import videos_to_predict
    from lp_pipeline.cli.predict import Predict
    from lp_pipeline.config.load import load_config

    config = load_config(ensemble / CONFIG_FILE).config
    draw = config.eval.save_vids_after_training
    if videos := videos_to_predict(config):
        Predict(ensemble, videos, labeled_video=draw, resume=True).run()
    display.message(f"next: litpose predict {quoted(ensemble)} YOUR_VIDEO --labeled-video")


def _finish(setup: TrainingSetup, loaded: LoadedConfig, model_dir: Path, display: Display) -> None:
    """What follows a training, and say so where Ctrl-C stops it.

    Of several processes, only the first one does it.

    Raises:
        TrainingStoppedError: Ctrl-C; the tracker is saved.
    """
    from lp_pipeline.training.run import is_secondary_process

    if is_secondary_process():
        return
    from lp_pipeline.evaluation.after_training import follow_up
    from lp_pipeline.evaluation.evaluate_model import show_errors

    try:
        labels, tables = follow_up(setup, loaded.config, model_dir, display=display)
    except KeyboardInterrupt as stop:
        raise TrainingStoppedError(
            "stopped; the tracker is trained and saved",
            remedy=f"make its tables and report with: litpose train --resume {quoted(model_dir)}",
        ) from stop
    if labels is not None:
        show_errors(labels, display)
    _say_where(model_dir, tables, display)


def default_model_dir() -> Path:
    """A folder named after the moment."""
    now = datetime.now().astimezone()
    return Path("outputs") / now.strftime("%Y-%m-%d") / now.strftime("%H-%M-%S")


def _say_where(model_dir: Path, tables: list[Path], display: Display) -> None:
    display.message(f"model directory: {model_dir}")
    for what, name in (
        ("predictions of the labelled frames", PREDICTIONS),
        ("error plot", ERROR_PLOT),
        ("report", REPORT_FILE),
    ):
        if (model_dir / name).is_file():
            display.message(f"{what}: {model_dir / name}")
    for table in tables:
        display.message(f"predictions of a video: {table}")
    display.message(f"next: litpose predict {quoted(model_dir)} YOUR_VIDEO --labeled-video")
