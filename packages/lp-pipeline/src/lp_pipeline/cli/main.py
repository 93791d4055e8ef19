"""The entry point of ``litpose``. Nothing heavy is imported here, so that help is instant."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from lp_core.errors import LPError, writing_remedy
from lp_core.plugin_errors import plugin_error
from lp_pipeline.cli.calibrate import Calibrate
from lp_pipeline.cli.compare import Compare
from lp_pipeline.cli.convert import Convert
from lp_pipeline.cli.demo import Demo
from lp_pipeline.cli.distil import Distil
from lp_pipeline.cli.evaluate import Evaluate
from lp_pipeline.cli.export import Export
from lp_pipeline.cli.inspect import Check, CheckConfig, Inspect, ShowConfig, ShowSchema
from lp_pipeline.cli.options import Command, add_command
from lp_pipeline.cli.outliers import Outliers
from lp_pipeline.cli.plugins import ListPlugins, NewModel, registered_commands
from lp_pipeline.cli.predict import Predict
from lp_pipeline.cli.preview import Preview
from lp_pipeline.cli.render import Render
from lp_pipeline.cli.smooth import Smooth
from lp_pipeline.cli.suggest import Suggest
from lp_pipeline.cli.track import Track
from lp_pipeline.cli.train import MakeEnsemble, Train
from lp_pipeline.cli.triangulate import Triangulate
from lp_pipeline.errors import TrainingStoppedError
from lp_pipeline.printing import say

COMMANDS: dict[str, dict[str, type[Command]]] = {
    "Train and predict": {
        "demo": Demo,
        "train": Train,
        "ensemble": MakeEnsemble,
        "predict": Predict,
        "export": Export,
    },
    "Projects": {"convert": Convert, "check": Check, "preview": Preview, "calibrate": Calibrate},
    "Plug-ins": {"list": ListPlugins, "new-model": NewModel},
    "Look at predictions": {
        "inspect": Inspect,
        "evaluate": Evaluate,
        "compare": Compare,
        "outliers": Outliers,
        "suggest": Suggest,
        "distil": Distil,
        "render": Render,
        "smooth": Smooth,
        "track": Track,
        "triangulate": Triangulate,
    },
}
"""The commands by what they are for, in the order of the help."""

CONFIG_COMMANDS: dict[str, type[Command]] = {
    "show": ShowConfig,
    "check": CheckConfig,
    "schema": ShowSchema,
}

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""


class GroupedCommands(TyperGroup):
    """Lists the commands by what they are for, each with its whole first sentence."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section for each group of commands."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if command is None or command.hidden:
                continue
            section = getattr(command, "rich_help_panel", None)
            title = section if isinstance(section, str) else "Other commands"
            sentence = command.get_short_help_str(limit=1000)
            sections.setdefault(title, []).append((name, sentence))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)


app = typer.Typer(
    name="litpose",
    cls=GroupedCommands,
    help="Track keypoints on animals in video.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(value: bool | None) -> None:
    if value:
        say(f"litpose {importlib.metadata.version('lp-pipeline')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool | None,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = None,
) -> None:
    """Track keypoints on animals in video."""


for group, commands in COMMANDS.items():
    for name, command in commands.items():
        add_command(app, command, name, group)
for name, command, group in registered_commands():
    add_command(app, command, name, group)
config_app = typer.Typer(help="Look at a config.", no_args_is_help=True, rich_markup_mode=None)
for name, command in CONFIG_COMMANDS.items():
    add_command(config_app, command, name)
app.add_typer(config_app, name="config", rich_help_panel="Projects")


def _told(error: Exception) -> str | None:
    """What a user can do something about, in a few lines; None for a fault of ours."""
    if isinstance(error, LPError):
        return str(error)
    if isinstance(error, OSError):  # a disk that is full or write-protected, wherever it is met
        place = f"\nin: {error.filename}" if error.filename else ""
        remedy = writing_remedy(error) or "--debug shows where"
        return f"{error.strerror or error}{place}\ntry: {remedy}"
    return str(told) if (told := plugin_error(error)) is not None else None


def main() -> None:
    """Run the command; print an error in a line or three and exit with 2."""
    debug = "--debug" in sys.argv[1:]  # wherever it stands
    try:
        app([argument for argument in sys.argv[1:] if argument != "--debug"])
    except TrainingStoppedError as stop:
        say(str(stop), error=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        told = None if debug else _told(error)
        if told is None:
            raise
        say(f"error: {told}", error=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == INTERRUPTED:  # typer has caught Ctrl-C, and says nothing
            say("stopped", error=True)
        raise
    except KeyboardInterrupt:
        say("stopped", error=True)
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
