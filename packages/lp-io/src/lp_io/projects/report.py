"""What a conversion kept, what it left out, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

REPORT_FILE = "conversion.txt"


@dataclass
class ConversionReport:
    """Filled while a conversion runs.

    Attributes:
        written: What was made.
        kept: What the target holds, in words.
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
