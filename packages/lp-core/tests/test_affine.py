"""Affine maps respect pixel centres, compose in order, and invert."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.geometry import affine

coordinate = st.floats(-500, 500, allow_nan=False)
factor = st.floats(0.1, 8)


@st.composite
def maps(draw):
    choices = [
        affine.scaling(draw(factor), draw(factor)),
        affine.translation(draw(coordinate), draw(coordinate)),
        affine.rotation(draw(st.floats(-180, 180)), (draw(coordinate), draw(coordinate))),
        affine.horizontal_flip(draw(st.integers(1, 999))),
        affine.vertical_flip(draw(st.integers(1, 999))),
    ]
    return draw(st.sampled_from(choices))


points = st.lists(st.tuples(coordinate, coordinate), min_size=1, max_size=5).map(
    lambda items: torch.tensor(items, dtype=torch.float64)
)


@settings(deadline=None, max_examples=60)
@given(maps(), points)
def test_the_inverse_brings_every_point_back(matrix, xy):
    back = affine.transform(affine.transform(xy, matrix), affine.invert(matrix))
    torch.testing.assert_close(back, xy, atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=60)
@given(maps(), maps(), maps(), points)
def test_a_composition_applies_its_first_map_first(first, second, third, xy):
    one_by_one = affine.transform(affine.transform(affine.transform(xy, first), second), third)
    at_once = affine.transform(xy, affine.compose(first, second, third))
    torch.testing.assert_close(at_once, one_by_one, atol=1e-6, rtol=1e-9)


def test_scaling_sends_pixel_centres_to_pixel_centres():
    # doubling an image turns pixel 0 into pixels 0 and 1, whose common centre is 0.5
    point = affine.transform(torch.tensor([[0.0, 3.0]]), affine.scaling(2.0, 2.0))
    assert point.tolist() == [[0.5, 6.5]]


def test_resizing_maps_the_image_area_onto_the_image_area():
    corners = torch.tensor([[-0.5, -0.5], [405.5, 395.5]])
    resized = affine.transform(corners, affine.resizing((396, 406), (128, 256)))
    torch.testing.assert_close(resized, torch.tensor([[-0.5, -0.5], [255.5, 127.5]]))


def test_flips_exchange_the_edges_of_the_image():
    points = torch.tensor([[0.0, 0.0], [9.0, 4.0]])
    assert affine.transform(points, affine.horizontal_flip(10)).tolist() == [[9, 0], [0, 4]]
    assert affine.transform(points, affine.vertical_flip(5)).tolist() == [[0, 4], [9, 0]]


def test_a_positive_rotation_turns_x_towards_y():
    turned = affine.transform(torch.tensor([[2.0, 1.0]]), affine.rotation(90.0, (1.0, 1.0)))
    torch.testing.assert_close(turned, torch.tensor([[1.0, 2.0]]))


def test_missing_points_stay_missing():
    moved = affine.transform(torch.tensor([[float("nan"), 1.0]]), affine.scaling(2.0, 2.0))
    assert moved.isnan().any()


def test_maps_of_a_batch_apply_to_their_own_rows():
    matrices = torch.stack([affine.translation(1.0, 0.0), affine.translation(0.0, 2.0)])
    moved = affine.transform(torch.zeros(2, 1, 2), matrices)
    assert moved.tolist() == [[[1, 0]], [[0, 2]]]


@pytest.mark.parametrize("size", [(64, 48), (33, 100), (31, 31)])
def test_a_drawn_dot_moves_with_its_pixels_when_an_image_is_resized(size):
    height, width = 96, 128
    x, y = 70.3, 41.8
    rows = torch.arange(height, dtype=torch.float32).unsqueeze(1)
    columns = torch.arange(width, dtype=torch.float32)
    dot = torch.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 6.0**2))
    small = torch.nn.functional.interpolate(
        dot[None, None], size=size, mode="bilinear", align_corners=False
    )[0, 0]
    mass = small.sum()
    found = torch.stack(
        [
            (small.sum(dim=0) * torch.arange(size[1])).sum() / mass,
            (small.sum(dim=1) * torch.arange(size[0])).sum() / mass,
        ]
    )
    expected = affine.transform(torch.tensor([[x, y]]), affine.resizing((height, width), size))[0]
    torch.testing.assert_close(found, expected, atol=0.03, rtol=0)
