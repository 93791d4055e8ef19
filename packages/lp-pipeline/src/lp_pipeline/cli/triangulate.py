"""``litpose triangulate``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_pipeline.cli.calibrate import view_and_file
from lp_pipeline.cli.options import Overwrite
from lp_pipeline.errors import PipelineError
from lp_pipeline.printing import say


@dataclass(frozen=True)
class Triangulate:
    """Put the predictions of several calibrated cameras together to points in space.

    RIG is a calibration of Anipose or Lightning Pose (.toml), OpenCV or JARVIS (.yaml or a folder),
    DANNCE or Label3D (.mat). TABLES are predictions of the videos of one session, in any format,
    named <session>_<view>. Each point has its covariance, its reprojection error and the number of
    its views. Animals of several must be named alike in all views.
    """

    rig: Annotated[Path, typer.Argument(help="The calibration.")]
    tables: Annotated[
        list[Path] | None, typer.Argument(help="Predictions, one table per view.")
    ] = None
    view: Annotated[
        list[str] | None,
        typer.Option(metavar="VIEW=TABLE", help="A table whose name does not say its view."),
    ] = None
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help=".csv, .parquet or .nc (movement)."),
    ] = None
    min_confidence: Annotated[
        float, typer.Option(min=0, max=1, help="Do not use detections below it.")
    ] = 0.0
    noise: Annotated[
        float | None,
        typer.Option(min=1e-6, help="Usual error of good detections, px; default: from the size."),
    ] = None
    size: Annotated[
        str | None,
        typer.Option(metavar="WIDTHxHEIGHT", help="Of the images, if RIG does not say it."),
    ] = None
    fps: Annotated[
        float | None, typer.Option(min=0.001, help="Frames per second, for movement's times.")
    ] = None
    overwrite: Overwrite = False

    def run(self) -> None:
        """Write the points, and say how well the cameras agree.

        Raises:
            PipelineError: The output is there already, or an option cannot be read.
            TriangulationError: The tables do not go together.
        """
        from lp_analysis.triangulation import TriangulationOptions, triangulate_tables, views_of
        from lp_io.calibration import read_rig

        rig = read_rig(self.rig, self._size())
        session, tables = views_of(self.tables or [], rig.names)
        tables |= dict(map(view_and_file, self.view or []))
        folder = next(iter(tables.values()), Path()).parent
        name = f"{session}_points3d.csv" if session else "points3d.csv"
        target = self.output or folder / name
        if target.exists() and not self.overwrite:
            raise PipelineError(
                "this file exists already", where=target, remedy="--overwrite replaces it"
            )
        options = TriangulationOptions(self.min_confidence, self.noise, fps=self.fps)
        done = triangulate_tables(rig, tables, target, options)
        say(f"{done.points} of {done.wanted} keypoints that a view saw, in {done.frames} frames")
        for view, error in done.errors.items():
            say(f"median reprojection error of {view}: {error:.2f} px")
        say(f"written: {done.path}")

    def _size(self) -> tuple[int, int] | None:
        if self.size is None:
            return None
        found = re.fullmatch(r"(\d+)x(\d+)", self.size, re.ASCII)
        if found is None:
            raise PipelineError(f"'{self.size}' is not a size", remedy="write it like 640x480")
        return int(found[1]), int(found[2])
