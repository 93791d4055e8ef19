"""From a tracker to the name under which it is registered, and from a manifest to a tracker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode

from lp_core.errors import UnknownNameError
from lp_core.losses.contract import Loss
from lp_core.losses.factory import LossFactory
from lp_core.optimization import OptimizationOptions
from lp_core.options import OptionError, read_options
from lp_core.registry import (
    LOSSES,
    MODELS,
    Plugin,
    PluginError,
    load_plugin,
    name_of,
    registered,
)
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint.files import LossRecord, Manifest
from lp_io.errors import CheckpointError

TrackerClass = type[BaseSupervisedTracker]


def get_model_class(model: str | Manifest) -> TrackerClass:
    """The supervised tracker class of a name registered in ``lp.models``, or of a saved model.

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


def registration_of(
    kind: TrackerClass,
) -> tuple[TrackerClass, Plugin]:
    """The supervised class of a tracker class, which may be its twin, and how it is registered.

    Raises:
        CheckpointError: It is not registered, so that a saved model could not be loaded again.
    """
    for base in kind.__mro__:
        if not issubclass(base, BaseSupervisedTracker):
            continue
        if base is kind or base.semi_supervised_class() is kind:
            plugin = _plugin_of(base)
            if plugin is not None:
                return base, plugin
    raise CheckpointError(
        f"{kind.__name__} is not registered as a model, so it could not be loaded again",
        remedy=f'add  mine = "{kind.__module__}:{kind.__qualname__}"  under '
        '[project.entry-points."lp.models"] in your pyproject.toml, and install it',
    )


def _plugin_of(kind: TrackerClass) -> Plugin | None:
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


_DRAWING = frozenset(
    {
        torch.Tensor.uniform_,
        torch.Tensor.normal_,
        torch.Tensor.erfinv_,
        torch.nn.init.kaiming_uniform_,
        torch.nn.init.kaiming_normal_,
    }
)


class WithoutDrawing(TorchFunctionMode):
    """Leaves new weights undrawn, which takes longer than reading those that replace them."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Skip what draws random numbers in place."""
        keywords = kwargs or {}
        if func in _DRAWING:
            return args[0] if args else keywords["tensor"]
        return func(*args, **keywords)


def build_tracker(
    manifest: Manifest, *, draw_weights: bool, with_losses: bool
) -> BaseSupervisedTracker:
    """The tracker that a manifest describes, without access to a hub or to training data.

    Args:
        manifest: What to build.
        draw_weights: Draw initial weights; if not, all of them must be loaded.
        with_losses: Build its losses as well, and the semi-supervised twin if it was one. If not,
            the supervised class is built, which is enough to predict.

    Raises:
        CheckpointError: What it needs is not installed, or does not take the manifest's options.
    """
    kind = get_model_class(manifest)
    values = {**manifest.options, "backbone_pretrained": False, "backbone_checkpoint": None}
    options = _options(kind.Options, values, manifest)  # there are no weights to fetch
    keywords: dict[str, Any] = {
        "optimization": _options(OptimizationOptions, manifest.optimization, manifest)
    }
    if with_losses:
        keywords["losses"] = _factory(manifest.supervised_losses, kind.labeled_outputs, kind)
        if manifest.semi_supervised:
            records, provided = manifest.unsupervised_losses, kind.unlabeled_outputs
            keywords["unsupervised_losses"] = _factory(records, provided, kind)
            twin = kind.semi_supervised_class()
            if twin is None:
                problem = f"{kind.__name__} has no semi-supervised twin, as it had when saved"
                raise CheckpointError(problem)
            kind = twin
    drawing = nullcontext() if draw_weights else WithoutDrawing()
    with torch.random.fork_rng(devices=[]), drawing:  # what is drawn after loading stays the same
        return kind(options, **keywords)


def _options(kind: type[Any], values: Any, manifest: Manifest) -> Any:
    try:
        return read_options(kind, values, place="manifest.json, options")
    except OptionError as error:
        source = manifest.distribution
        raise CheckpointError(
            f"the installed {source.name} does not take the model's options: {error.problem}",
            where=error.where,
            remedy=f"the model was saved by {source.name} {source.version}",
        ) from error


def _factory(
    records: Sequence[LossRecord], provided: frozenset[str], kind: TrackerClass
) -> LossFactory | None:
    losses = [_loss(record) for record in records]
    return LossFactory(losses, provided, tracker=kind.__name__) if losses else None


def _loss(record: LossRecord) -> Loss:
    try:
        kind = cast("type[Loss]", load_plugin(LOSSES, record.name))
        options = read_options(kind.Options, record.options, place=f"losses.{record.name}")
    except (UnknownNameError, OptionError) as error:
        source = record.distribution
        raise CheckpointError(
            f"the model was trained with the loss '{record.name}' of {source.name} "
            f"{source.version}, which cannot be built: {error.problem}",
            remedy=f"pip install '{source.name}=={source.version}'",
        ) from error
    return kind(options)
