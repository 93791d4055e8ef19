"""Points come home from several views, also where a view is wrong, absent or blind."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.errors import CameraError
from lp_core.geometry.cameras import (
    Camera,
    Rig,
    project,
    rotation_matrix,
    triangulate,
    triangulate_packed,
)

SIZE = 200.0
LENSES = [
    ((-0.2, 0.05, 0.001, -0.001, 0.0), "pinhole"),
    ((0.05, -0.02, 0.008, -0.003), "fisheye"),
    ((0.4, -0.3, 0.001, -0.001, 0.05, 0.7, -0.2, 0.02), "pinhole"),
    ((), "pinhole"),
]


@pytest.fixture
def rig(camera_at):
    """Four cameras of different kinds around a scene of the size SIZE."""
    angles = (0.1, 1.5, 3.0, 4.6)
    return Rig(
        tuple(
            camera_at(f"cam{i}", (500 * np.cos(a), 500 * np.sin(a), 150.0 + 60 * i), *LENSES[i])
            for i, a in enumerate(angles)
        ),
        "mm",
    )


@pytest.fixture
def scene():
    return np.random.default_rng(0).uniform(-SIZE / 2, SIZE / 2, (400, 3))


def noisy(rig, scene, sigma=1.6, seed=1):
    frames = project(rig, scene)
    return frames + np.random.default_rng(seed).normal(0, sigma, frames.shape)


def rms(points, scene):
    return float(np.sqrt(np.mean(np.sum((points - scene) ** 2, axis=-1))))


def test_points_come_home_and_say_how_well(rig, scene):
    found = triangulate(rig, project(rig, scene))
    np.testing.assert_allclose(found.points, scene, atol=1e-8)
    assert found.covariance.shape == (400, 3, 3)
    assert found.error.max() < 1e-6
    assert (found.views == 4).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(2, 6), st.floats(1e-3, 1e3))
def test_world_to_frames_to_world_for_any_rig(seed, count, unit):
    """Within 1e-4 of the size of the scene, whatever its unit and wherever its origin."""
    random = np.random.default_rng(seed)
    origin = unit * random.uniform(-1000, 1000, 3)
    cameras = []
    for i in range(count):
        turn = rotation_matrix(random.normal(0, 1, 3))
        distance = np.array([0.0, 0.0, random.uniform(300, 900) * unit])
        fisheye = random.random() < 0.4
        k = random.uniform(-0.02, 0.02, 4) if fisheye else random.uniform(-0.1, 0.1, 5) * 0.5
        matrix = np.diag([600.0, 620.0, 1.0]) + np.array([[0, 0, 320], [0, 0, 240], [0, 0, 0]])
        model = "fisheye" if fisheye else "pinhole"
        translation = distance - turn @ origin
        cameras.append(Camera(f"c{i}", (640, 480), matrix, k, turn, translation, model))
    rig = Rig(tuple(cameras))
    scene = origin + unit * random.uniform(-SIZE / 2, SIZE / 2, (20, 3))
    found = triangulate(rig, project(rig, scene))
    np.testing.assert_allclose(found.points, scene, atol=1e-4 * SIZE * unit, rtol=0)


def test_strong_distortion_at_the_edge_of_frames(camera_at):
    """Points near the border of lenses that distort by a third of the frame come home too."""
    places = ((400.0, 30.0, 200.0), (-250.0, 300.0, 200.0), (-100.0, -380.0, 150.0))
    cameras = [
        camera_at(str(i), place, (-0.33, 0.0, 0.001, 0.0), focal=370.0)
        for i, place in enumerate(places)
    ]
    rig = Rig(tuple(cameras))
    scene = np.random.default_rng(5).uniform(-330, 330, (3000, 3))
    frames = project(rig, scene)
    inside = ((frames > -1) & (frames < (640, 480))).all(axis=(0, 2))
    edge = ((frames < 25) | (frames > (615, 455))).any(axis=(0, 2)) & inside
    assert edge.sum() > 50
    np.testing.assert_allclose(triangulate(rig, frames[:, edge]).points, scene[edge], atol=0.02)


def test_a_fifth_of_outliers_in_one_view_hardly_matters(rig, scene):
    """Fault 32: the mean over pairs of views has no defence against one wrong view."""
    frames = noisy(rig, scene)
    clean = rms(triangulate(rig, frames).points, scene)
    random = np.random.default_rng(2)
    for view in range(4):
        wrong = random.random(len(scene)) < 0.2
        spoilt = frames.copy()
        spoilt[view, wrong] = random.uniform((0, 0), (640, 480), (int(wrong.sum()), 2))
        assert rms(triangulate(rig, spoilt).points, scene) <= 1.2 * clean


def test_two_wrong_views_of_five_are_outvoted(camera_at, scene):
    angles = np.arange(5) * 1.25
    rig = Rig(
        tuple(
            camera_at(str(i), (500 * np.cos(a), 500 * np.sin(a), 250.0))
            for i, a in enumerate(angles)
        )
    )
    frames = noisy(rig, scene)
    clean = rms(triangulate(rig.subset(["0", "2", "4"]), frames[[0, 2, 4]]).points, scene)
    random = np.random.default_rng(3)
    frames[[1, 3]] = random.uniform((0, 0), (640, 480), (2, len(scene), 2))
    found = triangulate(rig, frames).points
    assert np.median(np.linalg.norm(found - scene, axis=-1)) < 2 * clean


def test_the_error_tells_which_view_is_wrong(rig, scene):
    frames = noisy(rig, scene)
    frames[2, 7] += 80.0
    error = triangulate(rig, frames).error
    assert error[2, 7] > 90
    assert np.delete(error[:, 7], 2).max() < 8


def test_confidences_weight_the_views(rig, scene):
    frames = noisy(rig, scene)
    random = np.random.default_rng(4)
    frames[1] += random.normal(0, 6.0, frames[1].shape)
    confidences = np.ones(frames.shape[:2])
    confidences[1] = (1.6 / 6.2) ** 2
    weighted = rms(triangulate(rig, frames, confidences).points, scene)
    assert weighted < rms(triangulate(rig, frames).points, scene)
    confidences[1] = 0.0
    without = triangulate(rig, frames, confidences)
    others = ["cam0", "cam2", "cam3"]
    expected = triangulate(rig.subset(others), frames[[0, 2, 3]])
    np.testing.assert_allclose(without.points, expected.points, atol=1e-6)
    assert (without.views == 3).all()


def test_absent_views_are_an_ordinary_state(rig, scene):
    """Fault 48 and 10: a view is missing at some points, and for some points all but one are."""
    frames = noisy(rig, scene)
    frames[0, :5] = np.nan
    frames[1:, 5] = np.nan
    frames[:, 6] = np.nan
    confidences = np.ones(frames.shape[:2])
    confidences[3, 7] = np.nan
    found = triangulate(rig, frames, confidences)
    assert found.views[[0, 5, 6, 7, 8]].tolist() == [3, 1, 0, 3, 4]
    assert np.isnan(found.points).any(axis=1).nonzero()[0].tolist() == [5, 6]
    assert np.isnan(found.covariance[[5, 6]]).all()
    assert np.isnan(found.error[:, [5, 6]]).all()
    assert np.isnan(found.error[0, :5]).all()
    expected = triangulate(rig.subset(rig.names[1:]), frames[1:, :5])
    np.testing.assert_allclose(found.points[:5], expected.points, atol=1e-6)


def test_points_behind_the_cameras_are_not_points(camera_at):
    """Rays that part meet behind the cameras, which neither of them can have seen."""
    pair = Rig((camera_at("a", (-100.0, -500.0, 1.0)), camera_at("b", (100.0, -500.0, 1.0))))
    frames = np.array([[[320.0, 240.0]], [[320.0, 240.0]]])
    assert np.isfinite(triangulate(pair, frames).points).all()
    frames = np.array([[[100.0, 240.0]], [[540.0, 240.0]]])  # to the left, and to the right
    found = triangulate(pair, frames)
    if np.isfinite(found.points).all():  # a compromise far away, before both cameras
        assert np.isfinite(project(pair, found.points)).all()
        assert found.error.max() > 50
    else:
        assert np.isnan(found.error).all()
    assert found.covariance.shape == (1, 3, 3)


def test_rays_that_are_parallel_determine_no_point(camera_at):
    camera = camera_at("a", (300.0, 0.0, 100.0))
    twin = Camera(
        "b", camera.size, camera.matrix, camera.distortion, camera.rotation, camera.translation
    )
    frames = np.full((2, 3, 2), 200.0)
    found = triangulate(Rig((camera, twin)), frames)
    assert np.isnan(found.points).all()
    alone = triangulate(Rig((camera,)), frames[:1])
    assert np.isnan(alone.points).all()
    assert alone.views.tolist() == [1, 1, 1]


def test_the_covariance_is_that_of_the_errors(rig):
    scene = np.random.default_rng(6).uniform(-SIZE / 2, SIZE / 2, (4000, 3))
    for sigma in (1.0, 4.0):
        found = triangulate(rig, noisy(rig, scene, sigma), noise=sigma)
        off = found.points - scene
        squared = np.einsum("ni,nij,nj->n", off, np.linalg.inv(found.covariance), off)
        assert 2.6 < squared.mean() < 3.4  # three dimensions


def test_views_that_disagree_enlarge_the_covariance(rig, scene):
    frames = project(rig, scene)
    sure = np.trace(triangulate(rig, frames).covariance, axis1=1, axis2=2)
    unsure = np.trace(triangulate(rig, noisy(rig, scene, 6.0)).covariance, axis1=1, axis2=2)
    assert np.median(unsure / sure) > 2


def test_the_gradient_is_that_of_the_solution(rig, scene):
    frames = torch.from_numpy(noisy(rig, scene)[:, :2]).requires_grad_()
    confidences = torch.linspace(0.3, 1.0, 8, dtype=torch.float64).reshape(4, 2).requires_grad_()

    def points(frames, confidences):
        found = triangulate(rig, frames, confidences)
        return found.points, found.error

    assert torch.autograd.gradcheck(points, (frames, confidences), atol=1e-4, fast_mode=True)


def test_the_gradient_reaches_the_cameras(rig, scene):
    frames = torch.from_numpy(noisy(rig, scene)[:, :1])
    packed = rig.packed()

    def points(poses):
        cameras = torch.cat([packed[:, :21], poses, packed[:, 33:]], dim=1)
        return triangulate_packed(cameras, frames).points

    assert torch.autograd.gradcheck(
        points, packed[:, 21:33].requires_grad_(), atol=1e-3, fast_mode=True
    )


def test_points_without_a_solution_give_no_gradient(rig, scene):
    frames = noisy(rig, scene)[:, :4]
    frames[1:, 0] = np.nan
    tensor = torch.from_numpy(frames).requires_grad_()
    found = triangulate(rig, tensor)
    (found.points.nansum() + found.error.nansum() + found.covariance.nansum()).backward()
    assert tensor.grad.isfinite().all()
    assert tensor.grad[:, 0].abs().sum() == 0
    assert tensor.grad[:, 1].abs().sum() > 0


def test_a_batch_of_rigs_gives_what_each_gives(rig, scene):
    frames = noisy(rig, scene)
    frames[2, ::3] = 50.0
    names = ["cam2", "cam0", "cam3", "cam1"]
    order = [2, 0, 3, 1]
    packed = torch.stack([rig.packed(), rig.subset(names).packed()])
    packed[1, 3] = torch.nan  # cam1 is absent from the second frame
    points = torch.from_numpy(np.stack([frames, frames[order]]))
    found = triangulate_packed(packed, points, steps=12)
    assert not found.points.requires_grad
    expected = triangulate(rig, frames)
    np.testing.assert_allclose(found.points[0], expected.points, atol=1e-2)
    assert np.median(np.abs(found.points[0].numpy() - expected.points)) < 1e-4
    without = triangulate(rig.subset(names[:3]), frames[order[:3]])
    assert np.median(np.abs(found.points[1].numpy() - without.points)) < 1e-4
    assert found.error[1, 3].isnan().all()
    assert (found.views[1] == 3).all()


def test_single_precision_is_near(rig, scene):
    frames = noisy(rig, scene)
    packed = rig.packed(dtype=torch.float32)
    found = triangulate_packed(packed, torch.from_numpy(frames).float())
    assert found.points.dtype == torch.float32
    expected = triangulate(rig, frames).points
    assert np.abs(found.points.numpy() - expected).max() < 1e-3 * SIZE


def test_more_points_than_a_chunk_and_none(rig):
    scene = np.random.default_rng(7).uniform(-SIZE / 2, SIZE / 2, (20000, 3))
    frames = project(rig, scene)
    found = triangulate(rig, frames)
    np.testing.assert_allclose(found.points, scene, atol=1e-6)
    assert found.error.shape == (4, 20000)
    nothing = triangulate(rig, frames[:, :0])
    assert [part.shape for part in vars(nothing).values()] == [(0, 3), (0, 3, 3), (4, 0), (0,)]


def test_wrong_shapes_are_refused(rig):
    """Fault 27: another number of views than the rig has."""
    with pytest.raises(CameraError, match="the 4 cameras"):
        triangulate(rig, np.zeros((3, 5, 2)))
    with pytest.raises(CameraError, match=r"shape \(V, N, 2\)"):
        triangulate(rig, np.zeros((4, 5, 6, 2)))
    with pytest.raises(CameraError, match=r"confidences must have shape \(4, 5\)"):
        triangulate(rig, np.zeros((4, 5, 2)), np.zeros((5, 4)))
    with pytest.raises(CameraError, match="noise must be above 0"):
        triangulate(rig, np.zeros((4, 5, 2)), noise=0.0)
