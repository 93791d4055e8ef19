"""The entry point of ``litpose``. Nothing heavy is imported here, so that help is instant."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import Annotated

import typer

from lp_core.errors import LPError
from lp_pipeline.cli.completion import (
    complete_device,
    complete_kind,
    complete_override,
    complete_precision,
    complete_reader,
)
from lp_pipeline.cli.evaluation_commands import add_evaluation_commands
from lp_pipeline.cli.overrides import CommandWithOverrides
from lp_pipeline.errors import TrainingStoppedError

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""

app = typer.Typer(
    name="litpose",
    help="Track keypoints on animals in video.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Values that replace those of the config.",
        autocompletion=complete_override,
    ),
]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda or mps.", autocompletion=complete_device)
]


def _print_version(value: bool | None) -> None:
    if value:
        typer.echo(f"litpose {importlib.metadata.version('lp-pipeline')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = None,
) -> None:
    """Track keypoints on animals in video."""


@app.command()
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


@app.command(cls=CommandWithOverrides)
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


@app.command()
def predict(
    model_dir: Annotated[Path, typer.Argument(help="What `litpose train` made.")],
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Videos, folders of videos or images, or label files (CSV)."),
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
    device: Device = "auto",
    precision: Annotated[
        str,
        typer.Option(help="32-true, bf16-mixed or 16-mixed.", autocompletion=complete_precision),
    ] = "32-true",
    batch_size: Annotated[int, typer.Option(min=1, help="Frames at once.")] = 32,
    reader: Annotated[
        str, typer.Option(help="A video reader, or auto.", autocompletion=complete_reader)
    ] = "auto",
) -> None:
    """Predict videos, folders and label files with a trained tracker."""
    from lp_pipeline.cli.predict import PredictRequest, run_predict

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
        )
    )


@app.command()
def convert(
    source: Annotated[Path, typer.Argument(metavar="FROM", help="What to convert.")],
    target: Annotated[Path, typer.Argument(metavar="TO", help="A folder or a file to write.")],
    to: Annotated[
        str | None,
        typer.Option(
            help="The format of TO where its name does not tell: project, deeplabcut, csv, h5, "
            "parquet, coco, sleap or movement."
        ),
    ] = None,
    videos: Annotated[str, typer.Option(help="Of projects: link, copy or none.")] = "link",
    scorer: Annotated[
        str | None, typer.Option(help="Whose labels to take of a DeepLabCut project.")
    ] = None,
    individual: Annotated[
        str | None, typer.Option(help="Which animal to take where there are several.")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="The folder that a COCO file's image names start from.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(min=0.001, help="Frames per second, for movement's times.")
    ] = None,
    video: Annotated[str, typer.Option(help="The video of predictions, for SLEAP.")] = "",
    overwrite: Annotated[bool, typer.Option(help="Replace what is there.")] = False,
) -> None:
    """Convert projects, labels and predictions from and to other tools.

    FROM is told by its content: a DeepLabCut project, SLEAP labels (.slp, .pkg.slp), COCO keypoints
    (.json), a project or label file of litpose, or a table of predictions (.csv, .h5, .parquet,
    .json, .slp, .nc). A folder as TO makes a project that is ready to train from the labels of
    another tool, and a DeepLabCut project from those of litpose.
    """
    from lp_pipeline.cli.convert import run_convert
    from lp_pipeline.conversion.convert import ConvertOptions

    run_convert(
        source,
        target,
        ConvertOptions(
            to=to,
            videos=videos,
            scorer=scorer,
            individual=individual,
            images=images,
            fps=fps,
            video=video,
            overwrite=overwrite,
        ),
    )


@app.command()
def check(
    project: Annotated[Path, typer.Argument(help="A project's folder.")],
) -> None:
    """List everything that is wrong with a project, and what it holds."""
    from lp_pipeline.cli.inspect import run_check

    run_check(project)


@app.command(cls=CommandWithOverrides)
def preview(
    config: Annotated[Path, typer.Argument(help="A config in YAML.")],
    overrides: Overrides = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture to write.")] = Path(
        "preview.png"
    ),
) -> None:
    """Write a picture of augmented training images with their keypoints."""
    from lp_pipeline.cli.preview import run_preview

    run_preview(config, overrides or [], output)


@app.command("list")
def list_plugins(
    kind: Annotated[
        str,
        typer.Argument(
            help="models, backbones, losses, readers or augmentations.",
            autocompletion=complete_kind,
        ),
    ],
) -> None:
    """List what is registered, and by which distribution."""
    from lp_pipeline.cli.inspect import run_list

    run_list(kind)


@app.command("new-model")
def new_model(
    name: Annotated[str, typer.Argument(help="Its name, for model.model_type.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it; default: NAME-tracker.")
    ] = None,
) -> None:
    """Write a plug-in with a tracker of your own, ready to install, test and train."""
    from lp_pipeline.cli.new_model import run_new_model

    run_new_model(name, folder)


add_evaluation_commands(app)

config_app = typer.Typer(help="Look at a config.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(config_app, name="config")
ConfigFile = Annotated[Path, typer.Argument(help="A config in YAML.")]


@config_app.command("show", cls=CommandWithOverrides)
def config_show(config: ConfigFile, overrides: Overrides = None) -> None:
    """Print the resolved config, with the origin of each value."""
    from lp_pipeline.cli.inspect import run_config_show

    run_config_show(config, overrides or [])


@config_app.command("check", cls=CommandWithOverrides)
def config_check(config: ConfigFile, overrides: Overrides = None) -> None:
    """Check a config without training."""
    from lp_pipeline.cli.inspect import run_config_check

    run_config_check(config, overrides or [])


@config_app.command("schema")
def config_schema() -> None:
    """Print the JSON schema of configs, for editors."""
    from lp_pipeline.cli.inspect import run_config_schema

    run_config_schema()


def main() -> None:
    """Run the command; print an error in a line or three and exit with 2."""
    debug = "--debug" in sys.argv[1:]  # wherever it stands
    try:
        app([argument for argument in sys.argv[1:] if argument != "--debug"])
    except TrainingStoppedError as stop:
        typer.echo(str(stop), err=True)
        sys.exit(INTERRUPTED)
    except LPError as error:
        if debug:
            raise
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("stopped", err=True)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
