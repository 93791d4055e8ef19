"""The commands that train and predict: demo, train, predict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lp_pipeline.cli.completion import complete_device, complete_precision, complete_reader
from lp_pipeline.cli.overrides import CommandWithOverrides, Overrides


def add_training_commands(app: typer.Typer) -> None:
    """Add the commands of this file to ``litpose``."""
    app.command(rich_help_panel="Train and predict")(demo)
    app.command(cls=CommandWithOverrides, rich_help_panel="Train and predict")(train)
    app.command(rich_help_panel="Train and predict")(predict)


def demo(
    folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")] = Path(
        "demo"
    ),
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier demo.")] = False,
    seed: Annotated[int, typer.Option(help="Another seed makes another animal.")] = 0,
) -> None:
    """Make a synthetic project, train a tracker on it, and track a video."""
    from lp_pipeline.cli.demo import run_demo

    run_demo(folder, overwrite=overwrite, seed=seed)


def train(
    config: Annotated[
        Path | None, typer.Argument(help="A config in YAML; none with --resume.")
    ] = None,
    overrides: Overrides = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "--output_dir", "-o", help="The model directory to make."),
    ] = None,
    overwrite: Annotated[bool, typer.Option(help="Replace an earlier model directory.")] = False,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="MODEL_DIR", help="Go on with the training in this folder that was stopped."
        ),
    ] = None,
) -> None:
    """Train a tracker."""
    from lp_pipeline.cli.train import TrainRequest, run_train

    run_train(TrainRequest(config, tuple(overrides or ()), output_dir, overwrite, resume))


def predict(
    model_dir: Annotated[Path, typer.Argument(help="What `litpose train` made.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Videos, images, folders of either, or label files (CSV)."),
    ],
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Where tables go; default: in MODEL_DIR."),
    ] = None,
    labeled_video: Annotated[
        bool, typer.Option("--labeled-video", help="Also write videos with the keypoints drawn.")
    ] = False,
    overwrite: Annotated[bool, typer.Option(help="Predict again what is done.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the middle of videos that were interrupted.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda or mps.", autocompletion=complete_device)
    ] = "auto",
    precision: Annotated[
        str,
        typer.Option(
            help="32-true; or bf16-mixed, which is faster where the processor has it and moves "
            "keypoints by about a tenth of a pixel; or 16-mixed, for GPUs.",
            autocompletion=complete_precision,
        ),
    ] = "32-true",
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Frames at once; by default 32, on a CUDA GPU up to 128."),
    ] = None,
    reader: Annotated[
        str, typer.Option(help="A video reader, or auto.", autocompletion=complete_reader)
    ] = "auto",
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Boxes to cut frames to: a CSV file with the columns x, y, h, w, or a folder with "
            "INPUT_bbox.csv for each input; default, for a model trained on boxes: beside it."
        ),
    ] = None,
) -> None:
    """Predict videos, folders and label files with a trained tracker."""
    from lp_pipeline.cli.predict import run_predict
    from lp_pipeline.cli.predict_inputs import PredictRequest

    run_predict(
        PredictRequest(
            model_dir=model_dir,
            inputs=tuple(inputs),
            output_dir=output_dir,
            labeled_video=labeled_video,
            overwrite=overwrite,
            resume=resume,
            device=device,
            precision=precision,
            batch_size=batch_size,
            reader=reader,
            boxes=boxes,
        )
    )
