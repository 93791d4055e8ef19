"""What is checked: a tracker class with a way to build instances of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from lp_core.batches import (
    LabeledBatch,
    LossInputs,
    SemiSupervisedBatch,
    UnlabeledBatch,
    with_places,
)
from lp_core.errors import CoreError, UnknownNameError
from lp_core.losses.contract import Loss
from lp_core.losses.factory import LossFactory
from lp_core.optimization import OptimizationOptions
from lp_core.options import read_options
from lp_core.registry import LOSSES, load_plugin
from lp_core.testing.losses import SameHeatmapLoss, StillnessLoss
from lp_core.testing.toy import ToyProblem
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker, Outputs

_KEYPOINTS = ("nose", "left_ear", "tail")
_VIEWS = ("left", "right")
RATE = 3e-3


class ConformanceError(CoreError):
    """A tracker that does not keep the contract of `lp_core.trackers`; it names the defect."""


@dataclass(frozen=True)
class Subject:
    """A tracker class, and what to build it with.

    Attributes:
        tracker_class: The class, supervised or semi-supervised.
        options_overrides: Its options, where they are not those of a small toy problem.
        backbone: A small backbone: a registered name or a timm model; no weights are fetched.
        loss_classes: What supervises it; None takes the first of its ``supervised_losses`` and all
            its ``auxiliary_losses`` from the registry.
    """

    tracker_class: type[BaseSupervisedTracker]
    options_overrides: Mapping[str, Any] = field(default_factory=dict)
    backbone: str = "test_resnet"
    loss_classes: Sequence[type[Loss]] | None = None

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.tracker_class.__name__

    @property
    def semi_supervised(self) -> bool:
        """Whether it also learns from unlabelled clips."""
        return issubclass(self.tracker_class, SemiSupervisedTrackerMixin)

    @property
    def many(self) -> bool:
        """Whether it finds any number of animals in an image, so that rows are not images."""
        return self.tracker_class.instances == "many"

    @property
    def jointly(self) -> bool:
        """Whether it looks at the images of all cameras of a frame together."""
        return self.tracker_class.views == "jointly"

    @property
    def views(self) -> int:
        """How many images of a frame its batches have, V."""
        return len(self.view_names) if self.jointly else 1

    @property
    def view_names(self) -> tuple[str, ...]:
        """The cameras of a tracker that looks at several."""
        return tuple(getattr(self.options(), "view_names", ()))

    @property
    def only_adds_clips(self) -> bool:
        """Whether it is a twin that predicts and learns from labels by its supervised class."""
        own = {name for name, value in vars(self.tracker_class).items() if callable(value)}
        return self.semi_supervised and own <= {"get_loss_inputs_unlabeled"}

    def fault(self, problem: str, remedy: str | None = None) -> ConformanceError:
        """An error about this tracker."""
        return ConformanceError(problem, where=self.name, remedy=remedy)

    def options(self) -> TrackerOptions:
        """The options of a small toy problem, with the overrides."""
        values = {
            "keypoint_names": _KEYPOINTS,
            "image_size": (48, 64),  # not square, so that exchanged axes show
            "backbone": self.backbone,
            "backbone_pretrained": False,
            "feature_stride": 16,
        }
        if self.jointly:  # tokens have one stride, and belong to cameras
            values |= {"view_names": _VIEWS, "feature_stride": None}
        given = values | dict(self.options_overrides)
        return read_options(self.tracker_class.Options, given, place=self.name)

    def toy(self) -> ToyProblem:
        """The toy problem in the sizes that the options say."""
        options = self.options()
        return ToyProblem(
            image_size=options.image_size,
            keypoints=options.num_keypoints,
            context_frames=self.tracker_class.context_frames,
            instances=self.tracker_class.instances,
            views=self.views,
            others=self.tracker_class.condition == "pose",
        )

    def losses(self) -> LossFactory:
        """What supervises it, fitted to the toy problem's labels.

        Raises:
            ConformanceError: A loss that the tracker names is not registered.
        """
        factory = LossFactory(
            [kind() for kind in self.loss_classes or self._registered_losses()],
            self.tracker_class.labeled_outputs,
            tracker=self.name,
        )
        factory.fit_labels(self.toy().labels(self.options().keypoint_names))
        return factory

    def _registered_losses(self) -> list[type[Loss]]:
        names = (*self.tracker_class.supervised_losses[:1], *self.tracker_class.auxiliary_losses)
        try:
            return [cast("type[Loss]", load_plugin(LOSSES, name)) for name in names]
        except UnknownNameError as error:
            raise self.fault(
                f"it names a loss that no installed distribution registers: {error.problem}",
                "install that distribution, or pass loss_classes",
            ) from error

    def unsupervised_losses(self) -> LossFactory:
        """What a semi-supervised tracker learns from clips.

        Raises:
            ConformanceError: It gives nothing to learn from.
        """
        provided = self.tracker_class.unlabeled_outputs
        usable = [kind() for kind in (StillnessLoss, SameHeatmapLoss) if kind.requires <= provided]
        if not usable:
            raise self.fault(
                "unlabeled_outputs has neither keypoints_pred nor heatmaps_pred, "
                "so no unsupervised loss can run"
            )
        return LossFactory(usable, provided, tracker=self.name)

    def build(self, seed: int = 0, *, learning: bool = True) -> BaseSupervisedTracker:
        """A fresh tracker, the same for the same seed.

        Args:
            seed: Of every random number generator, here and from here on.
            learning: Give it losses.
        """
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        keywords: dict[str, Any] = {"losses": self.losses() if learning else None}
        if self.semi_supervised:
            keywords["unsupervised_losses"] = self.unsupervised_losses() if learning else None
        optimization = OptimizationOptions(learning_rate=RATE, scheduler="constant")
        return self.tracker_class(self.options(), optimization=optimization, **keywords)

    def stirred(self, gain: float = 1.0) -> BaseSupervisedTracker:
        """A tracker without losses, in evaluation mode, its head filled with random weights.

        A head that starts at zero, or nearly so, gives all keypoints one place, which hides what
        is done with them. The weights are multiplied by ``gain``.
        """
        tracker = self.build(learning=False).eval()
        random = torch.Generator().manual_seed(11)
        with torch.no_grad():
            for parameter in tracker.head_parameters():
                inputs = parameter[0].numel() if parameter.ndim > 1 else 100
                noise = torch.randn(parameter.shape, generator=random) / inputs**0.5
                parameter.add_(noise).mul_(gain)
        return tracker

    def batch(self, seed: int = 0) -> LabeledBatch | SemiSupervisedBatch:
        """What one training step of it takes."""
        toy = self.toy()
        return toy.both(seed) if self.semi_supervised else toy.labeled(seed=seed)


def steps(optimizer: torch.optim.Optimizer, loss: Callable[[int], Tensor]) -> Iterator[float]:
    """Learn without end, a step at a time; gives the loss before each step."""
    for number in count():
        value = loss(number)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        yield float(value.detach())


def train(
    tracker: BaseSupervisedTracker, batches: Sequence[LabeledBatch | SemiSupervisedBatch]
) -> list[float]:
    """Take one step of the tracker's own optimiser per batch; the losses before each."""
    tracker.train()
    learning = steps(
        tracker.configure_optimizers()["optimizer"],
        lambda number: tracker.training_step(batches[number], number),
    )
    return list(islice(learning, len(batches)))


