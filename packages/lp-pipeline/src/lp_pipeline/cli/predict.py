"""``litpose predict``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from lp_core.display import Display
from lp_core.errors import LPError
from lp_core.paths import check_output_folder, refuse_same_names
from lp_pipeline.cli.export import predict_exported
from lp_pipeline.cli.options import Device, ModelDir, Reader, one_of
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import terminal_display
from lp_pipeline.errors import PredictionError


@dataclass(frozen=True)
class Predict:
    """Predict videos, folders and label files with a trained tracker."""

    model_dir: ModelDir
    inputs: Annotated[
        list[Path], typer.Argument(help="Videos, images, folders of either, or label files (CSV).")
    ]
    output_dir: Annotated[
        Path | None,
        typer.Option("--output-dir", "-o", help="Where tables go; default: in MODEL_DIR."),
    ] = None
    labeled_video: Annotated[
        bool, typer.Option("--labeled-video", help="Also write videos with the keypoints drawn.")
    ] = False
    overwrite: Annotated[bool, typer.Option(help="Predict again what is done.")] = False
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on in the middle of videos that were interrupted.")
    ] = False
    device: Device = "auto"
    precision: Annotated[
        str,
        typer.Option(
            help="32-true; or bf16-mixed, which is faster where the processor has it and moves "
            "keypoints by about a tenth of a pixel; or 16-mixed, for GPUs.",
            autocompletion=one_of("32-true", "bf16-mixed", "16-mixed"),
        ),
    ] = "32-true"
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, help="Frames at once; by default 32, on a CUDA GPU up to 128."),
    ] = None
    reader: Reader = "auto"
    boxes: Annotated[
        Path | None,
        typer.Option(
            help="Boxes to cut frames to: a CSV file with the columns x, y, h, w, or a folder with "
            "INPUT_bbox.csv for each input; default, for a model trained on boxes: beside it."
        ),
    ] = None
    points: Annotated[
        Literal["csv", "parquet", "nc", "none"],
        typer.Option(help="The format of points in space, of sessions of calibrated cameras."),
    ] = "csv"
    members: Annotated[
        bool,
        typer.Option(
            "--members", help="Of an ensemble: also write members/NAME/VIDEO.csv for each member."
        ),
    ] = False
    rig: Annotated[
        Path | None,
        typer.Option(help="The calibrated cameras; default: found by the videos or the project."),
    ] = None
    poses: Annotated[
        bool, typer.Option(help="Let the poses of the labels count for points in space.")
    ] = True

    def run(self) -> None:
        """Predict everything that was asked for, one after the other."""
        from lp_runtime.manifest import is_exported

        start_session()
        if is_exported(self.model_dir):
            predict_exported(self)
            return
        label_files, videos = sort_inputs(self.inputs)
        if self.output_dir is not None:
            check_output_folder(self.output_dir)
        from lp_pipeline.cli.predict_one import InputPredictor

        display = terminal_display()
        predictor = InputPredictor.of(self, display)
        works = [*predictor.label_works(label_files), *predictor.video_works(videos)]
        try:
            do_all(works, display)
        except KeyboardInterrupt:
            display.message("what is predicted so far is kept: go on with the same and --resume")
            raise
        finally:
            if predictor.tally.videos > 1:
                display.message(predictor.tally.text)


def sort_inputs(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Tell label files from videos and what counts as one; a manifest names those of a folder."""
    from lp_data.sessions import MANIFEST
    from lp_data.video.listing import list_inputs

    labels: list[Path] = []
    videos: list[Path] = []
    for path in paths:
        if not path.exists():
            raise PredictionError("there is no such file or folder", where=path)
        if (path / "manifest.json").is_file():
            raise PredictionError(
                "this is a model directory, and no input",
                where=path,
                remedy="name the model once, then videos, folders of them, or label files",
            )
        if path.suffix.lower() == ".csv":
            labels.append(path)
        else:
            videos += [path] if (path / MANIFEST).is_file() else list_inputs(path)
    refuse_same_names(labels, ONE_BY_ONE)
    refuse_same_names(videos, ONE_BY_ONE)
    return labels, videos


Work = tuple[Path, Callable[[], None]]
"""An input, and what predicts it."""

ONE_BY_ONE = "predict them one by one, each with another --output-dir"


def do_all(works: Sequence[Work], display: Display) -> None:
    """Do each piece of work, given with the input that it is about, although another one fails.

    What fails is told as it happens, and named at the end; the error of an only work is raised.
    """
    failed: list[Path] = []
    for path, work in works:
        try:
            work()
        except LPError as error:
            if len(works) == 1:
                raise
            display.message(f"error: {error}")
            failed.append(path)
    if failed:
        raise PredictionError(
            f"{len(failed)} of {len(works)} inputs could not be predicted; the others are done",
            where=", ".join(map(str, failed)),
            remedy="see above what is wrong with each; the same command skips what is done",
        )
