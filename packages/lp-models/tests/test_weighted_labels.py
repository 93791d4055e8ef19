"""Labels of less weight have less influence on supervised losses."""

import pytest
import torch

from lp_models.losses.confidence import ConfidenceLoss, ConfidenceOptions
from lp_models.losses.heatmap import HeatmapJSLoss, HeatmapKLLoss, HeatmapMSELoss
from lp_models.losses.regression import RegressionLoss

LOSSES = [
    HeatmapMSELoss(),
    HeatmapKLLoss(),
    HeatmapJSLoss(),
    RegressionLoss(),
    ConfidenceLoss(ConfidenceOptions(radius=3.0)),
]


def inputs(rows=3):
    torch.manual_seed(0)
    maps = torch.rand(2, rows, 2, 6, 6).flatten(3).softmax(-1).unflatten(-1, (6, 6))
    points = 10 * torch.rand(2, rows, 2, 2)
    points[0, 1, 1] = torch.nan
    maps[0, 1, 1] = 0
    return {
        "heatmaps_targ": maps[0], "heatmaps_pred": maps[1],
        "keypoints_targ": points[0], "keypoints_pred": points[1].requires_grad_(),
        "confidences": torch.rand(rows, 2),
    }  # fmt: skip


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_weight_multiplies_what_its_label_adds(loss):
    given = inputs()
    assert loss.weighs
    plain = loss(given).value
    ones = torch.ones(3, 2)
    torch.testing.assert_close(loss({**given, "weights": ones}).value, plain)
    torch.testing.assert_close(loss({**given, "weights": 0.25 * ones}).value, 0.25 * plain)
    first, rest = ones.clone(), ones.clone()
    first[1:], rest[:1] = 0, 0
    parts = loss({**given, "weights": first}).value + loss({**given, "weights": rest}).value
    torch.testing.assert_close(parts, plain)


def test_a_label_without_weight_has_no_gradient():
    given, weights = inputs(), torch.ones(3, 2)
    weights[0, 0] = 0
    RegressionLoss()({**given, "weights": weights}).value.backward()
    gradient = given["keypoints_pred"].grad
    assert gradient[0, 0].abs().sum() == 0
    assert gradient[0, 1].abs().sum() > 0
