"""``litpose render`` and ``litpose outliers``: predictions on the video they were made from."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lp_analysis.errors import RenderingError
from lp_core.paths import check_output_file
from lp_pipeline.cli.options import Overwrite, Reader
from lp_pipeline.cli.session import start_session
from lp_pipeline.display import terminal_display


@dataclass(frozen=True)
class Render:
    """Draw a table of predictions, also of Lightning Pose, DeepLabCut or SLEAP, on its video."""

    video: Annotated[
        Path, typer.Argument(help="A video; or the folder with the videos of a session.")
    ]
    table: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="Its predictions: .csv, .h5, .parquet, .json (COCO), .slp or .nc (movement); or "
            "SESSION_points3d.csv.",
        ),
    ]
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The .mp4 to write; default: in labeled_videos beside the predictions.",
        ),
    ] = None
    skeleton: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIRST-SECOND",
            help="Two keypoints to join; may be repeated. Default: data.skeleton of the model in "
            "whose folder the table is.",
        ),
    ] = None
    colormap: Annotated[
        str | None,
        typer.Option(
            help="distinct, or one of matplotlib's; default: eval.colormap of the model that the "
            "table is in, else distinct."
        ),
    ] = None
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            max=1.0,
            help="Least confidence of a keypoint to draw: the calibrated one where the model has "
            "one, else the likelihood; default: eval.confidence_thresh_for_vid of the model that "
            "the table is in, else 0.9, or less if the model is never so sure.",
        ),
    ] = None
    color_by: Annotated[
        Literal["individual", "keypoint"],
        typer.Option(help="What has a colour, where there are several animals."),
    ] = "individual"
    trail: Annotated[
        int | None,
        typer.Option(
            min=0, help="Past frames that leave a trail; default: 30 of several animals, else 0."
        ),
    ] = None
    radius: Annotated[float | None, typer.Option(min=0.1, help="Of a keypoint, in px.")] = None
    legend: Annotated[bool, typer.Option(help="Name what has colours beside the frame.")] = True
    first: Annotated[int, typer.Option(min=0, help="First frame to draw.")] = 0
    last: Annotated[int | None, typer.Option(min=0, help="Last frame to draw.")] = None
    reader: Reader = "auto"
    overwrite: Overwrite = False

    def run(self) -> None:
        """Write a labelled video."""
        start_session()
        from lp_analysis.prediction.drawing import draw_video
        from lp_analysis.prediction.session_drawing import session_video_path
        from lp_analysis.prediction.session_works import render_session
        from lp_analysis.rendering.prediction_video import frames_to_draw
        from lp_io.model_directory import labeled_video_path, model_of_table
        from lp_pipeline.evaluation.model_project import style_of

        session = self.table.stem.removesuffix("points3d").removesuffix("_")
        several = session != self.table.stem
        usual_path = session_video_path(session, self.table)
        path = self.output or (usual_path if several else labeled_video_path(self.table))
        _check_output(self, path)
        usual = style_of(model_of_table(self.table))
        style = replace(
            usual,
            colormap=self.colormap or usual.colormap,
            color_by=self.color_by,
            trail=self.trail,
            radius=self.radius,
            legend=self.legend,
        )
        edges, display = self.skeleton or (), terminal_display()
        more: dict[str, Any] = {"style": style, "reader": self.reader, "edges": edges}
        more["threshold"] = self.threshold
        if several:
            part, tell = (self.first, self.last), display.message
            render_session(
                self.table, self.video, path, **more, frames=part, tell=tell, task=display.task
            )
            return
        chosen = partial(frames_to_draw, self.video, self.first, self.last)
        draw_video(self.video, self.table, path, **more, frames=chosen, display=display)


def _check_output(request: Render, path: Path) -> None:
    """Refuse to replace what the video is made from, and any file without being asked."""
    for used in (request.video, request.table):
        if path.exists() and used.exists() and path.samefile(used):
            raise RenderingError(
                "the labelled video would replace what it is made from",
                where=path,
                remedy="choose another --output",
            )
    check_output_file(path, (".mp4",))
    if path.exists() and not request.overwrite:
        raise RenderingError(
            "the video is there already", where=path, remedy="--overwrite replaces it"
        )
