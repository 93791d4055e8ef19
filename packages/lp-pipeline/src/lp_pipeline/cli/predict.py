"""``litpose predict``."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from lp_core.errors import LPError, nearest_name
from lp_pipeline.builders.videos import IMAGE_SUFFIXES, VIDEO_SUFFIXES, list_videos
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import Display, terminal_or_plain
from lp_pipeline.errors import PredictionError

if TYPE_CHECKING:
    from lp_pipeline.evaluation.metrics import FrameMetric
    from lp_pipeline.model import Model


@dataclass(frozen=True)
class PredictRequest:
    """What the command line asks for."""

    model_dir: Path
    inputs: tuple[Path, ...]
    output_dir: Path | None
    labeled_video: bool
    overwrite: bool
    resume: bool
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
        PredictionError: A path is not there, or is neither, or two would share their output.
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
    _refuse_same_names(labels, videos)
    return Inputs(tuple(labels), tuple(videos))


def _refuse_same_names(*kinds: list[Path]) -> None:
    """Refuse inputs whose predictions would go to one and the same file.

    Raises:
        PredictionError: There are some.
    """
    for paths in kinds:
        names = Counter(path.stem for path in paths)
        same = [path for path in paths if names[path.stem] > 1]
        if same:
            raise PredictionError(
                "inputs of the same name would be predicted into the same file",
                where=", ".join(map(str, same)),
                remedy="predict them one by one, each with another --output-dir",
            )


def _has(folder: Path, suffixes: frozenset[str]) -> bool:
    return any(file.suffix.lower() in suffixes for file in folder.iterdir())


def run_predict(request: PredictRequest) -> None:
    """Predict everything that was asked for, one after the other.

    Raises:
        LPError: Something could not be predicted; all the rest is.
    """
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
    metrics, tally = pose_metrics.metrics, Tally()
    works = [
        *(
            (file, partial(_predict_labels, model, file, request, metrics, display))
            for file in inputs.label_files
        ),
        *(
            (video, partial(_predict_video, model, video, request, metrics, display, tally))
            for video in inputs.videos
        ),
    ]
    try:
        do_all(works, display)
    except KeyboardInterrupt:
        display.message("what is predicted so far is kept: go on with the same and --resume")
        raise
    finally:
        if tally.videos > 1:
            display.message(tally.text)


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


def _predict_labels(
    model: Model,
    file: Path,
    request: PredictRequest,
    metrics: Mapping[str, FrameMetric],
    display: Display,
) -> None:
    """One label file into ``image_preds/<name>/predictions.csv``."""
    from lp_data.labels import read_labels
    from lp_pipeline.cli.train import show_errors
    from lp_pipeline.prediction.labeled import predict_labels
    from lp_pipeline.prediction.labeled_files import write_labeled_prediction

    folder = (request.output_dir or request.model_dir / "image_preds") / file.stem
    table = folder / "predictions.csv"
    if _is_done(table, request, display):
        return
    result = predict_labels(model.handler, read_labels(file), file.parent, display=display)
    write_labeled_prediction(result, table, model.scorer, model.calibration, metrics=metrics)
    show_errors(result)
    display.message(f"{file.name}: {len(result.table)} images -> {table}")


def _predict_video(
    model: Model,
    video: Path,
    request: PredictRequest,
    metrics: Mapping[str, FrameMetric],
    display: Display,
    tally: Tally,
) -> None:
    """One video into ``video_preds/<name>.csv``, and a labelled video if asked for."""
    from lp_pipeline.evaluation.model_project import eval_options
    from lp_pipeline.evaluation.video_report import drawing_style
    from lp_pipeline.rendering.prediction_video import labeled_video_path, render_prediction

    table = _video_table(video, request)
    if not _is_done(table, request, display):
        _write_tables(model, video, request, metrics, display, tally)
    elif request.resume:
        _write_missing_metrics(table, metrics)
    path = labeled_video_path(table)
    if request.labeled_video and not (request.resume and _is_newer(path, table)):
        style = drawing_style(eval_options(request.model_dir))
        render_prediction(video, table, path, reader=request.reader, style=style, display=display)
        display.message(
            f"labelled video: {path} (confidence of at least {style.confidence_threshold:g}, as "
            "eval.confidence_thresh_for_vid says; `litpose render` draws as you like)"
        )


def _video_table(video: Path, request: PredictRequest) -> Path:
    return (request.output_dir or request.model_dir / "video_preds") / f"{video.stem}.csv"


def _write_tables(
    model: Model,
    video: Path,
    request: PredictRequest,
    metrics: Mapping[str, FrameMetric],
    display: Display,
    tally: Tally,
) -> None:
    """The table of coordinates, and those of metrics."""
    from lp_pipeline.prediction.metric_tables import write_metric_tables
    from lp_pipeline.prediction.videos import predict_video_file

    table, start = _video_table(video, request), time.perf_counter()
    result = predict_video_file(
        model.handler,
        video,
        table,
        scorer=model.scorer,
        reader=request.reader,
        calibration=model.calibration,
        display=display,
        resume=request.resume,
    )
    if result.damage:
        display.message(f"warning: {video.name}: {result.damage}")
    write_metric_tables(table, metrics)
    seconds, frames = time.perf_counter() - start, result.frames - result.resumed
    tally.add(frames, seconds)
    before = f" ({result.resumed} of them earlier)" if result.resumed else ""
    display.message(
        f"{video.name}: {result.frames} frames{before}, {frames / seconds:.0f} per second "
        f"-> {table}"
    )


def _write_missing_metrics(table: Path, metrics: Mapping[str, FrameMetric]) -> None:
    """The tables of metrics that an interrupted run did not come to."""
    from lp_pipeline.evaluation.metric_files import metric_path
    from lp_pipeline.prediction.metric_tables import write_metric_tables

    missing = {
        name: metric for name, metric in metrics.items() if not metric_path(table, name).exists()
    }
    write_metric_tables(table, missing)


def _is_newer(path: Path, other: Path) -> bool:
    return path.exists() and path.stat().st_mtime_ns >= other.stat().st_mtime_ns


def _is_done(table: Path, request: PredictRequest, display: Display) -> bool:
    """Whether a table is there and is to stay."""
    if not table.exists() or request.overwrite:
        return False
    display.message(f"{table} is there already; --overwrite predicts it again")
    return True
