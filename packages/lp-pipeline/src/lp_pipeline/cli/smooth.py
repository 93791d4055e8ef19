"""``litpose smooth``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from lp_core.paths import check_output_file, refuse_existing, view_and_file
from lp_pipeline.cli.options import Overwrite
from lp_pipeline.printing import say


@dataclass(frozen=True)
class Smooth:
    """Smooth predictions over time, and say how sure each position is.

    TABLES are predictions of one video in any format; several are the members of an ensemble. With
    --rig or --view they are those of the views of a session, which are smoothed together. Nothing
    is overwritten that is read.
    """

    tables: Annotated[list[Path] | None, typer.Argument(help="Predictions of a video.")] = None
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="A .csv file, or a folder for that of each view."),
    ] = None
    rig: Annotated[
        Path | None, typer.Option(help="The calibration of the cameras; tables end in their names.")
    ] = None
    view: Annotated[
        list[str] | None,
        typer.Option(metavar="VIEW=TABLE", help="The table of a view; repeated for each."),
    ] = None
    mirrors: Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Views in one table: endings of names, paw_A and paw_B."),
    ] = None
    dynamics: Annotated[
        Literal["position", "velocity"], typer.Option(help="What changes at random.")
    ] = "position"
    smoothness: Annotated[
        float | None,
        typer.Option(min=1e-12, help="Variance of a step, px²; default: the most likely."),
    ] = None
    gate: Annotated[
        float, typer.Option(min=0, help="Drop what is so many variances off; 0 drops nothing.")
    ] = 20.0
    max_gap: Annotated[int, typer.Option(min=0, help="Longest gap that is filled, frames.")] = 30
    nine_columns: Annotated[
        bool, typer.Option("--nine-columns", help="Write what ensemble-kalman-smoother writes.")
    ] = False
    overwrite: Overwrite = False

    def run(self) -> None:
        """Write the smoothed tables, and say what was chosen.

        Raises:
            LPError: An output is there already, or options do not go together.
            SmoothingError: The tables do not go together.
        """
        from lp_analysis.smoothing import Outputs, SmoothingOptions, smooth_tables
        from lp_analysis.smoothing.source import by_view
        from lp_io.calibration import read_rig

        rig = None if self.rig is None else read_rig(self.rig)
        named, cameras = map(view_and_file, self.view or []), rig.names if rig else None
        tables = by_view(self.tables or [], [*named], cameras)
        if self.output is not None and len(tables) == 1:
            check_output_file(self.output, [".csv"])
        outputs = Outputs.of(tables, self.output, nine_columns=self.nine_columns, space=bool(rig))
        refuse_existing(*outputs.paths, overwrite=self.overwrite)
        options = SmoothingOptions(
            self.dynamics, self.smoothness, self.gate or None, max_gap=self.max_gap
        )
        mirrors = self.mirrors.split(",") if self.mirrors else ()
        for line in smooth_tables(tables, outputs, options, rig=rig, mirrors=mirrors).told:
            say(line)
