"""``litpose suggest``."""

from __future__ import annotations

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
    from lp_analysis.suggestion import LabelFiles, Suggestion

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
        list[Path] | None,
        typer.Option(help="Another model of an ensemble, repeated for each: where they disagree."),
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
            _accept(self.accept, files, display)
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
            display.message(
                f"{each.images} images and {each.neighbours} around them; check the guesses in "
                f"{each.file}, then add them to the labels by --accept"
            )
            for note in each.notes:
                display.message(f"note: {note}")


def _label_files(request: Suggest, model: Path | None) -> LabelFiles:
    """The label files of the project, or the copies of them in the model directory."""
    from lp_analysis.suggestion import LabelFiles
    from lp_pipeline.builders.views import get_views
    from lp_pipeline.config.load import load_config
    from lp_pipeline.config.paths import csv_files
    from lp_pipeline.config.schema import Config
    from lp_pipeline.evaluation.model_project import find_project

    trained = find_project(model)
    if request.project is not None:
        folder = {"data": {"data_dir": str(request.project.absolute())}}
        given = request.project.is_dir()
        config = Config.model_validate(folder) if given else load_config(request.project).config
    elif trained is not None:
        config = trained.config
    else:
        return LabelFiles()
    files = csv_files(config)
    changes = request.extract or request.accept or request.project
    if trained and not changes and not all(file.is_file() for file in files):
        files = trained.label_copies
    return LabelFiles(tuple(files), get_views(config))


def _suggestions(
    request: Suggest,
    model: Path | None,
    videos: list[Path],
    files: LabelFiles,
    display: Display,
) -> tuple[list[Suggestion], dict[Path, Path]]:
    """The frames, and the predictions of each video."""
    from lp_analysis.suggestion import (
        PredictedVideo,
        SuggestionOptions,
        suggest_frames,
        suggest_unpredicted,
    )
    from lp_pipeline.cli.predict_one import InputPredictor
    from lp_pipeline.evaluation.model_project import style_of

    labelled = files.labelled(videos)
    options = SuggestionOptions(request.count, request.apart, request.seed, reader=request.reader)
    if model is None:
        return suggest_unpredicted(videos, options, labelled=labelled), {}
    members = [model, *(request.member or ())]
    tables = {video: [video_table(each, video) for each in members] for video in videos}
    by = None
    for each in members:
        work = InputPredictor.of(
            Predict(each, videos, device=request.device, reader=request.reader), display
        )
        files.check(work.predictor.handler.tracker.options.keypoint_names)
        do_all(work.video_works(videos), display)
        by = by or work.predictor
    assert by is not None
    found = suggest_frames(
        [PredictedVideo(v, some[0], tuple(some[1:] and some)) for v, some in tables.items()],
        replace(options, threshold=style_of(model).confidence_threshold),
        handler=by.handler if by.handler.tracker.views == "each" else None,
        pose_metrics=by.metrics,
        labelled=labelled,
    )
    return found, {video: some[0] for video, some in tables.items()}


def _accept(checked: Path, files: LabelFiles, display: Display) -> None:
    """Add checked guesses to the label file beside them, or to the only one."""
    from lp_analysis.suggestion import accept_suggestions, suggested_file

    if not files.files:
        raise PredictionError("guesses of which project?", remedy="name it by --project")
    own = next((f for f in files.files if suggested_file(f).name == checked.name), files.files[0])
    done = accept_suggestions(checked, own)
    kept = f"; {len(done.kept)} were labelled already, and stay as they are" if done.kept else ""
    kept += f"; {len(done.empty)} have no position yet" if done.empty else ""
    display.message(f"{len(done.added)} images are labelled now in {own}{kept}")
