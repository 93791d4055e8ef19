"""``litpose export``, and ``litpose predict`` with what it writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_core.paths import check_output_folder, refuse_same_names
from lp_io.model_directory import VIDEO_FOLDER
from lp_pipeline.cli.options import ModelDir
from lp_pipeline.errors import PredictionError
from lp_pipeline.printing import say

if TYPE_CHECKING:
    from lp_pipeline.cli.predict import Predict


@dataclass(frozen=True)
class Export:
    """Write a trained tracker as one graph, which predicts without torch and the training code.

    The graph is compared with the model on frames of a video, and is written only if both give the
    same. Predict with it as with a model directory: litpose predict EXPORTED VIDEO.
    """

    model_dir: ModelDir
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The new folder; default: MODEL_DIR/exported."),
    ] = None
    video: Annotated[
        Path | None,
        typer.Option(help="A video to compare on; default: the first of the project."),
    ] = None

    def run(self) -> None:
        """Export, and say how far the graph is from the model.

        Raises:
            ExportError: The tracker cannot be exported, or the graph differs from it.
        """
        from lp_pipeline.cli.session import start_session
        from lp_runtime.exporting import export_model, folder_of, frames_to_compare

        start_session()
        output = self.output or folder_of(self.model_dir)
        video = self.video or _video_of_project(self.model_dir)
        frames = frames_to_compare(self.model_dir, video)
        agreement = export_model(self.model_dir, output, frames).agreement
        say(
            f"{video.name}: {agreement.confident} confident keypoints on {agreement.frames} frames "
            f"differ by {agreement.median:.2g} px (median) and at most {agreement.largest:.2g} px"
        )
        say(f"exported: {output}")
        say(f"next: litpose predict {output} YOUR_VIDEO")


def _video_of_project(model_dir: Path) -> Path:
    from lp_data.video.listing import list_videos
    from lp_pipeline.config.paths import video_dir
    from lp_pipeline.evaluation.model_project import find_project

    project = find_project(model_dir)
    folder = None if project is None else video_dir(project.config)
    if folder is None or not folder.is_dir():
        raise PredictionError(
            "the videos of the project are not at hand, to compare the graph with the model on",
            where=model_dir,
            remedy="name one: --video VIDEO",
        )
    return list_videos(folder)[0]


def predict_exported(request: Predict) -> None:
    """Predict videos with an exported model, one after the other.

    Raises:
        PredictionError: It is asked for what only a model directory can do.
        LPError: The exported model or a video cannot be read.
    """
    from lp_data.video.listing import list_inputs
    from lp_pipeline.display import terminal_display
    from lp_runtime.model import ExportedModel, predict_videos

    _refuse_more(request)
    videos = [video for path in request.inputs for video in list_inputs(path)]
    refuse_same_names(videos, "predict them one by one, each with another --output-dir")
    folder = request.output_dir or request.model_dir / VIDEO_FOLDER
    check_output_folder(folder)
    predict_videos(
        ExportedModel.from_dir(request.model_dir),
        videos,
        folder,
        reader=request.reader,
        overwrite=request.overwrite,
        resume=request.resume,
        display=terminal_display(),
    )


def _refuse_more(request: Predict) -> None:
    """Refuse what an exported model cannot do, by the option that asks for it."""
    asked = {
        "--labeled-video": request.labeled_video,
        "--boxes": request.boxes is not None,
        "--rig": request.rig is not None,
        "--batch-size": request.batch_size is not None,
        "--precision": request.precision != "32-true",
        "--device": request.device not in ("auto", "cpu"),
        "label files": any(path.suffix.lower() == ".csv" for path in request.inputs),
    }
    if words := [word for word, wanted in asked.items() if wanted]:
        raise PredictionError(
            f"an exported model does not take {', '.join(words)}",
            where=request.model_dir,
            remedy="predict with the model directory; litpose render draws a table",
        )
