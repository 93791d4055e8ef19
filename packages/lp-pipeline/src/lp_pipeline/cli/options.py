"""Makes commands of dataclasses, and holds the arguments and options that several of them have."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Protocol, runtime_checkable

import typer
from typer.core import TyperCommand


@runtime_checkable
class Command(Protocol):
    """A dataclass: its fields are the arguments and options, its docstring is the help."""

    def run(self) -> None:
        """Do what the command line asks for."""


def add_command(app: typer.Typer, kind: Callable[..., Command], name: str, group: str = "") -> None:
    """Add a command of that name to an app, listed under a heading of its help."""

    def command(**values: Any) -> None:
        kind(**values).run()

    signature = inspect.signature(kind, eval_str=True)
    command.__doc__ = kind.__doc__
    command.__signature__ = signature  # type: ignore[attr-defined]
    cls = CommandWithOverrides if "overrides" in signature.parameters else TyperCommand
    app.command(name, cls=cls, rich_help_panel=group or None)(command)


class CommandWithOverrides(TyperCommand):
    """Says how a setting is given where someone tries an option instead."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse as usual; an unknown option is answered with the form of a setting."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            option = getattr(error, "option_name", None)
            if option and hasattr(error, "message"):
                error.message += (
                    f"; settings of the config are given as key=value, such as "
                    f"training.max_epochs=100 ({option} is none of this command's options)"
                )
            raise


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Lets the Tab key offer those of the words that begin like what was typed."""

    def complete(incomplete: str) -> list[str]:
        return [word for word in words if word.startswith(incomplete)]

    return complete


def complete_override(incomplete: str) -> list[str]:
    """The keys of a config that begin so, each with the equals sign that follows it."""
    from lp_io.documents.sections import keys_of
    from lp_pipeline.config.schema import Config

    return one_of(*(f"{'.'.join(path)}=" for path in keys_of(Config)))(incomplete)


def complete_reader(incomplete: str) -> list[str]:
    """The registered video readers that begin so, and ``auto``."""
    from lp_core.registry import VIDEO_READERS, registered

    return one_of("auto", *registered(VIDEO_READERS))(incomplete)


ConfigFile = Annotated[Path, typer.Argument(help="A config in YAML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="KEY=VALUE",
        help="Values that replace those of the config.",
        autocompletion=complete_override,
    ),
]
ModelDir = Annotated[Path, typer.Argument(help="What `litpose train` made.")]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda or mps.", autocompletion=one_of("auto", "cpu", "cuda", "mps")
    ),
]
Reader = Annotated[
    str, typer.Option(help="A video reader, or auto.", autocompletion=complete_reader)
]
Overwrite = Annotated[bool, typer.Option(help="Replace what is there.")]
