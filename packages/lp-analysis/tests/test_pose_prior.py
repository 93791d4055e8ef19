"""Points in space that are poses which the animal takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lp_analysis.errors import TriangulationError
from lp_analysis.triangulation import (
    PosePrior,
    TriangulationOptions,
    fit_pose_prior,
    triangulate_poses,
)
from lp_core.geometry.cameras import Camera, Rig, project
from lp_core.poses import PoseTable, Skeleton

NAMES = ("nose", "neck", "left_paw", "right_paw", "rump", "tail")
SKELETON = Skeleton(NAMES)


def camera(name, azimuth):
    position = (500 * np.cos(azimuth), 500 * np.sin(azimuth), 250.0)
    matrix = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
    return Camera.looking_at((0, 0, 0), position, name=name, size=(640, 480), matrix=matrix)


RIG = Rig(tuple(camera(f"cam{n}", n * 1.57) for n in range(4)), "mm")


def walks(count, seed=0):
    """(F, K, 3) poses of an animal of 100 mm anywhere, whose paws swing against each other."""
    random = np.random.default_rng(seed)
    x, y, z = [60, 30, 20, 20, -30, -60], [0, 0, 15, -15, 0, 0], [20, 25, 0, 0, 20, 5]
    poses = np.tile(np.stack([x, y, z], axis=1).astype(float), (count, 1, 1))
    swing = random.uniform(-15, 15, count)
    poses[:, 2, 0] += swing
    poses[:, 3, 0] -= swing
    poses += random.normal(0, 1, poses.shape)
    angle = random.uniform(-np.pi, np.pi, count)
    turn = np.zeros((count, 3, 3))
    turn[:, 0, 0] = turn[:, 1, 1] = np.cos(angle)
    turn[:, 1, 0], turn[:, 0, 1], turn[:, 2, 2] = np.sin(angle), -np.sin(angle), 1
    return np.einsum("fij,fkj->fki", turn, poses) + random.uniform(-60, 60, (count, 1, 3))


@pytest.fixture(scope="module")
def prior():
    return fit_pose_prior(walks(40), SKELETON, "mm")


def seen(poses, noise=0.5, seed=1):
    """What the cameras see of poses, and how sure they are."""
    points = project(RIG, poses.reshape(-1, 3)).reshape(4, *poses.shape[:2], 2)
    points = points + np.random.default_rng(seed).normal(0, noise, points.shape)
    return points, np.ones(points.shape[:-1])


def errors(poses, points, weights, prior, rig=RIG):
    frames = tuple(range(len(poses)))
    table = PoseTable(SKELETON, np.full(poses.shape, np.nan), frames)
    options = TriangulationOptions(prior=prior, noise=0.5)
    found, _ = triangulate_poses(rig, points, weights, table, options)
    return np.linalg.norm(found.table.points - poses, axis=-1), found


def test_a_keypoint_that_no_view_sees_lies_where_the_others_say(prior):
    poses = walks(60, seed=2)
    points, weights = seen(poses)
    points[:, :, 3], weights[:, :, 3] = np.nan, 0
    away, found = errors(poses, points, weights, prior)
    assert np.median(away[:, 3]) < 4  # its paw swings by up to 15 mm, against the left one
    assert (found.views[:, 3] == 0).all()
    assert np.isnan(found.error[:, 3]).all()
    assert (found.table.confidence[:, 3] == 0).all()
    alone, _ = errors(poses, points, weights, None)
    assert np.isnan(alone[:, 3]).all()


def test_one_view_alone_makes_a_point_with_its_covariance(prior):
    poses = walks(200, seed=3)
    points, weights = seen(poses)
    points[1:, :, 2], weights[1:, :, 2] = np.nan, 0
    away, found = errors(poses, points, weights, prior)
    assert np.median(away[:, 2]) < 2.5
    covariance = found.table.covariance[:, 2]
    off = found.table.points[:, 2] - poses[:, 2]
    squared = np.einsum("fi,fij,fj->f", off, np.linalg.inv(covariance), off)
    assert 0.1 < np.median(squared) / 2.37 < 2  # 2.37: the median of chi square of 3
    spread = np.sqrt(np.trace(covariance, axis1=1, axis2=2))
    sure = np.sqrt(np.trace(found.table.covariance[:, 0], axis1=1, axis2=2))
    assert np.median(spread) > 2 * np.median(sure)


def test_a_limb_that_is_taken_for_another_in_half_of_the_views_is_put_right(prior):
    """Two views for each place: only the pose tells which is the paw's own."""
    poses = walks(100, seed=4)
    points, weights = seen(poses)
    points[2:, :, 3] = points[2:, :, 2]
    away, _ = errors(poses, points, weights, prior)
    alone, _ = errors(poses, points, weights, None)
    assert np.percentile(away[:, 3], 90) < 3
    assert np.percentile(alone[:, 3], 90) > 15


