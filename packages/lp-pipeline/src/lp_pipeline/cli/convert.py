"""``litpose convert``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_core.text import quoted
from lp_pipeline.cli.options import Overwrite
from lp_pipeline.printing import say


@dataclass(frozen=True)
class Convert:
    """Convert projects, labels and predictions from and to other tools.

    FROM is told by its content: a DeepLabCut project, SLEAP labels (.slp, .pkg.slp), COCO keypoints
    (.json), a project or label file of litpose, or a table of predictions (.csv, .h5, .parquet,
    .json, .slp, .nc). A folder as TO makes a project that is ready to train from the labels of
    another tool, and a DeepLabCut project from those of litpose.
    """

    source: Annotated[Path, typer.Argument(metavar="FROM", help="What to convert.")]
    target: Annotated[Path, typer.Argument(metavar="TO", help="A folder or a file to write.")]
    to: Annotated[
        str | None,
        typer.Option(
            help="The format of TO where its name does not tell: project, deeplabcut, csv, h5, "
            "parquet, coco, sleap or movement."
        ),
    ] = None
    videos: Annotated[str, typer.Option(help="Of projects: link, copy or none.")] = "link"
    scorer: Annotated[
        str | None, typer.Option(help="Whose labels to take of a DeepLabCut project.")
    ] = None
    individual: Annotated[
        str | None, typer.Option(help="Which animal to take; all without it.")
    ] = None
    images: Annotated[
        Path | None, typer.Option(help="The folder that a COCO file's image names start from.")
    ] = None
    fps: Annotated[
        float | None, typer.Option(min=0.001, help="Frames per second, for movement's times.")
    ] = None
    video: Annotated[str, typer.Option(help="The video of predictions, for SLEAP.")] = ""
    overwrite: Overwrite = False

    def run(self) -> None:
        """Convert, and print what was kept, what was left out and why."""
        from lp_pipeline.conversion.convert import convert

        report = convert(**vars(self))
        for line in report.lines():
            say(line)
        say(f"written: {report.written}")
        if report.config is not None:
            say(f"next: litpose train {quoted(report.config)}")
