import math

import pytest
import torch

from lp_core.errors import LossError
from lp_core.losses.contract import TrainingLabels
from lp_core.losses.factory import LossFactory
from lp_models.losses.confidence import ConfidenceLoss, ConfidenceOptions
from lp_models.losses.regression import RegressionLoss

NAN = math.nan


def _labels(keypoints):
    names = tuple(str(number) for number in range(len(keypoints[0])))
    return TrainingLabels(keypoints=torch.tensor(keypoints), keypoint_names=names)


def test_only_labelled_coordinates_count():
    predicted = torch.tensor([[[1.0, 2.0], [9.0, 9.0]]], requires_grad=True)
    targets = torch.tensor([[[4.0, 2.0], [NAN, NAN]]])
    value = RegressionLoss()({"keypoints_pred": predicted, "keypoints_targ": targets}).value
    assert value.item() == pytest.approx(9 / 2)
    value.backward()
    assert predicted.grad[0, 0].tolist() == [-3.0, 0.0]
    assert (predicted.grad[0, 1] == 0).all()


def test_no_labels_cost_nothing():
    predicted = torch.ones(2, 3, 2, requires_grad=True)
    inputs = {"keypoints_pred": predicted, "keypoints_targ": torch.full((2, 3, 2), NAN)}
    value = RegressionLoss()(inputs).value
    value.backward()
    assert value.item() == 0
    assert (predicted.grad == 0).all()


def test_a_supervised_regression_is_never_annealed():
    factory = LossFactory([RegressionLoss()], {"keypoints_pred", "keypoints_targ"})
    inputs = {"keypoints_pred": torch.ones(1, 1, 2), "keypoints_targ": torch.zeros(1, 1, 2)}
    assert factory("train", inputs, anneal=0.0).total.item() == pytest.approx(0.5)


def test_the_radius_is_a_share_of_the_median_pose():
    loss = ConfidenceLoss()
    loss.fit_labels(
        _labels(
            [
                [[0.0, 0.0], [30.0, 40.0], [10.0, 10.0]],
                [[0.0, 0.0], [30.0, 40.0], [NAN, NAN]],
                [[0.0, 0.0], [300.0, 400.0], [1.0, 1.0]],
                [[5.0, 5.0], [NAN, NAN], [NAN, NAN]],
            ]
        )
    )
    assert loss.radius.item() == pytest.approx(50 * 0.05)
    fresh = ConfidenceLoss()
    fresh.load_state_dict(loss.state_dict())
    assert fresh.radius.item() == pytest.approx(2.5)


def test_the_best_confidence_is_the_share_of_right_keypoints():
    loss = ConfidenceLoss(ConfidenceOptions(radius=2.0))
    targets = torch.zeros(10, 1, 2)
    predicted = torch.zeros(10, 1, 2)
    predicted[:3] = 5.0
    costs = {
        trust: loss(
            {
                "keypoints_pred": predicted,
                "keypoints_targ": targets,
                "confidences": torch.full((10, 1), trust),
            }
        ).value.item()
        for trust in (0.5, 0.6, 0.7, 0.8, 0.9)
    }
    assert min(costs, key=costs.get) == 0.7


def test_confidence_teaches_no_positions():
    loss = ConfidenceLoss(ConfidenceOptions(radius=2.0))
    predicted = torch.ones(2, 1, 2, requires_grad=True)
    confidences = torch.full((2, 1), 0.4, requires_grad=True)
    targets = torch.tensor([[[1.0, 1.0]], [[NAN, NAN]]])
    value = loss(
        {"keypoints_pred": predicted, "keypoints_targ": targets, "confidences": confidences}
    ).value
    value.backward()
    assert predicted.grad is None
    assert confidences.grad[0] < 0
    assert confidences.grad[1] == 0


def test_confidence_without_a_radius_says_what_to_do():
    with pytest.raises(LossError, match="fit_labels"):
        ConfidenceLoss()(
            {
                "keypoints_pred": torch.ones(1, 1, 2),
                "keypoints_targ": torch.ones(1, 1, 2),
                "confidences": torch.ones(1, 1),
            }
        )
    with pytest.raises(LossError, match="set radius"):
        ConfidenceLoss().fit_labels(_labels([[[1.0, 2.0], [NAN, NAN]]]))
