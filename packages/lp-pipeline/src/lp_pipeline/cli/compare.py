"""``litpose compare``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from lp_core.paths import check_output_file
from lp_pipeline.display import terminal_display

_ENDINGS = (".csv", ".png")


@dataclass(frozen=True)
class Compare:
    """Compare the pixel errors of models, with 95 % intervals over frames and, in groups, seeds."""

    model_dirs: Annotated[
        list[Path] | None, typer.Argument(metavar="[MODEL_DIR]...", help="Model directories.")
    ] = None
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group",
            metavar="NAME=DIR,DIR...",
            help="Models that count as one, such as the seeds of one recipe; may be repeated. "
            "Without it, models are one group if their configs differ in seeds only.",
        ),
    ] = None
    frames: Annotated[
        str, typer.Option(help="held-out (validation and test), validation, test, train or all.")
    ] = "held-out"
    labels: Annotated[
        str, typer.Option(help="own, new or test: the label file whose predictions are compared.")
    ] = "own"
    own_frames: Annotated[
        bool,
        typer.Option("--own-frames", help="Each model on all its frames, not on common ones only."),
    ] = False
    output: Annotated[
        list[Path] | None,
        typer.Option("--output", "-o", help="Also write a .csv or a .png; may be repeated."),
    ] = None
    resamples: Annotated[int, typer.Option(min=100, help="Of the bootstrap.")] = 2000
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0

    def run(self) -> None:
        """Print the comparison, and write what is asked for."""
        from lp_analysis.comparison.compared_models import chosen_groups, compared_errors
        from lp_analysis.comparison.intervals import compare_groups
        from lp_analysis.comparison.output import (
            reading_notes,
            write_comparison_csv,
            write_comparison_plot,
        )
        from lp_analysis.terminal_tables import comparison_table

        for path in self.output or ():
            check_output_file(path, _ENDINGS)
        groups = chosen_groups(self.group or (), self.model_dirs or ())
        errors, notes = compared_errors(
            groups, labels=self.labels, frames=self.frames, common=not self.own_frames
        )
        comparison = compare_groups(errors, resamples=self.resamples, seed=self.seed)
        display = terminal_display()
        display.show(comparison_table(comparison))
        for note in [*notes, *reading_notes(comparison, groups)]:
            display.message(note)
        for path in self.output or ():
            write = write_comparison_csv if path.suffix.lower() == ".csv" else write_comparison_plot
            write(comparison, path)
            display.message(f"written: {path}")
