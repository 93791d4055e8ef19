"""``litpose convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lp_core.text import quoted
from lp_pipeline.printing import say

if TYPE_CHECKING:
    from lp_pipeline.conversion.convert import ConvertOptions


def run_convert(source: Path, target: Path, options: ConvertOptions) -> None:
    """Convert, and print what was kept, what was left out and why."""
    from lp_pipeline.conversion.convert import convert

    report = convert(source, target, options)
    for line in report.lines():
        say(line)
    say(f"written: {report.written}")
    if report.config is not None:
        say(f"next: litpose train {quoted(report.config)}")
