"""Target heatmaps: where the Gaussian stands, and what a missing keypoint gets."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.geometry.targets import cells_to_pixels, heatmap_targets, pixels_to_cells

SIZE, CELLS = (128, 192), (32, 48)
NAN = float("nan")


def targets(x, y, **options):
    return heatmap_targets(torch.tensor([[[float(x), float(y)]]]), SIZE, CELLS, **options)[0, 0]


def test_a_target_is_a_gaussian_of_sum_one_at_its_keypoint():
    heatmap = targets(101.5, 61.5)  # the centre of cell (25, 15): (25 + 1/2) * 4 - 1/2
    assert heatmap.sum().item() == pytest.approx(1, abs=1e-5)
    assert divmod(int(heatmap.argmax()), CELLS[1]) == (15, 25)
    # the peak of a two-dimensional Gaussian of standard deviation 1.25 cells
    assert heatmap.max().item() == pytest.approx(1 / (2 * math.pi * 1.25**2), abs=2e-4)


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 191), st.floats(0, 127))
def test_every_target_in_the_image_sums_to_one(x, y):
    assert targets(x, y).sum().item() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("x", "y"), [(NAN, NAN), (NAN, 5.0), (-1.5, 5), (193.5, 5), (5, -2), (5, 130)]
)
def test_a_keypoint_that_is_missing_or_outside_has_an_empty_target(x, y):
    assert targets(x, y).abs().sum().item() == 0


def test_a_keypoint_up_to_one_pixel_outside_still_counts():
    assert targets(-0.9, 5.0).sum().item() == pytest.approx(1, abs=1e-5)


def test_a_missing_keypoint_can_be_given_a_uniform_target():
    heatmap = targets(NAN, NAN, uniform_missing=True)
    torch.testing.assert_close(heatmap, torch.full(CELLS, 1 / (32 * 48)))


def test_visibility_decides_between_nothing_uniform_and_gaussian():
    keypoints = torch.full((1, 3, 2), 50.0)
    heatmaps = heatmap_targets(keypoints, SIZE, CELLS, visibility=torch.tensor([[0, 1, 2]]))[0]
    assert heatmaps[0].sum() == 0
    assert heatmaps[1].max() == heatmaps[1].min() == pytest.approx(1 / (32 * 48))
    assert heatmaps[2].max() > 0.05


def test_an_unlabelled_keypoint_is_never_uniform():
    keypoints = torch.full((1, 1, 2), NAN)
    heatmaps = heatmap_targets(
        keypoints, SIZE, CELLS, visibility=torch.tensor([[0]]), uniform_missing=True
    )
    assert heatmaps.sum() == 0


def test_cells_and_pixels_are_inverse_scales():
    points = torch.tensor([[0.0, 0.0], [17.25, 90.5]])
    back = cells_to_pixels(pixels_to_cells(points, SIZE, CELLS), CELLS, SIZE)
    torch.testing.assert_close(back, points)
    assert cells_to_pixels(torch.zeros(1, 2), CELLS, SIZE).tolist() == [[1.5, 1.5]]
