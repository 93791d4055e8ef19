"""``litpose train``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rich.console import Console

from lp_pipeline.cli.session import quieten_libraries, start_session
from lp_pipeline.config.load import load_config
from lp_pipeline.display import Display, terminal_or_plain
from lp_pipeline.evaluation.summary import PixelErrorSummary
from lp_pipeline.evaluation.tables import pixel_error_table
from lp_pipeline.prediction.labeled import LabeledPrediction, mean_error

HELD_OUT = ("validation", "test")


def run_train(
    config_file: Path, overrides: list[str], output_dir: Path | None, *, overwrite: bool
) -> None:
    """Train, evaluate, and say where everything is."""
    start_session()
    loaded = load_config(config_file, overrides, check_paths=True)
    display = terminal_or_plain()
    for note in loaded.notes:
        display.message(f"note: {note}")
    from lp_pipeline.training.after import evaluate_training, predict_videos
    from lp_pipeline.training.run import train

    quieten_libraries()
    model_dir = output_dir or default_model_dir()
    setup = train(loaded, model_dir, overwrite=overwrite, display=display)
    result = evaluate_training(setup, loaded.config, model_dir, display=display)
    tables = predict_videos(setup.tracker, loaded.config, model_dir, display=display)
    show_errors(result)
    _say_where(model_dir, tables, display)


def default_model_dir() -> Path:
    """A folder named after the moment."""
    now = datetime.now().astimezone()
    return Path("outputs") / now.strftime("%Y-%m-%d") / now.strftime("%H-%M-%S")


def show_errors(result: LabeledPrediction) -> None:
    """Print the table of pixel errors, and the mean over the frames held out."""
    names = result.table.keypoint_names
    summary = PixelErrorSummary.from_errors(result.errors, names, result.sets)
    console = Console()
    console.print(pixel_error_table(summary))
    held_out = mean_error(result, HELD_OUT)
    console.print(f"mean pixel error over held-out frames (validation and test): {held_out:.2f} px")


def _say_where(model_dir: Path, tables: list[Path], display: Display) -> None:
    display.message(f"model directory: {model_dir}")
    display.message(f"predictions of the labelled frames: {model_dir / 'predictions.csv'}")
    display.message(f"error plot: {model_dir / 'error_plot.png'}")
    display.message(f"report: {model_dir / 'report.html'}")
    for table in tables:
        display.message(f"predictions of a video: {table}")
    display.message(f"next: litpose predict {model_dir} YOUR_VIDEO --labeled-video")
