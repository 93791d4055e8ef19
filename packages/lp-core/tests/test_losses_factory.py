"""What the loss factory checks, adds up and logs."""

import math

import pytest
import torch

from lp_core.errors import LossError
from lp_core.losses.contract import Loss, LossOptions, LossValue, TrainingLabels
from lp_core.losses.factory import LossFactory


class Error(Loss):
    name = "error"
    requires = frozenset({"keypoints_pred", "keypoints_targ"})
    supervised = True

    def forward(self, inputs):
        return LossValue((inputs["keypoints_pred"] - inputs["keypoints_targ"]).abs().mean())


class Motion(Loss):
    name = "motion"
    requires = frozenset({"keypoints_pred"})

    def forward(self, inputs):
        steps = inputs["keypoints_pred"].diff(dim=0).abs()
        return LossValue(steps.mean(), (steps > 1).float().mean())


class Learned(Loss):
    name = "learned"
    requires = frozenset({"keypoints_pred"})

    def __init__(self, options=None):
        super().__init__(options)
        self.register_buffer("centre", torch.zeros(2))

    def fit_labels(self, labels):
        if len(labels.keypoints) < 2:
            raise LossError("too few labels")
        self.centre.copy_(labels.keypoints.mean(dim=(0, 1)))

    def forward(self, inputs):
        return LossValue((inputs["keypoints_pred"] - self.centre).abs().mean())


def _inputs(*positions):
    points = torch.tensor([[[float(p), 0.0]] for p in positions], requires_grad=True)
    return {"keypoints_pred": points, "keypoints_targ": torch.zeros(len(positions), 1, 2)}


KEYS = {"keypoints_pred", "keypoints_targ"}


@pytest.mark.parametrize(
    ("log_weight", "weight"), [(0.0, 0.5), (math.log(2), 0.25), (11.0, 8.35e-6)]
)
def test_the_weight_is_half_an_exponential(log_weight, weight):
    assert Error(LossOptions(log_weight=log_weight)).weight == pytest.approx(weight, rel=1e-3)


def test_losses_are_weighted_and_added():
    factory = LossFactory([Error(), Motion(LossOptions(log_weight=math.log(5)))], KEYS)
    report = factory("train", _inputs(2, 4))
    assert report.total.item() == pytest.approx(0.5 * 1.5 + 0.1 * 1.0)
    report.total.backward()


def test_only_losses_that_do_not_supervise_are_annealed():
    factory = LossFactory([Error(), Motion()], KEYS)
    full, none = factory("train", _inputs(2, 4)), factory("train", _inputs(2, 4), anneal=0.0)
    half = factory("train", _inputs(2, 4), anneal=0.5)
    assert none.total.item() == pytest.approx(0.5 * 1.5)
    assert half.total.item() == pytest.approx((full.total.item() + none.total.item()) / 2)


def test_what_is_logged():
    logs = LossFactory([Error(), Motion()], KEYS)("val", _inputs(0, 4), anneal=0.5).logs
    assert {name: round(value.item(), 4) for name, value in logs.items()} == {
        "val_error_loss": 1.0,
        "val_error_loss_weighted": 0.5,
        "error_weight": 0.5,
        "val_motion_loss": 2.0,
        "val_motion_loss_weighted": 0.5,
        "val_motion_above_epsilon": 0.5,
        "motion_weight": 0.5,
    }
    assert not any(value.requires_grad for value in logs.values())


def test_heads_are_averaged_and_never_compared_with_each_other():
    # stacked as one clip, the step from one head's end to the other's start would count too
    factory = LossFactory([Motion()], KEYS)
    heads = [_inputs(0, 0, 0), _inputs(100, 100, 100)]
    assert factory("train", heads).total.item() == 0
    report = factory("train", [_inputs(0, 4), _inputs(0, 0)])
    assert report.logs["train_motion_loss"].item() == pytest.approx(1.0)
    assert report.logs["train_motion_above_epsilon"].item() == pytest.approx(0.25)


def test_a_loss_that_could_not_run_is_refused_at_once():
    with pytest.raises(LossError, match="'error' cannot run with the tracker 'mine'") as caught:
        LossFactory([Error()], {"keypoints_pred"}, tracker="the tracker 'mine'")
    assert "keypoints_targ" in str(caught.value)


def test_no_loss_and_twice_the_same_are_refused():
    with pytest.raises(LossError, match="no loss to learn from"):
        LossFactory([], KEYS)
    with pytest.raises(LossError, match="'motion' is given twice"):
        LossFactory([Motion(), Motion()], KEYS)


def test_what_losses_learn_from_labels_travels_in_the_state_dict():
    factory = LossFactory([Learned(), Motion()], KEYS)
    labels = torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]])
    factory.fit_labels(TrainingLabels(keypoints=labels, keypoint_names=("nose",)))
    fresh = LossFactory([Learned(), Motion()], KEYS)
    fresh.load_state_dict(factory.state_dict())
    assert fresh.losses["learned"].centre.tolist() == [2.0, 3.0]
    with pytest.raises(LossError, match="too few labels"):
        factory.fit_labels(TrainingLabels(keypoints=labels[:1], keypoint_names=("nose",)))
