"""``litpose compare``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lp_analysis.errors import EvaluationError
from lp_pipeline.cli.outputs import check_output_file
from lp_pipeline.display import terminal_or_plain

if TYPE_CHECKING:
    from lp_analysis.comparison.intervals import Comparison

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
        str,
        typer.Option(help="held-out (validation and test), validation, test, train or all."),
    ] = "held-out"
    labels: Annotated[
        str,
        typer.Option(help="own, new or test: the label file whose predictions are compared."),
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
        """Print the comparison, and write what is asked for.

        Raises:
            EvaluationError: A model cannot be compared, or an option makes no sense.
        """
        from lp_analysis.comparison.compared_models import compared_errors
        from lp_analysis.comparison.intervals import compare_groups
        from lp_analysis.comparison.output import (
            write_comparison_csv,
            write_comparison_plot,
        )
        from lp_analysis.terminal_tables import comparison_table

        for path in self.output or ():
            check_output_file(path, _ENDINGS)
        groups = _groups(self)
        errors, notes = compared_errors(
            groups, labels=self.labels, frames=self.frames, common=not self.own_frames
        )
        comparison = compare_groups(errors, resamples=self.resamples, seed=self.seed)
        display = terminal_or_plain()
        display.show(comparison_table(comparison))
        for note in [*notes, *_notes(comparison, groups)]:
            display.message(note)
        for path in self.output or ():
            write = write_comparison_csv if path.suffix.lower() == ".csv" else write_comparison_plot
            write(comparison, path)
            display.message(f"written: {path}")


def _groups(request: Compare) -> dict[str, list[Path]]:
    """The groups that are asked for, then those that the configs tell."""
    from lp_analysis.comparison.compared_models import group_by_recipe, parse_groups

    groups = parse_groups(request.group or ())
    named = {folder.resolve() for folders in groups.values() for folder in folders}
    rest = [folder for folder in request.model_dirs or () if folder.resolve() not in named]
    for name, folders in group_by_recipe(list(dict.fromkeys(rest))).items():
        groups[name if name not in groups else str(folders[0])] = folders
    if not groups:
        raise EvaluationError("which models?", remedy="litpose compare MODEL_DIR MODEL_DIR...")
    return groups


def _notes(comparison: Comparison, groups: Mapping[str, Sequence[Path]]) -> list[str]:
    """How to read the table."""
    notes = []
    for name, folders in groups.items():
        if len(folders) > 1:
            notes.append(f"{name}: {', '.join(map(str, folders))}")
    single = [group.name for group in comparison.groups if group.models == 1]
    if single:
        notes.append(
            f"one model only, so the interval is over frames, not seeds: {', '.join(single)}"
        )
    if not comparison.same_frames:
        notes.append("the models are judged on different frames, so differences are not paired")
    notes.append(
        "intervals: percentile bootstrap that draws models and frames with replacement; frames "
        "count as independent"
    )
    return notes
