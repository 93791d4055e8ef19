"""``litpose demo``: the whole job on a synthetic project, measured against the exact truth."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_core.display import Display
from lp_core.paths import check_output_folder
from lp_core.text import quoted
from lp_io.model_directory import ERROR_PLOT
from lp_io.training_lock import check_free
from lp_pipeline.cli.session import quieten_libraries, start_session
from lp_pipeline.display import terminal_display
from lp_pipeline.errors import PipelineError

if TYPE_CHECKING:
    from lp_pipeline.model import Model
    from lp_synthetic import SyntheticProject, SyntheticSettings

MODEL_FOLDER = "model"
PROJECT_FOLDER = "project"
TABLE = "predictions.csv"
VIDEO = "labeled_video.mp4"


@dataclass(frozen=True)
class Demo:
    """Make a synthetic project, train a tracker on it, and track a video."""

    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")] = Path("demo")
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier demo.")] = False
    seed: Annotated[int, typer.Option(help="Another seed makes another animal.")] = 0
    animals: Annotated[
        int, typer.Option(help="Animals in every frame, 1 to 6; of several, only make the project.")
    ] = 1
    cameras: Annotated[
        int, typer.Option(help="Calibrated cameras, 1 to 6; of several, only make the project.")
    ] = 1

    def run(self) -> None:
        """Generate, train, predict, compare, and say where everything is."""
        from lp_analysis.figures.truth import write_truth_errors

        start_session()
        display = terminal_display()
        started = time.monotonic()
        folder, settings = self.folder, self._settings()
        _clear(folder, overwrite=self.overwrite)
        project = _generate(folder / PROJECT_FOLDER, settings, display)
        if project.individuals:
            names = ", ".join(project.individuals)
            display.message(f"a project with the animals {names}: {project.folder}")
        if project.views:
            names = ", ".join(project.views)
            display.message(f"a project with the cameras {names}: {project.folder}")
        if project.individuals or project.views:
            return
        model = _train(folder, display)
        _predict(model, project, folder, display)
        truth = project.truth[project.test_video.stem]
        errors = write_truth_errors(truth, folder / TABLE, folder / ERROR_PLOT)
        minutes = (time.monotonic() - started) / 60
        display.message("")
        display.message("mean error on the held-out video, against the exact truth:")
        for what, error in errors.items():
            share = 100 * error / project.body_length_px
            display.message(
                f"  {what:<20} {error:.2f} px, {share:.1f} % of the animal's body length"
            )
        display.message(f"error plot:     {folder / ERROR_PLOT}")
        display.message(f"predictions:    {folder / TABLE}")
        display.message(f"done in {minutes:.1f} minutes. What to try next:")
        display.message(
            f"  litpose predict {quoted(folder / MODEL_FOLDER)} {quoted(project.ood_video)} "
            "--labeled-video"
        )
        display.message("  litpose train YOUR_CONFIG.yaml data.data_dir=YOUR_PROJECT")

    def _settings(self) -> SyntheticSettings:
        from lp_synthetic import SyntheticSettings

        if self.cameras != 1:
            return SyntheticSettings.multiview(self.cameras, self.seed, self.animals)
        if self.animals == 1:
            return SyntheticSettings(seed=self.seed)
        return SyntheticSettings.several(self.animals, self.seed)


def _clear(folder: Path, *, overwrite: bool) -> None:
    check_output_folder(folder)
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    is_demo = (folder / PROJECT_FOLDER / "project.json").is_file()
    if not (overwrite and is_demo):
        remedy = (
            "pass --overwrite to replace the earlier demo" if is_demo else "name another folder"
        )
        raise PipelineError("the folder for the demo is not empty", where=folder, remedy=remedy)
    check_free(folder / MODEL_FOLDER)
    shutil.rmtree(folder)


def _generate(folder: Path, settings: SyntheticSettings, display: Display) -> SyntheticProject:
    from lp_synthetic import generate_project

    with display.task("making a synthetic project", 100) as update:
        return generate_project(
            folder, settings, progress=lambda done, total: update(100 * done // total)
        )


def _train(folder: Path, display: Display) -> Model:
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.model import Model
    from lp_pipeline.training.run import train

    quieten_libraries()
    with as_file(files("lp_pipeline.cli").joinpath("synthetic.yaml")) as config:
        loaded = load_config(config, [f"data.data_dir={folder / PROJECT_FOLDER}"])
    model_dir = folder / MODEL_FOLDER
    setup = train(loaded, model_dir, display=display)
    evaluate_training(setup, loaded.config, model_dir, display=display)
    return Model.from_dir(model_dir)


def _predict(model: Model, project: SyntheticProject, folder: Path, display: Display) -> None:
    from lp_analysis.prediction.videos import VideoPredictor
    from lp_analysis.rendering.style import DrawingStyle

    style = DrawingStyle(confidence_threshold=0.1, trail=6, legend=True, skeleton=project.skeleton)
    predictor = VideoPredictor(
        model.handler,
        model.scorer,
        model.calibration,
        {},
        style,
        display=display,
        animals=model.animals,
    )
    predictor.predict(project.test_video, folder / TABLE)
    predictor.draw(project.test_video, folder / TABLE, folder / VIDEO)
