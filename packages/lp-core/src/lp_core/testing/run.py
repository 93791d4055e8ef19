"""All checks, one by one or at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lp_core.losses.contract import Loss
from lp_core.testing import coordinates, declarations, learning, outputs, repetition
from lp_core.testing.errors import ConformanceError
from lp_core.testing.subject import Subject, quiet_generators
from lp_core.trackers.supervised import BaseSupervisedTracker


@dataclass(frozen=True)
class Check:
    """One property that every tracker must have; call it with a `Subject`.

    Attributes:
        function: What checks it.
    """

    function: Callable[[Subject], None]

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
        """
        with warnings.catch_warnings(), quiet_generators():
            warnings.filterwarnings("ignore", message=".*self.trainer.*")
            try:
                self.function(subject)
            except ConformanceError:
                raise
            except Exception as error:  # whatever a plug-in raises is its defect
                raise subject.fault(
                    f"while checking '{self.name}' it raised {type(error).__name__}: {error}"
                ) from error


CHECKS: tuple[Check, ...] = tuple(
    Check(function)
    for function in (
        declarations.defines_its_methods,
        declarations.declares_what_it_needs,
        declarations.has_a_proper_twin,
        declarations.reads_its_options_from_json,
        outputs.leaves_its_batch_alone,
        outputs.gives_its_labeled_outputs,
        outputs.gives_its_unlabeled_outputs,
        outputs.predicts_every_form_of_batch,
        coordinates.predicts_in_frame_px,
        coordinates.gives_its_losses_frame_px,
        outputs.predicts_each_image_alone,
        learning.gives_differentiable_outputs,
        learning.teaches_every_parameter,
        learning.lowers_its_loss,
        learning.bears_missing_labels,
        learning.learns_nothing_of_absent_keypoints,
        repetition.repeats_itself,
        repetition.keeps_its_state,
        repetition.works_in_bfloat16,
    )
)
"""Every check; a plug-in's test may say ``@pytest.mark.parametrize("check", CHECKS, ids=str)``."""


def check_tracker(
    tracker_class: type[BaseSupervisedTracker],
    *,
    options_overrides: Mapping[str, Any] | None = None,
    backbone: str = "test_resnet",
    loss_classes: Sequence[type[Loss]] | None = None,
    checks: Iterable[Check] = CHECKS,
) -> None:
    """Check a tracker class and its semi-supervised twin, if it has one.

    Args:
        tracker_class: The class.
        options_overrides: Its options, where they are not those of a small toy problem.
        backbone: A small backbone: a registered name or a timm model; no weights are fetched.
        loss_classes: What supervises it; None takes what it names from the registry.
        checks: Which checks to make.

    Raises:
        ConformanceError: It breaks the contract; the message names the first defect found.
    """
    kinds = [tracker_class, tracker_class.semi_supervised_class()]
    for kind in dict.fromkeys(kind for kind in kinds if kind is not None):
        subject = Subject(kind, options_overrides or {}, backbone, loss_classes)
        for check in checks:
            check(subject)
