"""``litpose calibrate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_core.paths import refuse_existing, view_and_file
from lp_pipeline.cli.options import Overwrite
from lp_pipeline.errors import PipelineError
from lp_pipeline.printing import say

if TYPE_CHECKING:
    from lp_analysis.camera_calibration import Calibrated, Refined


@dataclass(frozen=True)
class Calibrate:
    """Calibrate cameras from videos of a board, or refine a calibration from labels.

    With --board, FILES are videos of one board that are in step, written VIEW=VIDEO. With --rig,
    they are label files, or predictions of one session, named <name>_<view> or written VIEW=FILE.
    The calibration is written as Anipose and Lightning Pose read it; look at the report before you
    use it.
    """

    files: Annotated[list[str], typer.Argument(metavar="[VIEW=]FILE...", help="One per camera.")]
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "calibration.toml"
    )
    board: Annotated[
        str | None,
        typer.Option(
            metavar="BOARD", help="checkerboard:10x7:25 or charuco:7x5:30:22:DICT_4X4_50 (squares)."
        ),
    ] = None
    rig: Annotated[Path | None, typer.Option(help="The calibration to refine.")] = None
    fisheye: Annotated[
        list[str] | None, typer.Option(metavar="VIEW", help="A camera with a fisheye lens.")
    ] = None
    unit: Annotated[str, typer.Option(help="What the board is measured in.")] = "mm"
    session: Annotated[str | None, typer.Option(help="Only labels of this session.")] = None
    focal: Annotated[bool, typer.Option(help="Refine the focal lengths too.")] = False
    overwrite: Overwrite = False

    def run(self) -> None:
        """Write the calibration, and print the report.

        Raises:
            PipelineError: The output is there already, or not exactly one of the two is asked for.
            TriangulationError: The cameras cannot be calibrated from these files.
        """
        from lp_io.calibration import write_rig

        if (self.board is None) == (self.rig is None):
            raise PipelineError("give either --board, to calibrate, or --rig, to refine it")
        refuse_existing(self.output, overwrite=self.overwrite)
        found = self._from_videos() if self.board is not None else self._refined()
        say(found.text())
        write_rig(found.rig, self.output)
        say(f"written: {self.output}")

    def _from_videos(self) -> Calibrated:
        from lp_analysis.camera_calibration import Board, calibrate_videos
        from lp_pipeline.display import terminal_display

        board = Board.parse(self.board or "")
        videos = dict(view_and_file(text) for text in self.files)
        with terminal_display().task("looking for the board", 100) as update:
            return calibrate_videos(
                board,
                videos,
                fisheye=self.fisheye or (),
                unit=self.unit,
                progress=lambda done, total: update(100 * done // total),
            )

    def _refined(self) -> Refined:
        from lp_analysis.camera_calibration import AdjustmentOptions, refine_with_tables
        from lp_analysis.triangulation import views_of
        from lp_io.calibration import read_rig

        rig = read_rig(self.rig or Path())
        plain = [Path(text) for text in self.files if "=" not in text]
        tables = views_of(plain, rig.names)[1]
        tables |= dict(view_and_file(text) for text in self.files if "=" in text)
        options = AdjustmentOptions(focal=self.focal)
        return refine_with_tables(rig, tables, options, session=self.session)
