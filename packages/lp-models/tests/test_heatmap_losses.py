import math

import pytest
import torch

from lp_core.errors import LossError
from lp_core.geometry.targets import heatmap_targets
from lp_core.losses.factory import LossFactory
from lp_core.registry import LOSSES, load_plugin

NAMES = ["heatmap_mse", "heatmap_kl", "heatmap_js"]


def _targets(points, size=(12, 16)):
    keypoints = torch.tensor(points, dtype=torch.float32)
    return heatmap_targets(keypoints, (size[0] * 4, size[1] * 4), size)


def _inputs(prediction, target):
    return {"heatmaps_pred": prediction, "heatmaps_targ": target}


@pytest.fixture(params=NAMES)
def loss(request):
    return load_plugin(LOSSES, request.param)()


def test_equal_maps_cost_nothing(loss):
    maps = _targets([[[20.0, 21.0], [40.0, 8.0]]])
    assert float(loss(_inputs(maps, maps)).value) == pytest.approx(0.0, abs=1e-6)


def test_a_nearer_map_costs_less(loss):
    target = _targets([[[20.0, 20.0]]])
    near, far = _targets([[[22.0, 20.0]]]), _targets([[[40.0, 20.0]]])
    assert loss(_inputs(near, target)).value < loss(_inputs(far, target)).value


def test_a_keypoint_without_target_neither_counts_nor_learns(loss):
    target = _targets([[[20.0, 20.0], [math.nan, math.nan]]])
    logits = torch.randn(1, 2, 12, 16, requires_grad=True)
    maps = logits.flatten(2).softmax(2).unflatten(2, (12, 16))
    value = loss(_inputs(maps, target)).value
    alone = loss(_inputs(maps[:, :1], target[:, :1])).value
    assert torch.equal(value, alone)
    value.backward()
    assert (logits.grad[:, 1] == 0).all()
    assert logits.grad[:, 0].abs().max() > 0


def test_a_batch_without_any_target_costs_nothing_and_can_be_learned_from(loss):
    logits = torch.randn(2, 1, 12, 16, requires_grad=True)
    maps = logits.flatten(2).softmax(2).unflatten(2, (12, 16))
    value = loss(_inputs(maps, torch.zeros(2, 1, 12, 16))).value
    assert value.item() == 0
    value.backward()
    assert (logits.grad == 0).all()


def test_empty_batch_costs_nothing(loss):
    empty = torch.zeros(0, 3, 12, 16, requires_grad=True)
    value = loss(_inputs(empty, torch.zeros(0, 3, 12, 16))).value
    value.backward()
    assert value.item() == 0


def test_known_values_for_two_cells():
    maps = torch.tensor([0.25, 0.75]).reshape(1, 1, 1, 2)
    target = torch.tensor([0.5, 0.5]).reshape(1, 1, 1, 2)
    mixed = (0.375, 0.625)
    js = 0.5 * (
        0.5 * math.log(0.5 / mixed[0])
        + 0.5 * math.log(0.5 / mixed[1])
        + 0.25 * math.log(0.25 / mixed[0])
        + 0.75 * math.log(0.75 / mixed[1])
    )
    expected = {
        "heatmap_mse": (0.0625 + 0.0625) / 2 * 2,
        "heatmap_kl": 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75),
        "heatmap_js": js,
    }
    for name, value in expected.items():
        loss = load_plugin(LOSSES, name)()
        assert float(loss(_inputs(maps, target)).value) == pytest.approx(value, abs=1e-6)


def test_empty_cells_keep_divergences_finite(loss):
    one, other = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    one[..., 0, 0] = 1
    other[..., 3, 3] = 1
    one.requires_grad_()
    value = loss(_inputs(one, other)).value
    value.backward()
    assert value.isfinite()
    assert one.grad.isfinite().all()


def test_a_loss_that_compares_heatmaps_is_refused_without_heatmaps():
    losses = [load_plugin(LOSSES, "heatmap_mse")()]
    with pytest.raises(LossError, match="needs heatmaps_pred, heatmaps_targ"):
        LossFactory(losses, {"keypoints_pred", "keypoints_targ"})
