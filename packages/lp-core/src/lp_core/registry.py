"""Plug-ins: what distributions register under Python entry points.

A distribution adds a tracker, a backbone, a loss, a video reader, an augmentation, a region source,
a runtime or a command of ``litpose`` by one line of its own pyproject.toml, in one of the groups
below. The distributions of lp come in by the same door.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points

from lp_core.errors import CoreError, unknown_name

MODELS = "lp.models"
BACKBONES = "lp.backbones"
LOSSES = "lp.losses"
VIDEO_READERS = "lp.video_readers"
AUGMENTATIONS = "lp.augmentations"
REGION_SOURCES = "lp.region_sources"
RUNTIMES = "lp.runtimes"
COMMANDS = "lp.commands"

_KINDS = {
    MODELS: "model type",
    BACKBONES: "backbone",
    LOSSES: "loss",
    VIDEO_READERS: "video reader",
    AUGMENTATIONS: "augmentation",
    REGION_SOURCES: "region source",
    RUNTIMES: "runtime",
    COMMANDS: "command",
}


class PluginError(CoreError):
    """A registered plug-in that cannot be used."""


@dataclass(frozen=True)
class Plugin:
    """One name registered in an entry-point group, for ``target`` (``module:object``)."""

    group: str
    name: str
    target: str
    distribution: str
    version: str


def _plugin(entry: EntryPoint) -> Plugin:
    name, version = (entry.dist.name, entry.dist.version) if entry.dist else ("unknown", "unknown")
    return Plugin(entry.group, entry.name, entry.value, name, version)


def _unique(group: str) -> dict[str, EntryPoint]:
    """The entries by name; the same name with two different targets is an error."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=group):
        other = found.setdefault(entry.name, entry)
        if other.value != entry.value:
            first, second = _plugin(other), _plugin(entry)
            raise PluginError(
                f"'{entry.name}' is registered twice in {group}",
                where=f"{first.distribution} ({first.target}), {second.distribution} "
                f"({second.target})",
                remedy="uninstall one of the two distributions, or rename one entry point",
            )
    return found


def registered(group: str) -> dict[str, Plugin]:
    """What is registered in ``group``, by name, in alphabetical order.

    Raises:
        PluginError: Two distributions register different things under one name.
    """
    entries = _unique(group)
    return {name: _plugin(entries[name]) for name in sorted(entries)}


def load_plugin(group: str, name: str) -> object:
    """Import and return what ``group`` registers as ``name``.

    Raises:
        UnknownNameError: Nothing is registered under that name; the message lists what is.
        PluginError: It is registered, but cannot be imported.
    """
    entries, kind = _unique(group), _KINDS.get(group, group)
    if name not in entries:
        raise unknown_name(kind, name, entries)
    try:
        return entries[name].load()
    except Exception as error:  # whatever the plug-in's own code raises
        plugin = _plugin(entries[name])
        reason = str(error) if isinstance(error, ImportError | AttributeError) else repr(error)
        raise PluginError(
            f"the {kind} '{name}' cannot be imported: {reason}",
            where=f"{plugin.distribution} {plugin.version}, {plugin.target}",
            remedy=f"install or repair the distribution {plugin.distribution}",
        ) from error


def name_of(group: str, target: type) -> str | None:
    """The name under which ``target`` is registered in ``group``, or None."""
    value = f"{target.__module__}:{target.__qualname__}"
    return next((e.name for e in entry_points(group=group) if e.value == value), None)
