"""``litpose predict``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from lp_core.errors import nearest_name
from lp_pipeline.builders.videos import IMAGE_SUFFIXES, VIDEO_SUFFIXES, list_videos
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import Display, terminal_or_plain
from lp_pipeline.errors import PredictionError

if TYPE_CHECKING:
    from lp_pipeline.evaluation.metrics import FrameMetric


@dataclass(frozen=True)
class PredictRequest:
    """What the command line asks for."""

    model_dir: Path
    inputs: tuple[Path, ...]
    output_dir: Path | None
    labeled_video: bool
    overwrite: bool
    device: str
    precision: str
    batch_size: int
    reader: str


@dataclass(frozen=True)
class Inputs:
    """The inputs by kind: label files, and videos or what counts as one."""

    label_files: tuple[Path, ...]
    videos: tuple[Path, ...]


def sort_inputs(paths: tuple[Path, ...]) -> Inputs:
    """Tell label files from videos.

    Raises:
        PredictionError: A path is not there, or is neither.
    """
    labels: list[Path] = []
    videos: list[Path] = []
    for path in paths:
        if not path.exists():
            raise PredictionError("there is no such file or folder", where=path)
        if path.suffix.lower() == ".csv":
            labels.append(path)
        elif path.is_dir() and not _has(path, VIDEO_SUFFIXES) and _has(path, IMAGE_SUFFIXES):
            videos.append(path)
        else:
            videos.extend(list_videos(path))
    return Inputs(tuple(labels), tuple(videos))


def _has(folder: Path, suffixes: frozenset[str]) -> bool:
    return any(file.suffix.lower() in suffixes for file in folder.iterdir())


def run_predict(request: PredictRequest) -> None:
    """Predict everything that was asked for, one after the other."""
    start_session()
    inputs = sort_inputs(request.inputs)
    display = terminal_or_plain()
    from lp_pipeline.evaluation.model_project import pose_metrics_of
    from lp_pipeline.model import Model
    from lp_pipeline.prediction.calibrated import stated_radius
    from lp_pipeline.prediction.device import Precision

    if request.precision not in get_args(Precision):
        guess = nearest_name(request.precision, get_args(Precision))
        raise PredictionError(
            f"unknown precision '{request.precision}'",
            remedy=(f"did you mean '{guess}'? " if guess else "")
            + f"known: {', '.join(get_args(Precision))}",
        )
    model = Model.from_dir(
        request.model_dir,
        device=request.device,
        precision=cast("Precision", request.precision),
        chunk=request.batch_size,
    )
    if model.calibration is not None:
        display.message(
            "*_calibrated_confidence.csv: the probability that a keypoint lies "
            f"{stated_radius(model.calibration)} of the truth"
        )
    pose_metrics = pose_metrics_of(request.model_dir)
    for note in pose_metrics.notes:
        display.message(f"note: {note}")
    for file in inputs.label_files:
        _predict_labels(model, file, request, pose_metrics.metrics, display)
    for video in inputs.videos:
        _predict_video(model, video, request, pose_metrics.metrics, display)


def _predict_labels(
    model: object,
    file: Path,
    request: PredictRequest,
    metrics: Mapping[str, FrameMetric],
    display: Display,
) -> None:
    """One label file into ``image_preds/<name>/predictions.csv``."""
    from lp_data.labels import read_labels
    from lp_pipeline.cli.train import show_errors
    from lp_pipeline.model import Model
    from lp_pipeline.prediction.labeled import predict_labels
    from lp_pipeline.prediction.labeled_files import write_labeled_prediction

    assert isinstance(model, Model)
    folder = (request.output_dir or request.model_dir / "image_preds") / file.stem
    table = folder / "predictions.csv"
    if _is_done(table, request, display):
        return
    result = predict_labels(model.handler, read_labels(file), file.parent, display=display)
    write_labeled_prediction(result, table, model.scorer, model.calibration, metrics=metrics)
    show_errors(result)
    display.message(f"{file.name}: {len(result.table)} images -> {table}")


def _predict_video(
    model: object,
    video: Path,
    request: PredictRequest,
    metrics: Mapping[str, FrameMetric],
    display: Display,
) -> None:
    """One video into ``video_preds/<name>.csv``, and a labelled video if asked for."""
    import time

    from lp_pipeline.model import Model
    from lp_pipeline.prediction.metric_tables import write_metric_tables
    from lp_pipeline.prediction.videos import predict_video_file
    from lp_pipeline.rendering.prediction_video import labeled_video_path, render_prediction

    assert isinstance(model, Model)
    folder = request.output_dir or request.model_dir / "video_preds"
    table = folder / f"{video.stem}.csv"
    if not _is_done(table, request, display):
        start = time.perf_counter()
        result = predict_video_file(
            model.handler,
            video,
            table,
            scorer=model.scorer,
            reader=request.reader,
            calibration=model.calibration,
            display=display,
        )
        if result.damage:
            display.message(f"warning: {video.name}: {result.damage}")
        write_metric_tables(table, metrics)
        seconds = time.perf_counter() - start
        speed = result.frames / seconds
        display.message(f"{video.name}: {result.frames} frames, {speed:.0f} per second -> {table}")
    if request.labeled_video:
        path = labeled_video_path(table)
        render_prediction(video, table, path, reader=request.reader, display=display)
        display.message(f"labelled video: {path}")


def _is_done(table: Path, request: PredictRequest, display: Display) -> bool:
    """Whether a table is there and is to stay."""
    if not table.exists() or request.overwrite:
        return False
    display.message(f"{table} is there already; --overwrite predicts it again")
    return True
