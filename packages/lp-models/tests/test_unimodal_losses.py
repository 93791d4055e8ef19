import pytest
import torch

from lp_core.geometry.targets import heatmap_targets
from lp_core.options import read_options
from lp_core.registry import LOSSES, load_plugin

NAMES = ["unimodal_mse", "unimodal_kl"]


def _loss(name, **options):
    kind = load_plugin(LOSSES, name)
    return kind(read_options(kind.Options, options, place=f"losses.{name}"))


def _gaussians(*points):
    keypoints = torch.tensor([[point] for point in points])
    return heatmap_targets(keypoints, (32, 32), (32, 32))


def _inputs(maps):
    return {"heatmaps_pred": maps, "confidences": torch.ones(maps.shape[:2])}


@pytest.mark.parametrize("name", NAMES)
def test_one_gaussian_costs_nothing_wherever_it_is(name):
    maps = _gaussians([10.3, 11.8], [1.2, 30.4])
    assert _loss(name)(_inputs(maps)).value.item() == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_two_peaks_cost_and_the_lower_one_shrinks(name):
    high, low = _gaussians([8.0, 8.0], [24.0, 24.0])
    logits = (0.7 * high + 0.3 * low).clamp_min(1e-12).log().unsqueeze(0).requires_grad_()
    maps = logits.flatten(2).softmax(2).unflatten(2, (32, 32))
    value, share = _loss(name)(_inputs(maps))
    assert value.item() > 0.005
    assert share.item() == 1
    value.backward()
    assert logits.grad[0, 0, 24, 24] > 0 > logits.grad[0, 0, 8, 8]


@pytest.mark.parametrize("name", NAMES)
def test_a_wide_map_costs_until_epsilon(name):
    wide = heatmap_targets(torch.tensor([[[16.0, 16.0]]]), (32, 32), (32, 32), sigma=3.0)
    cost = _loss(name)(_inputs(wide)).value.item()
    assert cost > 0
    assert _loss(name, epsilon=cost * 1.01)(_inputs(wide)).value.item() == 0


def test_doubted_maps_can_be_left_out():
    inputs = _inputs(_gaussians([8.0, 8.0]) * 0.5 + _gaussians([24.0, 24.0]) * 0.5)
    inputs["confidences"] = torch.tensor([[0.1]])
    assert _loss("unimodal_kl", prob_threshold=0.2)(inputs).value.item() == 0
