"""From a tracker to the name under which it is registered, and back."""

from __future__ import annotations

from typing import NamedTuple

from lp_core.errors import UnknownNameError
from lp_core.registry import MODELS, Plugin, PluginError, load_plugin, name_of, registered
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint.manifest import Manifest
from lp_io.errors import CheckpointError


def get_model_class(model: str | Manifest) -> type[BaseSupervisedTracker]:
    """The supervised tracker class that a model type or a saved model names.

    Args:
        model: A name registered in ``lp.models``, or the manifest of a saved model.

    Raises:
        UnknownNameError: Nothing is registered under the name; the message lists what is.
        CheckpointError: The saved model's class is not installed; the message says which
            distribution to install.
        PluginError: What is registered cannot be imported, or is not a tracker class.
    """
    name = model if isinstance(model, str) else model.model_type
    try:
        target = load_plugin(MODELS, name)
    except UnknownNameError as error:
        if isinstance(model, str):
            raise
        source = model.distribution
        raise CheckpointError(
            f"the model was saved by {source.name} {source.version} as '{name}', "
            "which is not installed",
            remedy=f"pip install '{source.name}=={source.version}'",
        ) from error
    if not (isinstance(target, type) and issubclass(target, BaseSupervisedTracker)):
        plugin = registered(MODELS)[name]
        raise PluginError(
            f"the model type '{name}' is not a subclass of BaseSupervisedTracker",
            where=f"{plugin.distribution}, {plugin.target}",
        )
    return target


class Registration(NamedTuple):
    """A supervised class, and how it is registered."""

    kind: type[BaseSupervisedTracker]
    plugin: Plugin


def registration_of(kind: type[BaseSupervisedTracker]) -> Registration:
    """How a tracker class, or the supervised class that it is the twin of, is registered.

    Raises:
        CheckpointError: It is not registered, so that a saved model could not be loaded again.
    """
    for base in kind.__mro__:
        if not issubclass(base, BaseSupervisedTracker):
            continue
        if base is kind or base.semi_supervised_class() is kind:
            plugin = _plugin_of(base)
            if plugin is not None:
                return Registration(base, plugin)
    raise CheckpointError(
        f"{kind.__name__} is not registered as a model, so it could not be loaded again",
        remedy=f'add  mine = "{kind.__module__}:{kind.__qualname__}"  under '
        '[project.entry-points."lp.models"] in your pyproject.toml, and install it',
    )


def _plugin_of(kind: type[BaseSupervisedTracker]) -> Plugin | None:
    """How exactly this class is registered, under its own module or one that re-exports it."""
    plugins = registered(MODELS)
    name = name_of(MODELS, kind)
    if name is not None:
        return plugins[name]
    for plugin in plugins.values():
        same = plugin.target.partition(":")[2] == kind.__qualname__
        if same and load_plugin(MODELS, plugin.name) is kind:
            return plugin
    return None
