"""Errors that a plug-in's own code raises, told with the distribution that they come from."""

from __future__ import annotations

import sys
from pathlib import Path
from traceback import walk_tb

from lp_core.registry import (
    AUGMENTATIONS,
    BACKBONES,
    LOSSES,
    MODELS,
    RUNTIMES,
    VIDEO_READERS,
    Plugin,
    PluginError,
    registered,
)

_GROUPS = (MODELS, LOSSES, BACKBONES, AUGMENTATIONS, VIDEO_READERS, RUNTIMES)
_OURS = "lp_"


def plugin_error(error: BaseException) -> PluginError | None:
    """An error of a few lines for one that came up in a plug-in; None for any other.

    The plug-in is the innermost code on the way to the error that belongs to a distribution other
    than ours, or else the innermost method of an object of its classes.
    """
    culprit = _culprit(error)
    if culprit is None:
        return None
    plugin, name, place = culprit
    reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return PluginError(
        f"the plug-in {plugin.distribution} {plugin.version} failed in {name}: "
        f"{_first_lines(reason)}",
        where=place,
        remedy=f"--debug shows the traceback; tell the authors of {plugin.distribution}",
    )


def _culprit(error: BaseException) -> tuple[Plugin, str, str] | None:
    """The plug-in, the class and method or function, and ``file:line``."""
    plugins = {
        package: plugin
        for group in _GROUPS
        for plugin in registered(group).values()
        if not (package := plugin.target.partition(":")[0].partition(".")[0]).startswith(_OURS)
    }
    frames = list(walk_tb(error.__traceback__))[::-1] if plugins else []
    for frame, line in frames:
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in plugins:
            place = f"{frame.f_code.co_filename}:{line}"
            return plugins[package], frame.f_code.co_qualname, place
    for frame, line in frames:
        kind = type(frame.f_locals.get("self"))
        package = kind.__module__.partition(".")[0]
        if package in plugins:
            source = getattr(sys.modules.get(kind.__module__), "__file__", None)
            place = f"{Path(source)}, called in {frame.f_code.co_filename}:{line}" if source else ""
            return plugins[package], kind.__qualname__, place
    return None


def _first_lines(text: str, most: int = 3) -> str:
    """The beginning of a message that may be long."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " ".join(lines[:most])[:500] + (" …" if len(lines) > most else "")
