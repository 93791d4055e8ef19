"""Augmentation in space; faults are those of Lightning Pose's."""

import math

import numpy as np
import pytest
import torch

from lp_core.geometry import affine
from lp_core.geometry.cameras import Camera, Rig, project, triangulate
from lp_data.augmentation.scene import SceneMotion, fitted_warp


def camera_at(number):
    angle = 0.1 + 1.6 * number
    position = np.array([500 * math.cos(angle), 500 * math.sin(angle), 200.0])
    return Camera.looking_at(
        (0, 0, 0),
        position,
        name=f"cam{number}",
        size=(640, 480),
        matrix=np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]),
        distortion=np.array([-0.1, 0.02, 0.0, 0.0, 0.0]),
    )


RIG = Rig(tuple(camera_at(number) for number in range(4)), "mm")
SCENE = torch.from_numpy(np.random.default_rng(0).uniform(-60, 60, (8, 3)))


def labels_by_hand(seed=1):
    """Projections with errors of some px, as hand labels have, and their points in space."""
    noise = torch.from_numpy(np.random.default_rng(seed).normal(0, 2, (4, 8, 2)))
    labels = project(RIG, SCENE) + noise
    return labels, triangulate(RIG, labels).points


def moved(labels, points, motion=None, seed=3):
    motion = motion or SceneMotion()
    return motion(RIG.packed(), points, labels, np.random.default_rng(seed))


def test_no_motion_leaves_hand_labels_where_they_are():
    """Fault 16: all labels became projections of the point that the views agree on."""
    labels, points = labels_by_hand()
    still = SceneMotion(rotation=0.0, scale=(1.0, 1.0), shift=0.0)
    found = moved(labels, points, still)
    torch.testing.assert_close(found.labels, labels, atol=1e-9, rtol=0)
    torch.testing.assert_close(found.warps, affine.identity().expand(4, 2, 3), atol=1e-9, rtol=0)
    assert (project(RIG, points) - labels).norm(dim=-1).max() > 1


def test_labels_move_by_the_difference_of_projections():
    labels, points = labels_by_hand()
    found = moved(labels, points)
    shift = project(RIG, found.points) - project(RIG, points)
    torch.testing.assert_close(found.labels, labels + shift)
    assert shift.norm(dim=-1).mean() > 3
    again = triangulate(RIG, found.labels).points
    assert (again - found.points).norm(dim=-1).max() < 1


def test_a_keypoint_that_one_view_labels_keeps_its_label():
    """Fault 15: it lost its label in every augmented sample."""
    labels, _ = labels_by_hand()
    labels[1:, 2] = torch.nan
    found = moved(labels, triangulate(RIG, labels).points)
    expected = affine.transform(labels[0], found.warps[0])[2]
    torch.testing.assert_close(found.labels[0, 2], expected)
    assert found.points[2].isnan().all()


def test_what_is_not_labelled_gets_no_label():
    """Fault 17: a keypoint that a view does not label got coordinates there."""
    labels, _ = labels_by_hand()
    labels[2, 5] = torch.nan
    found = moved(labels, triangulate(RIG, labels).points)
    assert found.labels[2, 5].isnan().all()
    assert torch.equal(found.labels.isnan(), labels.isnan())


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_points_in_space_are_enough(count):
    """Faults 18 and 19: a fit that failed, or a view with fewer than 3 points, was an error."""
    labels, points = labels_by_hand()
    points = points.clone()
    points[count:] = torch.nan
    found = moved(labels, points)
    assert found.labels.isfinite().all()
    assert found.warps.isfinite().all()
    assert torch.equal(found.labels, labels) == (count < 2)  # one point has no extent
    area = torch.linalg.det(found.warps[:, :, :2])
    assert ((area > 0.5) & (area < 2)).all()


def test_the_image_moves_with_the_labels():
    """Fault 20: a similarity could not follow. A warp cannot follow depth either, but nearly."""
    labels, points = labels_by_hand()
    away, far = [], []
    for seed in range(20):
        found = moved(labels, points, seed=seed)
        far.append((found.labels - labels).norm(dim=-1).mean())
        away.append((affine.transform(labels, found.warps) - found.labels).norm(dim=-1).mean())
    assert np.mean(away) < 0.1 * np.mean(far)


def test_it_depends_on_its_generator_alone():
    labels, points = labels_by_hand()
    one, two = moved(labels, points), moved(labels, points)
    for first, second in zip(one, two, strict=True):
        assert torch.equal(first, second)
    assert not torch.equal(moved(labels, points, seed=4).labels, one.labels)


def test_the_scene_turns_about_the_upright_of_the_cameras():
    labels, points = labels_by_hand()
    turn = SceneMotion(rotation=30.0, scale=(1.0, 1.0), shift=0.0)
    found = moved(labels, points, turn).points
    torch.testing.assert_close(found[:, 2], points[:, 2], atol=0.5, rtol=0)
    middle = points.median(dim=0).values
    before, after = (each - middle for each in (points, found))
    torch.testing.assert_close(before.norm(dim=1), after.norm(dim=1))
    assert (before - after).norm(dim=1).max() > 3


def test_a_camera_that_is_absent_is_left_alone():
    labels, points = labels_by_hand()
    labels[3] = torch.nan
    cameras = RIG.packed().clone()
    cameras[3] = torch.nan
    found = SceneMotion()(cameras, points, labels, np.random.default_rng(0))
    assert found.labels[3].isnan().all()
    torch.testing.assert_close(found.warps[3], affine.identity())
    assert found.labels[:3].isfinite().all()


def test_warps_are_affine_where_points_determine_that():
    random = torch.Generator().manual_seed(0)
    points = 100 * torch.rand(12, 2, generator=random, dtype=torch.float64)
    wanted = torch.tensor([[1.2, 0.1, 5.0], [-0.2, 0.9, -3.0]], dtype=torch.float64)
    found = fitted_warp(points, affine.transform(points, wanted))
    torch.testing.assert_close(found, wanted, atol=0.6, rtol=0.05)
    line = torch.stack([points[:, 0], 2 * points[:, 0]], dim=1)
    similar = affine.compose(affine.rotation(10.0, (3.0, 4.0)), affine.scaling(1.1, 1.1))
    torch.testing.assert_close(fitted_warp(line, affine.transform(line, similar)), similar)
    one = fitted_warp(points[:1], points[:1] + torch.tensor([3.0, -2.0]))
    torch.testing.assert_close(one, affine.translation(3.0, -2.0))
