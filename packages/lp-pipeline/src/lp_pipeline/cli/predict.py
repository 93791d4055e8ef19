"""``litpose predict``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast, get_args

import typer

from lp_core.errors import LPError, suggestion
from lp_pipeline.cli.options import Device, ModelDir, Reader, one_of
from lp_pipeline.cli.session import check_output_folder, refuse_same_names, start_session
from lp_pipeline.display import Display, terminal_display
from lp_pipeline.errors import PredictionError

if TYPE_CHECKING:
    from lp_pipeline.cli.predict_one import InputPredictor
    from lp_pipeline.model import Model


@dataclass(frozen=True)
class Predict:
    """Predict videos, folders and label files with a trained tracker."""

    model_dir: ModelDir
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Videos, images, folders of either, or label files (CSV)."),
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

    def run(self) -> None:
        """Predict everything that was asked for, one after the other.

        Raises:
            LPError: Something could not be predicted; all the rest is.
        """
        start_session()
        inputs = sort_inputs(self.inputs)
        if self.output_dir is not None:
            check_output_folder(self.output_dir)
        display = terminal_display()
        predictor = _predictor(self, display)
        works = [
            *((file, partial(predictor.predict_labels, file)) for file in inputs.label_files),
            *((video, partial(predictor.predict_video, video)) for video in inputs.videos),
        ]
        try:
            do_all(works, display)
        except KeyboardInterrupt:
            display.message("what is predicted so far is kept: go on with the same and --resume")
            raise
        finally:
            if predictor.tally.videos > 1:
                display.message(predictor.tally.text)


def _predictor(request: Predict, display: Display) -> InputPredictor:
    """The model, ready for inputs, having said what its tables will hold."""
    from lp_analysis.confidence.stored import stated_radius
    from lp_pipeline.cli.predict_one import InputPredictor
    from lp_pipeline.evaluation.model_project import pose_metrics_of

    model = _model(request)
    if model.calibration is not None:
        display.message(
            "*_calibrated_confidence.csv: the probability that a keypoint lies "
            f"{stated_radius(model.calibration)} of the truth"
        )
    pose_metrics = pose_metrics_of(request.model_dir)
    for note in pose_metrics.notes:
        display.message(f"note: {note}")
    return InputPredictor(model, request, pose_metrics.metrics, display)


def _model(request: Predict) -> Model:
    """The model directory's tracker, on the device and in the precision asked for.

    Raises:
        PredictionError: There is no such precision.
    """
    from lp_core.devices import Precision
    from lp_pipeline.model import Model

    if request.precision not in get_args(Precision):
        raise PredictionError(
            f"unknown precision '{request.precision}'",
            remedy=suggestion(request.precision, get_args(Precision)),
        )
    return Model.from_dir(
        request.model_dir,
        device=request.device,
        precision=cast("Precision", request.precision),
        chunk=request.batch_size,
    )


@dataclass(frozen=True)
class Inputs:
    """The inputs by kind: label files, and videos or what counts as one."""

    label_files: tuple[Path, ...]
    videos: tuple[Path, ...]


def sort_inputs(paths: Sequence[Path]) -> Inputs:
    """Tell label files from videos.

    Raises:
        PredictionError: A path is not there, or is neither, or two would share their output.
    """
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
            videos.extend(list_inputs(path))
    remedy = "predict them one by one, each with another --output-dir"
    refuse_same_names(labels, remedy)
    refuse_same_names(videos, remedy)
    return Inputs(tuple(labels), tuple(videos))


@dataclass
class Tally:
    """What was predicted in all."""

    videos: int = 0
    frames: int = 0
    seconds: float = 0.0

    def add(self, frames: int, seconds: float) -> None:
        """Count one more video."""
        self.videos += 1
        self.frames += frames
        self.seconds += seconds

    @property
    def text(self) -> str:
        """In words."""
        speed = self.frames / max(self.seconds, 1e-9)
        return (
            f"{self.videos} videos: {self.frames} frames in {self.seconds:.1f} s, "
            f"{speed:.0f} per second"
        )


def do_all(works: Sequence[tuple[Path, Callable[[], None]]], display: Display) -> None:
    """Do each piece of work, although another one fails.

    Args:
        works: Each with the input that it is about.
        display: Where to say what failed, as it happens.

    Raises:
        LPError: What failed, if it is the only work.
        PredictionError: Some failed; it names them.
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
