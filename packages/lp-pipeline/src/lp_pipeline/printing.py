"""Text for people: what every command prints goes through `say`, or through a `Display`.

Names of files, keypoints and models may hold any characters. They are shown as they are: they are
never read as markup, and no terminal obeys what is written in them.
"""

from __future__ import annotations

import typer


def printable(text: str, *, keep: str = "") -> str:
    """The text with a replacement mark for each character that steers instead of showing.

    Those are control characters, line ends, marks that turn the direction of writing, and halves of
    surrogate pairs, which stand in file names that are not valid UTF-8 and which no font, page or
    terminal accepts.

    Args:
        text: Any text.
        keep: Characters to let pass all the same.
    """
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def say(text: str, *, error: bool = False) -> None:
    """Print lines of text to standard output, or to standard error."""
    typer.echo(printable(text, keep="\n\t"), err=error)
