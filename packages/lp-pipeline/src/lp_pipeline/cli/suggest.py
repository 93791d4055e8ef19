"""``litpose suggest``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_core.display import Display
from lp_core.paths import refuse_existing
from lp_io.model_directory import MANIFEST_NAME, video_table
from lp_pipeline.cli.options import Device, Overwrite, Reader
from lp_pipeline.cli.predict import Predict, do_all, sort_inputs
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import terminal_display
from lp_pipeline.errors import PredictionError

if TYPE_CHECKING:
    from lp_analysis.prediction.videos import VideoPredictor
    from lp_analysis.suggestion import LabelFiles, PredictedVideo, Suggestion
    from lp_pipeline.config.schema import Config

TABLE = "suggested_frames.csv"


@dataclass(frozen=True)
class Suggest:
    """Suggest which frames of videos to label next, and why.

    INPUTS are a model directory and videos, which are predicted where they are not yet: frames that
    look wrong or uncertain are suggested, unlike each other. Without a model, frames are suggested
    by how they look and how much moves. Nothing that is labelled is changed or suggested again.
    """

    inputs: Annotated[
        list[Path] | None,
        typer.Argument(help="A model directory, if any, and videos or folders of them."),
    ] = None
    project: Annotated[
        Path | None,
        typer.Option(help="The config or folder of the project; default: that of the model."),
    ] = None
    count: Annotated[int, typer.Option(min=1, help="Frames of all videos together.")] = 20
    member: Annotated[
        list[Path] | None, typer.Option(help="Another model, to see where they disagree; repeated.")
    ] = None
    extract: Annotated[
        bool,
        typer.Option("--extract", help="Write images, and guesses into LABELS_suggested.csv."),
    ] = False
    accept: Annotated[
        Path | None,
        typer.Option(metavar="CSV", help="Add checked guesses to the labels, and do nothing else."),
    ] = None
    apart: Annotated[
        int | None, typer.Option(min=1, help="Frames between two; default: half a second.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same frames.")] = 0
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Default: suggested_frames.csv in MODEL_DIR, or here."),
    ] = None
    device: Device = "auto"
    reader: Reader = "auto"
    overwrite: Overwrite = False

    def run(self) -> None:
        """Suggest frames, and extract them if asked for; or add checked guesses to the labels."""
        start_session()
        from lp_analysis.suggestion import write_suggestions

        display = terminal_display()
        inputs = self.inputs or []
        model = next((path for path in inputs[:1] if (path / MANIFEST_NAME).is_file()), None)
        files = _label_files(self, model)
        if self.accept is not None:
            display.message(files.accept(self.accept).told)
            return
        others, videos = sort_inputs(inputs[model is not None :])
        if others:
            raise PredictionError("this is a table, and no video", where=others[0])
        for video in videos if self.extract else ():
            files.file_of(video)
        output = self.output or (model or Path()) / TABLE
        refuse_existing(output, overwrite=self.overwrite)
        found, tables = _suggestions(self, model, videos, files, display)
        write_suggestions(output, found)
        few = "; all others would be near-duplicates" if len(found) < self.count else ""
        display.message(f"{len(found)} frames to label next{few}: {output}")
        for each in files.extract(found, tables) if self.extract else ():
            for line in (*each.told, "check the guesses, then add them to the labels by --accept"):
                display.message(line)


def _label_files(request: Suggest, model: Path | None) -> LabelFiles:
    """The label files of the project, or the copies of them in the model directory."""
    from lp_analysis.suggestion import LabelFiles
    from lp_pipeline.evaluation.model_project import find_project

    if request.project is not None:
        return project_labels(project_config(request.project))
    trained = find_project(model)
    if trained is None:
        return LabelFiles()
    found = project_labels(trained.config)
    here = request.extract or request.accept or all(file.is_file() for file in found.files)
    return found if here else replace(found, files=tuple(trained.label_copies))


def project_config(path: Path) -> Config:
    """A config, or that of a project's folder with the labels of the usual name."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.config.schema import Config

    if not path.is_dir():
        return load_config(path).config
    return Config.model_validate({"data": {"data_dir": str(path.absolute())}})


def project_labels(config: Config) -> LabelFiles:
    """The label files of a project."""
    from lp_analysis.suggestion import LabelFiles
    from lp_pipeline.builders.views import get_views
    from lp_pipeline.config.paths import csv_files

    return LabelFiles(tuple(csv_files(config)), get_views(config))


def _suggestions(
    request: Suggest,
    model: Path | None,
    videos: list[Path],
    files: LabelFiles,
    display: Display,
) -> tuple[list[Suggestion], dict[Path, Path]]:
    """The frames, and the predictions of each video."""
    from lp_analysis.suggestion import SuggestionOptions, suggest_frames, suggest_unpredicted
    from lp_pipeline.evaluation.model_project import style_of

    labelled = files.labelled(videos)
    options = SuggestionOptions(request.count, request.apart, request.seed, reader=request.reader)
    if model is None:
        return suggest_unpredicted(videos, options, labelled=labelled), {}
    models = [model, *(request.member or ())]
    by, predicted = predict_by(models, videos, files, request.device, request.reader, display)
    found = suggest_frames(
        predicted,
        replace(options, threshold=style_of(model).confidence_threshold),
        handler=by.handler,
        pose_metrics=by.metrics,
        labelled=labelled,
    )
    return found, {each.video: each.table for each in predicted}


def predict_by(
    models: Sequence[Path],
    videos: list[Path],
    files: LabelFiles,
    device: str,
    reader: str,
    display: Display,
) -> tuple[VideoPredictor, list[PredictedVideo]]:
    """Predict videos where they are not yet; returns what predicts by the first model, and tables.

    A model of other keypoints than the labels is refused.
    """
    from lp_analysis.suggestion import PredictedVideo
    from lp_pipeline.cli.predict_one import InputPredictor

    requests = [Predict(each, videos, device=device, reader=reader) for each in models]
    works = [InputPredictor.of(request, display) for request in requests]
    for work in works:
        files.check(work.predictor.handler.tracker.options.keypoint_names)
    for work in works:
        do_all(work.video_works(videos), display)
    tables = [tuple(video_table(each, video) for each in models) for video in videos]
    several = len(models) > 1
    return works[0].predictor, [
        PredictedVideo(video, own[0], own if several else ())
        for video, own in zip(videos, tables, strict=True)
    ]
