"""Checks of what a tracker class says of itself."""

from __future__ import annotations

import dataclasses

from lp_core.batches import LossInputs
from lp_core.options import plain_options, read_options
from lp_core.testing.subject import Subject
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker

_TO_DEFINE = ("get_loss_inputs_labeled", "predict_step", "get_loss_inputs_unlabeled")


def defines_its_methods(subject: Subject) -> None:
    """It subclasses the base, and defines what the base leaves open."""
    kind: type = subject.tracker_class
    if not issubclass(kind, BaseSupervisedTracker):
        raise subject.fault("it does not subclass BaseSupervisedTracker")
    for name in _TO_DEFINE:
        if getattr(getattr(kind, name, None), "__isabstractmethod__", False):
            raise subject.fault(f"it does not define {name}")


def declares_what_it_needs(subject: Subject) -> None:
    """Its declarations exist, and fit together."""
    kind = subject.tracker_class
    if kind.context_frames < 1 or kind.context_frames % 2 == 0:
        raise subject.fault(f"context_frames must be odd, not {kind.context_frames}")
    for attribute, known in (
        ("instances", ("one", "many")),
        ("views", ("each", "jointly")),
        ("learns", ("keypoints", "centroids")),
        ("condition", ("none", "pose")),
    ):
        if getattr(kind, attribute) not in known:
            raise subject.fault(
                f"{attribute} is {getattr(kind, attribute)!r}", f"it may be {' or '.join(known)}"
            )
    names = {member.name for member in dataclasses.fields(kind.Options)}
    if kind.views == "jointly" and "view_names" not in names:
        raise subject.fault(
            "it looks at several views jointly, but its options have no view_names",
            "declare view_names: tuple[str, ...]",
        )
    for attribute in ("labeled_outputs", "unlabeled_outputs"):
        unknown = getattr(kind, attribute) - set(LossInputs.__annotations__)
        if unknown:
            raise subject.fault(
                f"{attribute} names '{min(unknown)}', which no loss knows",
                f"the output keys are {', '.join(LossInputs.__annotations__)}",
            )
    if not kind.supervised_losses and subject.loss_classes is None:
        raise subject.fault("supervised_losses is empty, so nothing could supervise it")
    subject.losses()


def has_a_proper_twin(subject: Subject) -> None:
    """Its semi-supervised class, if it has one, is its own subclass with the mixin in front."""
    twin = subject.tracker_class.semi_supervised_class()
    if twin is None:
        return
    if not issubclass(twin, SemiSupervisedTrackerMixin):
        raise subject.fault(f"its twin {twin.__name__} lacks SemiSupervisedTrackerMixin")
    if not issubclass(twin, subject.tracker_class):
        raise subject.fault(f"its twin {twin.__name__} is not its subclass")
    order = twin.__mro__
    if order.index(SemiSupervisedTrackerMixin) > order.index(BaseSupervisedTracker):
        raise subject.fault(
            f"{twin.__name__} names the mixin last, so its training_step is never used",
            f"write class {twin.__name__}(SemiSupervisedTrackerMixin, ...)",
        )


def reads_its_options_from_json(subject: Subject) -> None:
    """Its options survive a checkpoint's manifest."""
    kind: type = subject.tracker_class.Options
    if not (dataclasses.is_dataclass(kind) and issubclass(kind, TrackerOptions)):
        raise subject.fault("Options must be a dataclass that subclasses TrackerOptions")
    options = subject.options()
    try:
        plain = plain_options(options)
    except TypeError as error:
        raise subject.fault(f"its options are not plain values: {error}") from error
    if read_options(kind, plain, place=subject.name) != options:
        raise subject.fault("its options come back from JSON as other values")
