"""The commands about projects and plug-ins: convert, check, preview, list, new-model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lp_pipeline.cli.completion import complete_kind
from lp_pipeline.cli.overrides import CommandWithOverrides, Overrides


def add_project_commands(app: typer.Typer) -> None:
    """Add the commands of this file to ``litpose``."""
    app.command(rich_help_panel="Projects")(convert)
    app.command(rich_help_panel="Projects")(check)
    app.command(cls=CommandWithOverrides, rich_help_panel="Projects")(preview)
    app.command("list", rich_help_panel="Plug-ins")(list_plugins)
    app.command("new-model", rich_help_panel="Plug-ins")(new_model)


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


def check(
    project: Annotated[Path, typer.Argument(help="A project's folder.")],
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="List every problem, however many are alike.")
    ] = False,
) -> None:
    """List everything that is wrong with a project, and what it holds."""
    from lp_pipeline.cli.inspect import run_check

    run_check(project, verbose=verbose)


def preview(
    config: Annotated[Path, typer.Argument(help="A config in YAML.")],
    overrides: Overrides = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The .png to write.")] = Path(
        "preview.png"
    ),
) -> None:
    """Write a picture of augmented training images with their keypoints."""
    from lp_pipeline.cli.preview import run_preview

    run_preview(config, overrides or [], output)


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


def new_model(
    name: Annotated[str, typer.Argument(help="Its name, for model.model_type.")],
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it; default: NAME-tracker.")
    ] = None,
) -> None:
    """Write a plug-in with a tracker of your own, ready to install, test and train."""
    from lp_pipeline.cli.new_model import run_new_model

    run_new_model(name, folder)
