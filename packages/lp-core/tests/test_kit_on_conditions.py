"""The conformance kit, on trackers that are told which animal is meant."""

import pytest
import torch
from torch import nn

from lp_core.batches import Prediction, images_of
from lp_core.geometry.affine import transform
from lp_core.testing import CHECKS, ConformanceError, Subject
from lp_core.testing.losses import TargetHeatmapLoss
from lp_core.trackers.supervised import BaseSupervisedTracker

ABOUT_CONDITIONS = ("takes_a_condition", "keeps_conditions_apart")


class Told(BaseSupervisedTracker):
    """A third party's tracker: it goes a part of the way to what it is told."""

    condition = "pose"

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.places = nn.Linear(self.backbone.channels, 2 * self.num_keypoints)

    def get_loss_inputs_labeled(self, batch):
        raise NotImplementedError

    def told(self, batch, seen):
        condition = batch.get("condition", torch.full_like(seen, torch.nan))
        return torch.where(condition.isnan(), 0.0, condition - seen)

    def predict_step(self, batch, batch_idx=0):
        features = self.get_representations(images_of(batch)).mean(dim=(2, 3))
        seen = self.places(features).unflatten(1, (self.num_keypoints, 2))
        keypoints = seen + 0.5 * self.told(batch, seen)
        return Prediction(transform(keypoints, batch["to_frame"]), keypoints[..., 0] * 0 + 0.5)


class Deaf(Told):
    def told(self, batch, seen):
        return torch.zeros_like(seen)


class NothingIsAPlace(Told):
    """It takes an unknown keypoint to be at (0, 0)."""

    def told(self, batch, seen):
        condition = batch.get("condition")
        return torch.zeros_like(seen) if condition is None else condition.nan_to_num(0.0) - seen


class Poisoned(Told):
    def told(self, batch, seen):
        found = super().told(batch, seen)
        return found if "condition" not in batch else found / found.abs().clamp_max(0.0)


class TakesFramePx(Told):
    def told(self, batch, seen):
        found = super().told(batch, seen)
        return torch.where(found == 0, 0.0, found + batch["to_frame"][:, None, :, 2] / 100)


class SharesConditions(Told):
    def told(self, batch, seen):
        return super().told(batch, seen).mean(dim=0, keepdim=True)


def complaints(tracker, small_backbone):
    """What the checks of conditions say."""
    said = []
    for check in CHECKS:
        if check.name in ABOUT_CONDITIONS:
            try:
                check.function(Subject(tracker, {}, small_backbone, [TargetHeatmapLoss]))
            except ConformanceError as error:
                said.append(str(error))
    return said


def test_a_tracker_that_takes_conditions_passes(small_backbone):
    assert complaints(Told, small_backbone) == []


@pytest.mark.parametrize(
    ("tracker", "words"),
    [
        (Deaf, "does not depend on batch['condition']"),
        (NothingIsAPlace, "of which nothing is known is not as none"),
        (Poisoned, "is not finite"),
        (TakesFramePx, "depends on to_frame"),
        (SharesConditions, "has an influence on the other images"),
    ],
)
def test_a_defect_is_named(tracker, words, small_backbone):
    assert any(words in said for said in complaints(tracker, small_backbone))


def test_a_condition_of_an_unknown_kind_is_refused(small_backbone):
    kind = type("Smells", (Told,), {"condition": "smell"})
    check = next(c for c in CHECKS if c.name == "declares_what_it_needs")
    with pytest.raises(ConformanceError, match="condition is 'smell'"):
        check.function(Subject(kind, {}, small_backbone, [TargetHeatmapLoss]))
