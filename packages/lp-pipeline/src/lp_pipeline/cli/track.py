"""``litpose track``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_core.paths import refuse_existing
from lp_pipeline.cli.options import Overwrite
from lp_pipeline.printing import say


@dataclass(frozen=True)
class Track:
    """Tell which rows of a table of several animals are the same individual.

    TABLE is of DeepLabCut (.csv, .h5), SLEAP (.slp), COCO (.json), movement (.nc) or litpose. Its
    individuals are not looked at, unless --join is given. Every row is kept; one that belongs to no
    individual has no track. The least certain decisions are listed beside, to be looked at.
    """

    table: Annotated[Path, typer.Argument(help="Predictions of a video.")]
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Default: TABLE_tracked, beside it.")
    ] = None
    animals: Annotated[
        int | None, typer.Option(min=1, help="How many animals there are at most, if known.")
    ] = None
    count: Annotated[
        list[str] | None,
        typer.Option(
            metavar="START-STOP=N", help="At most N animals in these frames; may be repeated."
        ),
    ] = None
    extra_animal: Annotated[
        float | None,
        typer.Option(min=0, help="Allow more than --animals, at so many nats of evidence each."),
    ] = None
    online: Annotated[
        bool, typer.Option("--online", help="Decide frame by frame, as in live use.")
    ] = False
    join: Annotated[
        bool, typer.Option("--join", help="Only join the individuals of TABLE, as tracklets.")
    ] = False
    body_size: Annotated[
        float | None, typer.Option(min=0.001, help="In px; default: told by the poses.")
    ] = None
    max_gap: Annotated[
        int, typer.Option(min=0, help="Frames over which an unknown number of animals is joined.")
    ] = 120
    review: Annotated[int, typer.Option(min=0, help="Decisions to list for review.")] = 100
    fps: Annotated[
        float | None, typer.Option(min=0.001, help="Frames per second, for movement's times.")
    ] = None
    video: Annotated[
        Path | None,
        typer.Option(help="The video of TABLE: its animals are told apart by their looks, too."),
    ] = None
    overwrite: Overwrite = False

    def run(self) -> None:
        """Write the table with tracks, and the list for review.

        Raises:
            LPError: The output is there already.
            TrackingError: The table cannot be tracked, or an option makes no sense.
        """
        from lp_analysis.tracks import (
            Count,
            FileTracking,
            JoiningOptions,
            TrackingOptions,
            track_file,
        )
        from lp_io.predictions import WriteOptions

        target = self.output or self.table.with_stem(f"{self.table.stem}_tracked")
        refuse_existing(target, overwrite=self.overwrite)
        counts = tuple(map(Count.parse, self.count or ()))
        tracking = FileTracking(
            TrackingOptions(animals=self.animals, body_size=self.body_size),
            JoiningOptions(max_gap=self.max_gap, counts=counts, extra_animal=self.extra_animal),
            online=self.online,
            join=self.join,
            most_doubts=self.review,
            write=WriteOptions(fps=self.fps, video=str(self.video or "")),
        )
        done = track_file(self.table, target, tracking, self.video)
        say(f"{done.tracks} individuals in {done.tracked} rows")
        if done.untracked:
            say(f"{done.untracked} rows belong to none; they are kept without a track")
        for lost in done.lost:
            say(f"not kept: {lost}")
        say(f"written: {done.path}")
        say(f"to review: {done.doubts} decisions in {done.review}")
