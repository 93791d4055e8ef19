"""What a conversion kept, what it left out, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from lp_core.poses import PoseTable
from lp_io.animals import is_empty_row
from lp_io.projects import LabeledImages

REPORT_FILE = "conversion.txt"
_MOST_NAMES = 12


@dataclass
class ConversionReport:
    """Filled while a conversion runs.

    Attributes:
        written: What was made.
        kept: What it holds, in words.
        left_out: What it does not hold and why, in words.
        reasons: The same for single images: how many for each reason.
        config: The config to train with, where one was made.
    """

    written: Path
    kept: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    config: Path | None = None

    def lines(self) -> list[str]:
        """The report, line by line."""
        every = [*self.left_out, *(f"{count} {why}" for why, count in self.reasons.items())]
        return [
            *(f"kept: {text}" for text in self.kept),
            *(f"left out: {text}" for text in every),
            *(["nothing was left out"] if not every else []),
        ]

    def write(self, path: Path) -> None:
        """Write the report to a file, which also marks its folder as that of a conversion."""
        path.write_text("\n".join(self.lines()) + "\n", encoding="utf-8")


def kept_labels(table: PoseTable) -> str:
    """What labels are: how many images, animals and positions."""
    images, positions = len(set(table.frame)), int(table.has_position.sum())
    labelled = int((table.codes > 0).any(axis=1).sum())
    who = "" if table.individual is None else f" of {labelled} animals{_names_of(table)}"
    what = f"{positions} positions of {table.num_keypoints} keypoints"
    return f"{images} labelled images{who} with {what}"


def kept_rows(table: PoseTable) -> str:
    """What predictions are: how many rows of how many animals."""
    rows = sum(not is_empty_row(table, row) for row in range(len(table)))
    return f"{rows} rows{_names_of(table)} of {table.num_keypoints} keypoints"


def _names_of(table: PoseTable) -> str:
    """Words for the names that animals have, and for those that have none."""
    if table.individual is None:
        return ""
    names = list(dict.fromkeys(filter(None, table.individual)))
    loose = sum(
        name is None and not is_empty_row(table, row) for row, name in enumerate(table.individual)
    )
    shown = [
        *names[:_MOST_NAMES],
        *([f"{len(names) - _MOST_NAMES} more"] * (len(names) > _MOST_NAMES)),
    ]
    shown += [f"{loose} without a track"] * bool(loose)
    return f" ({', '.join(shown)})" if shown else ""


def begun_report(labels: LabeledImages, target: Path) -> ConversionReport:
    """A report with what the labels are, and what was left out when they were read."""
    report = ConversionReport(target, left_out=list(labels.left_out))
    report.kept.append(kept_labels(labels.table))
    return report
