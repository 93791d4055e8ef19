"""``litpose convert``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lp_pipeline.quoting import quoted

if TYPE_CHECKING:
    from lp_pipeline.conversion.convert import ConvertOptions


def run_convert(source: Path, target: Path, options: ConvertOptions) -> None:
    """Convert, and print what was kept, what was left out and why."""
    from lp_pipeline.conversion.convert import convert

    report = convert(source, target, options)
    for line in report.lines():
        typer.echo(line)
    typer.echo(f"written: {report.written}")
    if report.config is not None:
        typer.echo(f"next: litpose train {quoted(report.config)}")
