"""``litpose convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from lp_pipeline.conversion.convert import ConvertOptions


def run_convert(source: Path, target: Path, options: ConvertOptions) -> None:
    """Convert, and print what was kept, what was left out and why."""
    from lp_pipeline.conversion.convert import convert
    from lp_pipeline.conversion.importing import CONFIG_FILE, REPORT_FILE

    report = convert(source, target, options)
    for line in report.lines():
        typer.echo(line)
    typer.echo(f"written: {report.written}")
    if (target / REPORT_FILE).is_file():
        typer.echo(f"next: litpose train {target / CONFIG_FILE}")
