"""Decoding a heatmap: exact on what targets are, differentiable, and with an honest confidence."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.geometry.decoding import decode_heatmaps, decode_peaks
from lp_core.geometry.targets import heatmap_targets

SIZE = (128, 160)


def decode(x, y, factor, **options):
    cells = (SIZE[0] // 2**factor, SIZE[1] // 2**factor)
    maps = heatmap_targets(torch.tensor([[[x, y]]]), SIZE, cells, **options)
    keypoints, confidences = decode_heatmaps(maps, SIZE)
    return keypoints[0, 0], confidences[0, 0]


@pytest.mark.parametrize("factor", [0, 1, 2, 3])
@settings(deadline=None, max_examples=40)
@given(x=st.floats(0, SIZE[1] - 1), y=st.floats(0, SIZE[0] - 1))
def test_a_gaussian_is_found_where_it_was_put_also_at_the_edge(factor, x, y):
    found, _ = decode(x, y, factor)
    torch.testing.assert_close(found, torch.tensor([x, y]), atol=2e-3, rtol=0)


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_decoding_has_no_bias_at_any_downsample_factor(factor):
    # Lightning Pose is off by a whole pixel at factor 3
    cells = (SIZE[0] // 2**factor, SIZE[1] // 2**factor)
    truth = torch.rand(32, 8, 2, generator=torch.Generator().manual_seed(0)) * 100 + 10
    found, _ = decode_heatmaps(heatmap_targets(truth, SIZE, cells), SIZE)
    assert (found - truth).mean(dim=(0, 1)).abs().max() < 1e-3
    assert (found - truth).norm(dim=-1).mean() < 1e-3


@pytest.mark.parametrize(("sigma", "limit"), [(1.5, 0.02), (2.0, 0.1), (3.0, 0.8)])
def test_a_wider_map_is_still_found(sigma, limit):
    found, _ = decode(71.3, 60.2, 2, sigma=sigma)
    assert (found - torch.tensor([71.3, 60.2])).norm() < limit


# Confidences of Lightning Pose on the same maps (256×256, factor 2, without its kornia fault).
@pytest.mark.parametrize(
    ("sigma", "expected"), [(1.25, 0.9997), (2.0, 0.84), (3.0, 0.34), (5.0, 0.04)]
)
def test_confidence_agrees_with_the_public_likelihood(sigma, expected):
    maps = heatmap_targets(torch.tensor([[[127.5, 127.5]]]), (256, 256), (64, 64), sigma=sigma)
    _, confidence = decode_heatmaps(maps, (256, 256))
    assert confidence.item() == pytest.approx(expected, abs=0.03)


def test_a_map_without_a_peak_has_no_confidence():
    _, confidence = decode_heatmaps(torch.full((1, 1, 64, 64), 1 / 4096), (256, 256))
    assert confidence.item() < 1e-3


def test_a_map_without_a_peak_is_decoded_near_the_middle_of_the_image():
    # the first cell, where a search for the maximum ends, is as far from most places as can be
    found, _ = decode_heatmaps(torch.full((1, 1, 32, 40), 1 / 1280), SIZE)
    assert (found[0, 0] - torch.tensor([79.5, 63.5])).norm() < 8


PLACES = torch.tensor([[41.5, 41.5], [209.5, 61.5], [121.5, 201.5]])  # in the middle of a cell


def decode_mixture(weights):
    maps = heatmap_targets(PLACES[None], (256, 256), (64, 64))
    mixture = (maps * torch.tensor(weights).reshape(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    (found,), (confidence,) = (part[0] for part in decode_heatmaps(mixture, (256, 256)))
    return found, confidence.item()


def mean_distance(point, places, weights):
    distances = (places - point).norm(dim=-1)
    return (distances * torch.tensor(weights)).sum().item()


def test_a_map_that_cannot_decide_is_decoded_between_its_peaks():
    weights = [1 / 3, 1 / 3, 1 / 3]
    found, confidence = decode_mixture(weights)
    assert confidence < 0.4
    nearest = min(mean_distance(place, PLACES, weights) for place in PLACES)
    assert mean_distance(found, PLACES, weights) < 0.97 * nearest


@pytest.mark.parametrize("weights", [[0.6, 0.2, 0.2], [0.2, 0.1, 0.7]])
def test_a_peak_that_is_more_likely_than_all_others_is_the_position(weights):
    # of all points, one with more than half of the mass has the least mean distance
    found, confidence = decode_mixture(weights)
    assert confidence > 0.5
    place = PLACES[weights.index(max(weights))]
    torch.testing.assert_close(found, place, atol=0.05, rtol=0)


def test_doubt_changes_the_position_and_not_its_gradient():
    maps = heatmap_targets(PLACES[None], (256, 256), (64, 64)).mean(dim=1, keepdim=True)
    gradients = []
    for decoder in (decode_heatmaps, decode_peaks):
        leaf = maps.clone().requires_grad_()
        gradients.append(torch.autograd.grad(decoder(leaf, (256, 256))[0].sum(), leaf)[0])
    torch.testing.assert_close(*gradients)


def test_two_equal_peaks_give_one_of_them_and_little_confidence():
    places = torch.tensor([[[50.0, 50.0], [200.0, 180.0]]])
    maps = heatmap_targets(places, (256, 256), (64, 64))
    both = (0.5 * maps[:, :1] + 0.5 * maps[:, 1:]).contiguous()
    found, confidence = decode_heatmaps(both, (256, 256))
    distance = (found[0, 0] - places[0]).norm(dim=-1).min()
    assert distance < 0.1
    assert confidence.item() < 0.6


def test_a_single_cell_is_decoded_to_its_centre_with_full_confidence():
    maps = torch.zeros(1, 1, 8, 8)
    maps[0, 0, 3, 2] = 1
    found, confidence = decode_heatmaps(maps, (32, 32))
    # the edge is near, and there the decoder expects a Gaussian that it cuts
    torch.testing.assert_close(found[0, 0], torch.tensor([9.5, 13.5]), atol=0.05, rtol=0)
    assert confidence.item() > 0.95


def test_the_gradient_moves_the_keypoint_as_finite_differences_do():
    logits = torch.randn(1, 2, 16, 16, generator=torch.Generator().manual_seed(1)) * 0.1
    gaussians = heatmap_targets(torch.tensor([[[20.3, 31.8], [1.0, 62.0]]]), (64, 64), (16, 16))
    logits = ((gaussians + 1e-4).log() + logits).requires_grad_()

    def position(values):
        return decode_heatmaps(values.flatten(2).softmax(-1).unflatten(2, (16, 16)), (64, 64))[0]

    direction = torch.randn(logits.shape, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(position(logits).sum(), logits)
    step = 1e-2
    with torch.no_grad():
        change = position(logits + step * direction) - position(logits - step * direction)
    expected = change.sum() / (2 * step)
    torch.testing.assert_close((gradient * direction).sum(), expected, atol=5e-3, rtol=2e-2)


def test_an_empty_map_gives_finite_numbers():
    keypoints, confidences = decode_heatmaps(torch.zeros(1, 1, 16, 16), (64, 64))
    assert keypoints.isfinite().all()
    assert 0 <= confidences.item() <= 0.01


def test_a_map_smaller_than_the_window_is_decoded():
    maps = heatmap_targets(torch.tensor([[[9.0, 14.0]]]), (16, 24), (4, 6))
    found, _ = decode_heatmaps(maps, (16, 24))
    torch.testing.assert_close(found[0, 0], torch.tensor([9.0, 14.0]), atol=2e-3, rtol=0)
