"""``litpose triangulate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_core.paths import refuse_existing, view_and_file
from lp_pipeline.cli.options import Overwrite
from lp_pipeline.printing import say


@dataclass(frozen=True)
class Triangulate:
    """Put what several calibrated cameras saw together to points in space.

    RIG is a calibration of Anipose or Lightning Pose (.toml), OpenCV or JARVIS (.yaml or a folder),
    DANNCE or Label3D (.mat), or a project with calibrations. TABLES are predictions of the videos
    of one session, in any format, named <session>_<view>, or label files of any sessions. Frame
    offsets are read from sessions.csv in the project or next to the tables. Several animals are
    matched between the views by the cameras, whatever their names; in label files, by name.
    """

    rig: Annotated[Path, typer.Argument(help="The calibration, or a project.")]
    tables: Annotated[
        list[Path] | None, typer.Argument(help="Predictions or labels, one table per view.")
    ] = None
    view: Annotated[
        list[str] | None,
        typer.Option(metavar="VIEW=TABLE", help="A table whose name does not say its view."),
    ] = None
    offset: Annotated[
        list[str] | None,
        typer.Option(metavar="VIEW=FRAMES", help="A video that begins so many frames earlier."),
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
    poses_of: Annotated[
        Path | None,
        typer.Option(metavar="MODEL", help="Let the poses of the labels of a model count."),
    ] = None
    animals: Annotated[
        int | None, typer.Option(min=1, help="How many of several animals there are at most.")
    ] = None
    by_name: Annotated[
        bool, typer.Option(help="Of several animals, those of one name are one in all views.")
    ] = False
    overwrite: Overwrite = False

    def run(self) -> None:
        """Write the points, and say how well the cameras agree.

        Raises:
            LPError: The output is there already, or an option cannot be read.
            TriangulationError: The tables do not go together.
        """
        from lp_analysis.prediction.space import poses_of_model
        from lp_analysis.triangulation import (
            SessionRigs,
            TriangulationOptions,
            offsets_of_views,
            size_of,
            triangulate_files,
            views_of,
        )

        rigs = SessionRigs(self.rig, size_of(self.size), self.tables or ())
        session, tables = views_of(self.tables or [], rigs.views)
        tables |= dict(map(view_and_file, self.view or []))
        folder = next(iter(tables.values()), Path()).parent
        name = f"{session}_points3d.csv" if session else "points3d.csv"
        target = self.output or folder / name
        refuse_existing(target, overwrite=self.overwrite)
        shifts = offsets_of_views(self.offset or ())
        prior = None if self.poses_of is None else poses_of_model(self.poses_of)
        options = TriangulationOptions(
            self.min_confidence, self.noise, shifts, self.fps, prior=prior
        )
        by_name, animals = self.by_name, self.animals
        done = triangulate_files(
            rigs, session, tables, target, options, by_name=by_name, animals=animals
        )
        for note in done.notes:
            say(note)
        say(f"{done.points} of {done.wanted} keypoints that a view saw, in {done.frames} frames")
        for view, error in done.errors.items():
            say(f"median reprojection error of {view}: {error:.2f} px")
        say(f"written: {done.path}")
