"""All checks, one by one or at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from lp_core.losses.contract import Loss
from lp_core.testing import (
    agreement,
    coordinates,
    declarations,
    devices,
    independence,
    learning,
    outputs,
    repetition,
)
from lp_core.testing.check import Check, PremiseError
from lp_core.testing.subject import Subject
from lp_core.trackers.supervised import BaseSupervisedTracker

_DECLARED = (declarations.declares_what_it_needs, declarations.reads_its_options_from_json)
_GIVEN = (outputs.gives_its_labeled_outputs, outputs.gives_its_unlabeled_outputs)
_PREDICTED = (outputs.predicts_every_form_of_batch, repetition.predicts_the_same_twice)
_TARGETED = (outputs.marks_missing_labels, agreement.aims_its_heatmaps_at_its_labels)
_PLACED = (coordinates.predicts_in_frame_px, coordinates.gives_its_losses_frame_px)
_LEARNED = (learning.gives_differentiable_outputs, learning.teaches_every_parameter)
_ALONE = (independence.predicts_each_image_alone, independence.predicts_clips_as_images)

_RELIANCE: tuple[tuple[Callable[[Subject], None], tuple[Callable[[Subject], None], ...]], ...] = (
    (declarations.defines_its_methods, ()),
    (declarations.declares_what_it_needs, (declarations.defines_its_methods,)),
    (declarations.has_a_proper_twin, (declarations.defines_its_methods,)),
    (declarations.reads_its_options_from_json, (declarations.defines_its_methods,)),
    (outputs.leaves_its_batch_alone, _DECLARED),
    (outputs.gives_its_labeled_outputs, (outputs.leaves_its_batch_alone,)),
    (outputs.gives_its_unlabeled_outputs, (outputs.leaves_its_batch_alone,)),
    (outputs.predicts_every_form_of_batch, (outputs.leaves_its_batch_alone,)),
    (repetition.predicts_the_same_twice, (outputs.predicts_every_form_of_batch,)),
    (outputs.marks_missing_labels, _GIVEN),
    (agreement.aims_its_heatmaps_at_its_labels, _GIVEN),
    (outputs.keeps_confidences_in_range, (*_PREDICTED, *_GIVEN)),
    (coordinates.predicts_in_frame_px, _PREDICTED),
    (coordinates.gives_its_losses_frame_px, (repetition.predicts_the_same_twice, *_GIVEN)),
    (independence.predicts_each_image_alone, (*_PLACED, outputs.marks_missing_labels)),
    (independence.predicts_clips_as_images, (independence.predicts_each_image_alone,)),
    (independence.looks_at_the_labeled_frame, (independence.predicts_clips_as_images,)),
    (learning.gives_differentiable_outputs, _GIVEN),
    (learning.teaches_every_parameter, (learning.gives_differentiable_outputs,)),
    (learning.bears_missing_labels, (*_TARGETED, *_LEARNED)),
    (learning.bears_images_without_rows, (learning.bears_missing_labels,)),
    (learning.learns_nothing_of_absent_keypoints, (learning.bears_missing_labels,)),
    (learning.lowers_its_loss, (*_LEARNED, *_PLACED, *_TARGETED)),
    (agreement.predicts_what_its_losses_see, (*_ALONE, *_LEARNED, *_TARGETED)),
    (agreement.gives_clips_what_it_gives_images, (agreement.predicts_what_its_losses_see,)),
    (agreement.reads_its_heatmaps_as_its_targets, (agreement.predicts_what_its_losses_see,)),
    (devices.stays_on_its_device, (*_LEARNED, *_TARGETED)),
    (repetition.repeats_itself, (*_PREDICTED, *_LEARNED)),
    (repetition.keeps_its_state, (repetition.repeats_itself,)),
    (repetition.works_in_bfloat16, (*_PLACED, *_LEARNED)),
)
"""Each check, and those that must pass for its failure to mean what it says."""


def _checks() -> tuple[Check, ...]:
    made: dict[Callable[[Subject], None], Check] = {}
    for function, premises in _RELIANCE:
        made[function] = Check(function, tuple(made[premise] for premise in premises))
    return tuple(made.values())


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
