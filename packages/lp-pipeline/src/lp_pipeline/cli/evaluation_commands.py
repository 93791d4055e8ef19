"""The commands that look at predictions: evaluate, compare, render, outliers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ModelDir = Annotated[Path, typer.Argument(help="What `litpose train` made.")]
Reader = Annotated[str, typer.Option(help="A video reader, or auto.")]
Overwrite = Annotated[bool, typer.Option(help="Replace what is there.")]


def add_evaluation_commands(app: typer.Typer) -> None:
    """Add the commands of this file to ``litpose``."""
    for command in (evaluate, compare, outliers, render):
        app.command(rich_help_panel="Look at predictions")(command)


def evaluate(
    model_dir: ModelDir,
    label_files: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[LABELS.csv]...",
            help="Label files to evaluate by themselves; default: all that the model knows.",
        ),
    ] = None,
    data_dir: Annotated[
        Path | None,
        typer.Option(
            "--data-dir",
            help="Where the images are; default: as the config says, or beside LABELS.csv.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    batch_size: Annotated[int, typer.Option(min=1, help="Images at once.")] = 32,
) -> None:
    """Compute the metric tables and the report of a model directory again.

    Without LABELS.csv: of the labels of its training, of CollectedData_new.csv and _test.csv beside
    them, and of the videos that it has predicted. Where the images are not at hand, of the
    predictions that the model directory holds.
    """
    from lp_pipeline.cli.evaluate import EvaluateRequest, run_evaluate

    run_evaluate(EvaluateRequest(model_dir, tuple(label_files or ()), data_dir, device, batch_size))


def compare(
    model_dirs: Annotated[
        list[Path] | None, typer.Argument(metavar="[MODEL_DIR]...", help="Model directories.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME=DIR,DIR...",
            help="Models that count as one, such as the seeds of one recipe; may be repeated. "
            "Without it, models are one group if their configs differ in seeds only.",
        ),
    ] = None,
    frames: Annotated[
        str,
        typer.Option(help="held-out (validation and test), validation, test, train or all."),
    ] = "held-out",
    labels: Annotated[
        str,
        typer.Option(help="own, new or test: the label file whose predictions are compared."),
    ] = "own",
    own_frames: Annotated[
        bool,
        typer.Option("--own-frames", help="Each model on all its frames, not on common ones only."),
    ] = False,
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Also write a .csv or a .png; may be repeated."),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
) -> None:
    """Compare the pixel errors of models, with 95 % intervals over frames and, in groups, seeds."""
    from lp_pipeline.cli.compare import CompareRequest, run_compare

    run_compare(
        CompareRequest(
            model_dirs=tuple(model_dirs or ()),
            groups=tuple(group or ()),
            frames=frames,
            labels=labels,
            own_frames=own_frames,
            outputs=tuple(output or ()),
            resamples=resamples,
            seed=seed,
        )
    )


def outliers(
    model_dir: ModelDir,
    video: Annotated[Path, typer.Argument(help="A video that the model has predicted.")],
    predictions: Annotated[
        Path | None,
        typer.Option(help="Its table of predictions; default: in MODEL_DIR/video_preds."),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Default: outliers/VIDEO beside the predictions."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Frames per metric.")] = 10,
    length: Annotated[
        int, typer.Option(min=1, help="Frames of a clip, and between frames of one metric.")
    ] = 60,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least confidence of a keypoint whose movement and pose are judged: the "
            "calibrated one where the model has one, else the likelihood; default: "
            "eval.confidence_thresh_for_vid of the config.",
        ),
    ] = None,
    clips: Annotated[bool, typer.Option(help="Write clips, or the table only.")] = True,
    reader: Reader = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Find frames of a video whose predictions look wrong, and cut clips of them."""
    from lp_pipeline.cli.outliers import OutliersRequest, run_outliers

    run_outliers(
        OutliersRequest(
            model_dir=model_dir,
            video=video,
            predictions=predictions,
            output_dir=output_dir,
            count=count,
            length=length,
            threshold=threshold,
            clips=clips,
            reader=reader,
            overwrite=overwrite,
        )
    )


def render(
    video: Annotated[Path, typer.Argument(help="A video.")],
    table: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="Its predictions: .csv, .h5, .parquet, .json (COCO), .slp or .nc (movement).",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The .mp4 to write; default: in labeled_videos beside the predictions.",
        ),
    ] = None,
    skeleton: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIRST-SECOND",
            help="Two keypoints to join; may be repeated. Default: data.skeleton of the model in "
            "whose folder the table is.",
        ),
    ] = None,
    colormap: Annotated[
        str | None,
        typer.Option(
            help="distinct, or one of matplotlib's; default: eval.colormap of the model that the "
            "table is in, else distinct."
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least confidence of a keypoint to draw: the calibrated one where the model has "
            "one, else the likelihood; default: eval.confidence_thresh_for_vid of the model that "
            "the table is in, else 0.9.",
        ),
    ] = None,
    trail: Annotated[int, typer.Option(min=0, help="Past frames that leave a trail.")] = 0,
    radius: Annotated[float | None, typer.Option(min=0.1, help="Of a keypoint, in px.")] = None,
    legend: Annotated[bool, typer.Option(help="Name the keypoints beside the frame.")] = True,
    first: Annotated[int, typer.Option(min=0, help="First frame to draw.")] = 0,
    last: Annotated[int | None, typer.Option(min=0, help="Last frame to draw.")] = None,
    reader: Reader = "auto",
    overwrite: Overwrite = False,
) -> None:
    """Draw a table of predictions, also of Lightning Pose, DeepLabCut or SLEAP, on its video."""
    from lp_pipeline.cli.render import RenderRequest, run_render

    run_render(
        RenderRequest(
            video=video,
            table=table,
            output=output,
            skeleton=tuple(skeleton or ()),
            colormap=colormap,
            threshold=threshold,
            trail=trail,
            radius=radius,
            legend=legend,
            first=first,
            last=last,
            reader=reader,
            overwrite=overwrite,
        )
    )