def predict(tracker: BaseSupervisedTracker, batch: LabeledBatch | UnlabeledBatch) -> Any:
    """What the tracker predicts, as at prediction time; it ought to be a `Prediction`."""
    tracker.eval()
    with torch.no_grad():
        return tracker.predict_step(batch, 0)


def heads_of(outputs: Outputs) -> list[LossInputs]:
    """The items of one head or several."""
    return [outputs] if isinstance(outputs, dict) else list(outputs)


def loss_inputs(
    tracker: BaseSupervisedTracker, batch: LabeledBatch | UnlabeledBatch
) -> list[LossInputs]:
    """What its losses read of a labelled batch or a clip, one item for each head."""
    if "images" in batch:
        labeled = tracker.add_targets(cast("LabeledBatch", batch))
        return heads_of(tracker.get_loss_inputs_labeled(labeled))
    return heads_of(tracker.get_loss_inputs_unlabeled(batch))  # type: ignore[operator]


def row_maps(
    tracker: BaseSupervisedTracker,
    batch: LabeledBatch | UnlabeledBatch,
    image: Int[Tensor, " rows"] | None,
) -> Float[Tensor, "rows 2 3"]:
    """``to_frame`` of each row of what it gives; ``image`` says which image each row is on."""
    if image is None:
        image = with_places({}, batch, tracker.context_frames // 2)["image"]
    return batch["to_frame"][image]
