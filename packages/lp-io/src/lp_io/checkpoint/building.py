"""Build the tracker that a manifest describes, with no weights of its own yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch.overrides import TorchFunctionMode

from lp_core.errors import UnknownNameError
from lp_core.losses.contract import Loss
from lp_core.losses.factory import LossFactory
from lp_core.optimization import OptimizationOptions
from lp_core.options import OptionError, read_options
from lp_core.registry import LOSSES, load_plugin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_io.checkpoint.classes import get_model_class
from lp_io.checkpoint.manifest import LossRecord, Manifest
from lp_io.errors import CheckpointError

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
    """Leaves the weights of new layers as they are in memory, since they are about to be replaced.

    Drawing them takes longer than reading them.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Skip what draws random numbers in place."""
        if func in _DRAWING:
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


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
            keywords["unsupervised_losses"] = _factory(
                manifest.unsupervised_losses, kind.unlabeled_outputs, kind
            )
            kind = _twin(kind)
    with torch.random.fork_rng(devices=[]):  # loading does not change what is drawn after it
        if draw_weights:
            return kind(options, **keywords)
        with WithoutDrawing():
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


def _twin(kind: type[BaseSupervisedTracker]) -> type[BaseSupervisedTracker]:
    twin = kind.semi_supervised_class()
    if twin is None:
        raise CheckpointError(f"{kind.__name__} has no semi-supervised twin, as it had when saved")
    return twin


def _factory(
    records: Sequence[LossRecord], provided: frozenset[str], kind: type[BaseSupervisedTracker]
) -> LossFactory | None:
    if not records:
        return None
    losses = [_loss(record) for record in records]
    return LossFactory(losses, provided, tracker=kind.__name__)


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
