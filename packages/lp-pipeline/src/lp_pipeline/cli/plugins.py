"""``litpose list`` and ``new-model``: what is registered, and a plug-in to begin with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer

from lp_core.errors import unknown_name
from lp_core.paths import check_output_folder
from lp_core.registry import (
    AUGMENTATIONS,
    BACKBONES,
    COMMANDS,
    LOSSES,
    MODELS,
    REGION_SOURCES,
    RUNTIMES,
    VIDEO_READERS,
    PluginError,
    load_plugin,
    registered,
)
from lp_pipeline.cli.options import Command, one_of
from lp_pipeline.printing import say

GROUPS = {
    "models": MODELS,
    "backbones": BACKBONES,
    "losses": LOSSES,
    "readers": VIDEO_READERS,
    "augmentations": AUGMENTATIONS,
    "region-sources": REGION_SOURCES,
    "runtimes": RUNTIMES,
    "commands": COMMANDS,
}
"""What can be listed."""


@dataclass(frozen=True)
class ListPlugins:
    """List what is registered, and by which distribution."""

    kind: Annotated[
        str, typer.Argument(help=f"One of: {', '.join(GROUPS)}.", autocompletion=one_of(*GROUPS))
    ]

    def run(self) -> None:
        """Print it."""
        if self.kind not in GROUPS:
            raise unknown_name("kind of plug-in", self.kind, GROUPS)
        group = GROUPS[self.kind]
        plugins = registered(group).values()
        width = max((len(plugin.name) for plugin in plugins), default=0)
        for plugin in plugins:
            say(f"{plugin.name:{width}}  {plugin.distribution} {plugin.version}")
        if group == BACKBONES:
            say("and every timm model that gives feature maps, by its timm name")


@dataclass(frozen=True)
class NewModel:
    """Write a plug-in with a tracker of your own, ready to install, test and train."""

    name: Annotated[str, typer.Argument(help="Its name, for model.model_type.")]
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it; default: NAME-tracker.")
    ] = None

    def run(self) -> None:
        """Write the distribution, and say what to do with it."""
        from lp_models.scaffold import checked_names, write_plugin

        names = checked_names(self.name)
        folder = self.folder or Path(names.distribution)
        check_output_folder(folder)
        write_plugin(names, folder)
        say(f"a plug-in with the tracker '{self.name}': {folder}")
        say(f"its head, to make your own: {folder / 'src' / names.module / 'head.py'}")
        say(f"next: pip install -e {folder} pytest")
        say(f"      pytest {folder}")
        say(f"      litpose train CONFIG model.model_type={self.name}")


def registered_commands() -> Iterator[tuple[str, type[Command], str]]:
    """The name, the class and the heading of each command that a distribution registers.

    One that cannot be imported says so when it is called; the others are not hindered by it.
    """
    for name in registered(COMMANDS):
        try:
            kind = cast("type[Command]", load_plugin(COMMANDS, name))
        except PluginError as error:
            kind = _broken(error)
        yield name, kind, getattr(kind, "group", "Plug-ins")


def _broken(error: PluginError) -> type[Command]:
    class Broken:
        """A command that cannot be imported."""

        def run(self) -> None:
            raise error

    return Broken
