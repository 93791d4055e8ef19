"""What every command prints goes through `say`, or through a `Display`.

Names of files, keypoints and models may hold any characters. They are shown as they are: they are
never read as markup, and no terminal obeys what is written in them.
"""

from __future__ import annotations

import typer

from lp_core.text import printable


def say(text: str, *, error: bool = False) -> None:
    """Print lines of text to standard output, or to standard error."""
    typer.echo(printable(text, keep="\n\t"), err=error)
