"""The checks one by one, in the order in which they rely on each other, or all at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import SkipTest

import torch
from pytorch_lightning.utilities.seed import isolate_rng

from lp_core.losses.contract import Loss
from lp_core.testing import (
    agreement,
    conditions,
    declarations,
    devices,
    independence,
    learning,
    outputs,
    repetition,
    several_views,
)
from lp_core.testing.subject import ConformanceError, Subject
from lp_core.trackers.supervised import BaseSupervisedTracker

_STAGES: tuple[tuple[Callable[[Subject], None], ...], ...] = (
    (declarations.defines_its_methods,),
    (
        declarations.declares_what_it_needs,
        declarations.has_a_proper_twin,
        declarations.reads_its_options_from_json,
    ),
    (outputs.leaves_its_batch_alone,),
    (
        outputs.gives_its_labeled_outputs,
        outputs.gives_its_unlabeled_outputs,
        outputs.predicts_every_form_of_batch,
    ),
    (
        repetition.predicts_the_same_twice,
        outputs.marks_missing_labels,
        agreement.aims_its_heatmaps_at_its_labels,
        learning.gives_differentiable_outputs,
    ),
    (
        outputs.keeps_confidences_in_range,
        outputs.predicts_in_frame_px,
        outputs.gives_its_losses_frame_px,
        learning.teaches_every_parameter,
    ),
    (
        independence.predicts_each_image_alone,
        several_views.looks_at_all_views,
        several_views.bears_absent_views,
        conditions.takes_a_condition,
        conditions.keeps_conditions_apart,
        learning.bears_missing_labels,
        learning.lowers_its_loss,
        devices.stays_on_its_device,
        repetition.repeats_itself,
        repetition.works_in_bfloat16,
    ),
    (
        independence.predicts_clips_as_images,
        several_views.sees_nothing_of_absent_views,
        several_views.predicts_frames_in_any_order,
        learning.bears_images_without_rows,
        learning.learns_nothing_of_absent_keypoints,
        repetition.keeps_its_state,
    ),
    (
        independence.looks_at_the_labeled_frame,
        several_views.predicts_any_of_its_views,
        agreement.predicts_what_its_losses_see,
    ),
    (
        agreement.gives_clips_what_it_gives_images,
        agreement.reads_its_heatmaps_as_its_targets,
    ),
)
"""The failure of a check means what it says only where all checks of the stages before pass."""


class PremiseError(SkipTest):
    """A check that says nothing, since another one on which it relies fails; pytest skips it."""

    def __init__(self, check: Check, premise: ConformanceError) -> None:
        super().__init__(f"{check} relies on what fails: {premise}")
        self.premise = premise


@dataclass(frozen=True)
class Check:
    """One property that every tracker must have; call it with a `Subject`.

    Attributes:
        function: What checks it.
        premises: The checks that must pass for a failure of this one to mean what it says.
    """

    function: Callable[[Subject], None]
    premises: tuple[Check, ...] = ()

    @property
    def name(self) -> str:
        """The property, such as ``"lowers_its_loss"``."""
        return self.function.__name__

    def __str__(self) -> str:
        return self.name

    def __call__(self, subject: Subject) -> None:
        """Check the subject.

        Raises:
            ConformanceError: It lacks the property; the message names the defect.
            PremiseError: It lacks a property on which this check relies; that check names it.
        """
        try:
            self._run(subject)
        except ConformanceError as error:
            for premise in self.premises:
                try:
                    premise._run(subject)
                except ConformanceError as broken:
                    raise PremiseError(self, broken) from error
            raise

    def _run(self, subject: Subject) -> None:
        with warnings.catch_warnings(), isolate_rng(include_cuda=False), _one_thread():
            warnings.filterwarnings("ignore", message=".*self.trainer.*")
            try:
                self.function(subject)
            except ConformanceError:
                raise
            except Exception as error:  # whatever a plug-in raises is its defect
                raise subject.fault(
                    f"while checking '{self.name}' it raised {type(error).__name__}: {error}"
                ) from error


@contextmanager
def _one_thread() -> Iterator[None]:
    """Compute in one thread: the toy problem is so small that threads only wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _checks() -> tuple[Check, ...]:
    made: tuple[Check, ...] = ()
    for stage in _STAGES:
        made += tuple(Check(function, made) for function in stage)
    return made


CHECKS: tuple[Check, ...] = _checks()
"""Every check; a plug-in's test may say ``@pytest.mark.parametrize("check", CHECKS, ids=str)``."""


def check_tracker(
    tracker_class: type[BaseSupervisedTracker],
    *,
    options_overrides: Mapping[str, Any] | None = None,
    backbone: str = "test_resnet",
    loss_classes: Sequence[type[Loss]] | None = None,
    checks: Iterable[Check] | None = None,
) -> None:
    """Check a tracker class and its semi-supervised twin, if it has one.

    Args:
        tracker_class: The class.
        options_overrides: Its options, where they are not those of a small toy problem.
        backbone: A small backbone: a registered name or a timm model; no weights are fetched.
        loss_classes: What supervises it; None takes what it names from the registry.
        checks: Which checks to make; None for all.

    Raises:
        ConformanceError: It breaks the contract; the message names the first defect found.
    """
    kinds = [tracker_class, tracker_class.semi_supervised_class()]
    for kind in dict.fromkeys(kind for kind in kinds if kind is not None):
        subject = Subject(kind, options_overrides or {}, backbone, loss_classes)
        for check in CHECKS if checks is None else checks:
            try:
                check(subject)
            except PremiseError as broken:
                raise broken.premise from None