def test_where_all_views_agree_the_prior_changes_next_to_nothing(prior):
    poses = walks(50, seed=5)
    poses[:, 2, 2] += 40  # a raised paw, as no label shows it
    points, weights = seen(poses)
    away, _ = errors(poses, points, weights, prior)
    alone, _ = errors(poses, points, weights, None)
    assert away.mean() < 1.1 * alone.mean()


def test_poses_far_from_the_origin_and_of_few_keypoints_are_as_without_a_prior(prior):
    poses = walks(20, seed=6)
    points, weights = seen(poses)
    points[:, :, 2:], weights[:, :, 2:] = np.nan, 0  # too few to tell where the body is
    away, found = errors(poses, points, weights, prior)
    alone, without = errors(poses, points, weights, None)
    np.testing.assert_array_equal(away, alone)
    np.testing.assert_array_equal(found.views, without.views)
    points[:], weights[:] = np.nan, 0
    assert np.isnan(errors(poses, points, weights, prior)[0]).all()


def test_labels_that_lack_keypoints_teach_nearly_as_much(prior):
    poses = walks(80, seed=0)
    poses[np.random.default_rng(0).random(poses.shape[:2]) < 0.3] = np.nan
    holes = fit_pose_prior(poses, SKELETON, "mm")
    test = walks(60, seed=2)
    points, weights = seen(test)
    points[:, :, 3], weights[:, :, 3] = np.nan, 0
    assert np.median(errors(test, points, weights, holes)[0][:, 3]) < 4.5


def test_too_few_poses_or_keypoints_make_no_prior():
    assert fit_pose_prior(walks(19), SKELETON) is None
    rare = walks(40)
    rare[:30, 1] = np.nan
    assert fit_pose_prior(rare, SKELETON) is None
    assert fit_pose_prior(walks(40)[:, :3], Skeleton(NAMES[:3])) is None


def test_mirror_images_of_poses_are_as_likely(prior):
    """The left paw was never labelled ahead of the right one."""
    poses = walks(200, seed=7)
    ahead = np.linalg.norm(poses[:, 0, None] - poses[:, 2:4], axis=-1)
    one_sided = fit_pose_prior(poses[ahead[:, 0] > ahead[:, 1]], SKELETON)
    swapped = SKELETON.with_sides_by_name().mirror_permutation
    mirrored = one_sided.mean[swapped]
    np.testing.assert_allclose(
        np.linalg.norm(mirrored[:, None] - mirrored, axis=-1),
        np.linalg.norm(one_sided.mean[:, None] - one_sided.mean, axis=-1),
        atol=0.5,
    )


def test_it_is_kept_and_read_again(prior):
    again = PosePrior.from_dict(prior.to_dict())
    poses = walks(5, seed=8)
    points, weights = seen(poses)
    np.testing.assert_array_equal(
        errors(poses, points, weights, prior)[0], errors(poses, points, weights, again)[0]
    )
    assert PosePrior.from_dict(None) is None
    for key, value in (("mean", [[1.0]]), ("covariance", [["x"]]), ("trust", None)):
        with pytest.raises(TriangulationError, match="damaged"):
            PosePrior.from_dict(prior.to_dict() | {key: value})


def test_keypoints_may_stand_in_another_order_and_units_must_agree(prior):
    order = (3, 1, 0, 5, 4, 2)
    poses = walks(10, seed=9)
    points, weights = seen(poses)
    names = tuple(NAMES[k] for k in order)
    table = PoseTable(Skeleton(names), np.full(poses.shape, np.nan), tuple(range(10)))
    options = TriangulationOptions(prior=prior, noise=0.5)
    found, _ = triangulate_poses(RIG, points[:, :, order], weights[:, :, order], table, options)
    there, _ = errors(poses, points, weights, prior)
    np.testing.assert_allclose(
        np.linalg.norm(found.table.points - poses[:, order], axis=-1), there[:, order], atol=1e-6
    )
    with pytest.raises(TriangulationError, match="in mm, but the cameras in cm"):
        errors(poses, points, weights, prior, replace(RIG, unit="cm"))
    other = replace(table, skeleton=Skeleton((*names[:-1], "knee")))
    with pytest.raises(TriangulationError, match="other keypoints: knee"):
        triangulate_poses(RIG, points, weights, other, options)
