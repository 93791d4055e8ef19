"""Cameras project as OpenCV does, come back, and say what is wrong with them."""

import json

import cv2
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
    project_packed,
    rotation_matrix,
    rotation_vector,
    undistort,
    undistort_packed,
)

LENSES = {
    "none": ((), "pinhole"),
    "four": ((-0.31, 0.12, 0.003, -0.002), "pinhole"),
    "five": ((-0.42, 0.23, 0.001, 0.002, -0.07), "pinhole"),
    "pincushion": ((0.35, 0.1, -0.004, 0.003, 0.02), "pinhole"),
    "rational": ((0.4, -0.3, 0.001, -0.001, 0.05, 0.7, -0.2, 0.02), "pinhole"),
    "prism": ((-0.2, 0.1, 0.001, 0.002, 0, 0, 0, 0, 0.01, -0.004, 0.006, 0.003), "pinhole"),
    "tilt": (
        (-0.2, 0.1, 0.001, 0.002, 0.01, 0.02, 0, 0, 0.01, -0.004, 0.006, 0.003, 0.05, -0.08),
        "pinhole",
    ),
    "fisheye": ((0.05, -0.02, 0.008, -0.003), "fisheye"),
    "fisheye without distortion": ((), "fisheye"),
}


@pytest.fixture(params=LENSES)
def lens(request):
    return LENSES[request.param]


@pytest.fixture
def camera(lens, camera_at):
    return camera_at("a", (300.0, -200.0, 250.0), *lens)


def border(size, step=16):
    """Points on and within the border of an image, (N, 2)."""
    width, height = size
    x = np.linspace(0, width - 1, width // step)
    y = np.linspace(0, height - 1, height // step)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def opencv(camera, points):
    """Frame px of world points (N, 3), by OpenCV."""
    arguments = camera.rotation_vector, camera.translation, camera.matrix
    if camera.model == "fisheye":
        distortion = camera.distortion if camera.distortion.size else np.zeros(4)
        return cv2.fisheye.projectPoints(points[:, None], *arguments, distortion)[0][:, 0]
    distortion = camera.distortion if camera.distortion.size else None
    return cv2.projectPoints(points, *arguments, distortion)[0][:, 0]


def in_world(camera, rays, depth):
    """World points (N, 3) at a depth before a camera, along rays (N, 2)."""
    ahead = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) * depth
    return (ahead - camera.translation) @ camera.rotation


def test_projects_as_opencv_up_to_the_border(camera):
    """Faults 12 and 13: fisheye lenses and every number of coefficients, in one rig."""
    rays = undistort(Rig((camera,)), border(camera.size)[None])[0]
    assert np.isfinite(rays).all()
    points = in_world(camera, rays, np.linspace(80, 900, len(rays))[:, None])
    ours = project(Rig((camera,)), points)[0]
    np.testing.assert_allclose(ours, opencv(camera, points), atol=1e-6, rtol=0)
    np.testing.assert_allclose(ours, border(camera.size), atol=1e-7, rtol=0)


@pytest.mark.parametrize("position", [(300, -200, 150), (0, 5, -400)])
def test_a_camera_that_looks_at_a_target_shows_it_in_the_middle_and_upright(position):
    matrix = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
    target = np.array([10.0, 20.0, 30.0])
    made = Camera.looking_at(target, position, name="a", size=(640, 480), matrix=matrix)
    np.testing.assert_allclose(made.centre, position, atol=1e-9)
    middle, above = project(Rig((made,)), np.stack([target, target + np.array([0, 0, 5])]))[0]
    np.testing.assert_allclose(middle, (320, 240), atol=1e-9)
    assert above[0] == pytest.approx(320, abs=1e-9)
    assert above[1] < 240  # y points down


@pytest.mark.parametrize("position", [(0, 0, 9), (0, 0, 0)])
def test_a_camera_without_upright_images_is_refused(position):
    with pytest.raises(CameraError, match="no upright images"):
        Camera.looking_at((0, 0, 0), position, name="a", size=(9, 9), matrix=np.eye(3))


def test_lenses_of_different_kinds_share_a_rig(camera_at):
    """Faults 12 and 13: one rig of all lenses projects as each camera alone."""
    cameras = [
        camera_at(name, (300.0, 40.0 * i - 150, 250.0), *lens)
        for i, (name, lens) in enumerate(LENSES.items())
    ]
    points = np.random.default_rng(0).uniform(-40, 40, (2, 5, 3))
    together = project(Rig(tuple(cameras)), points)
    assert together.shape == (len(LENSES), 2, 5, 2)
    for camera, ours in zip(cameras, together, strict=True):
        expected = opencv(camera, points.reshape(-1, 3)).reshape(2, 5, 2)
        np.testing.assert_allclose(ours, expected, atol=1e-6, rtol=0)


def test_numpy_and_torch_give_the_same(camera):
    rig = Rig((camera,))
    points = np.random.default_rng(1).uniform(-40, 40, (6, 3))
    frames = project(rig, points)
    as_tensor = project(rig, torch.from_numpy(points))
    assert isinstance(as_tensor, torch.Tensor)
    np.testing.assert_array_equal(as_tensor.numpy(), frames)
    single = project(rig, torch.from_numpy(points).float())
    assert single.dtype == torch.float32
    np.testing.assert_allclose(single.numpy(), frames, atol=0.01)
    np.testing.assert_array_equal(undistort(rig, torch.from_numpy(frames)), undistort(rig, frames))


def test_projection_is_differentiable(camera):
    points = torch.from_numpy(np.random.default_rng(2).uniform(-40, 40, (4, 3)))
    rig = Rig((camera,))
    assert torch.autograd.gradcheck(lambda p: project(rig, p), points.requires_grad_())
    packed = rig.packed()
    frames = project_packed(packed, points.detach())
    assert torch.autograd.gradcheck(lambda f: undistort_packed(packed, f), frames.requires_grad_())


def test_projection_is_differentiable_in_the_parameters(camera):
    packed = Rig((camera,)).packed()
    points = torch.from_numpy(np.random.default_rng(2).uniform(-40, 40, (2, 3)))

    def frames(lens):
        return project_packed(torch.cat([lens, packed[:, 33:]], dim=1), points)

    assert torch.autograd.gradcheck(frames, packed[:, :33].requires_grad_())


def test_points_that_a_camera_cannot_see_are_nan_and_without_gradient(camera):
    rig = Rig((camera,))
    behind = camera.centre * 1.5
    points = torch.tensor(np.stack([np.zeros(3), behind, camera.centre]), requires_grad=True)
    frames = project(rig, points)
    assert frames.isnan().all(dim=-1).tolist() == [[False, True, True]]
    frames.nansum().backward()
    assert points.grad.isfinite().all()
    assert points.grad[0].abs().sum() > 0
    assert points.grad[1:].abs().sum() == 0


def test_a_distortion_that_folds_back_gives_nan(camera_at):
    camera = camera_at("a", (0.0, -400.0, 0.0), (-0.35, 0.0, 0.0, 0.0))  # grows up to r = 0.976
    angles = np.array([0.5, 0.9, 0.97, 0.98, 1.2, 3.0])
    frames = project(Rig((camera,)), in_world(camera, np.stack([angles, 0 * angles], -1), 400.0))
    assert np.isnan(frames[0, :, 0]).tolist() == [False] * 3 + [True] * 3
    # OpenCV's folds back into the image
    folded = opencv(camera, in_world(camera, np.array([[1.6, 0.0]]), 400.0))
    assert 0 < folded[0, 0] < camera.size[0]


def test_what_a_lens_cannot_reach_is_not_undistorted(camera_at):
    camera = camera_at("a", (0.0, -400.0, 0.0), (-0.35, 0.0, 0.0, 0.0), focal=300.0)
    points = np.array([[[320.0, 240.0], [640.0, 470.0], [np.nan, 3.0]]])
    assert np.isnan(undistort(Rig((camera,)), points)[0, :, 0]).tolist() == [False, True, True]


def test_a_fisheye_lens_sees_beyond_a_right_angle(camera_at):
    camera = camera_at("a", (0.0, -400.0, 0.0), (0.02, 0.001, 0, 0), "fisheye", focal=150.0)
    aside = in_world(camera, np.array([[0.0, 0.0]]), 0.0) + camera.rotation[0] * 50
    aside = aside - camera.rotation[2] * 5
    frame = project(Rig((camera,)), aside)[0, 0]
    angle = np.pi / 2 + np.arctan(0.1)
    expected = 150.0 * angle * (1 + 0.02 * angle**2 + 0.001 * angle**4)
    np.testing.assert_allclose(frame - camera.matrix[:2, 2], (expected, 0), atol=1e-9)
    assert np.isnan(undistort(Rig((camera,)), frame[None, None])).all()


@settings(deadline=None, max_examples=60)
@given(
    st.tuples(st.floats(-0.4, 0.4), st.floats(-0.2, 0.2), st.floats(-0.01, 0.01)),
    st.floats(0, 2 * np.pi),
    st.floats(0, 1),
)
def test_undistortion_undoes_projection(coefficients, angle, share):
    k1, k2, p = coefficients
    camera = Camera("a", (640, 480), np.diag([500.0, 500.0, 1.0]), np.array([k1, k2, p, -p, 0.01]))
    rig = Rig((camera,))
    limit = float(rig.packed()[0, 34]) ** 0.5
    radius = share * min(0.9 * limit, 1.0)
    ray = radius * np.array([np.cos(angle), np.sin(angle)])
    frame = project(rig, np.append(ray, 1.0))
    np.testing.assert_allclose(undistort(rig, frame), ray[None], atol=1e-9)


def test_batches_of_rigs_of_which_cameras_are_absent(camera_at):
    rigs = [
        Rig(tuple(camera_at(str(v), (300.0, 50.0 * v + i, 250.0)) for v in range(3)))
        for i in range(2)
    ]
    packed = torch.stack([rig.packed() for rig in rigs])
    packed[1, 2] = torch.nan
    points = torch.from_numpy(np.random.default_rng(3).uniform(-40, 40, (2, 4, 3)))
    frames = project_packed(packed, points)
    torch.testing.assert_close(frames[0], project(rigs[0], points[0]))
    torch.testing.assert_close(frames[1, :2], project(rigs[1].subset(["0", "1"]), points[1]))
    assert frames[1, 2].isnan().all()
    back = undistort_packed(packed, frames)
    torch.testing.assert_close(back[0], undistort(rigs[0], frames[0]))
    assert back[1, 2].isnan().all()


@settings(deadline=None, max_examples=60)
@given(st.tuples(*[st.floats(-1, 1)] * 3), st.sampled_from([1e-9, 0.1, 1.0, 3.14159, np.pi]))
def test_rotation_vectors_are_those_of_opencv(axis, angle):
    vector = np.array(axis)
    vector = vector / max(np.linalg.norm(vector), 1e-3) * angle
    matrix = rotation_matrix(vector)
    np.testing.assert_allclose(matrix, cv2.Rodrigues(vector)[0], atol=1e-12)
    np.testing.assert_allclose(rotation_matrix(rotation_vector(matrix)), matrix, atol=1e-12)
    assert np.linalg.norm(rotation_vector(matrix)) <= np.pi + 1e-12


def test_a_resized_camera_sees_what_the_resized_image_shows(camera):
    half = camera.resized((320, 240))
    points = np.random.default_rng(4).uniform(-40, 40, (5, 3))
    expected = (project(Rig((camera,)), points) + 0.5) * 0.5 - 0.5
    np.testing.assert_allclose(project(Rig((half,)), points), expected, atol=1e-9)
    assert half.size == (320, 240)


def test_cameras_survive_json(camera):
    rig = Rig.from_dict(json.loads(json.dumps(Rig((camera,), "mm").to_dict())))
    assert rig.unit == "mm"
    assert rig.names == ("a",)
    torch.testing.assert_close(rig.packed(), Rig((camera,)).packed(), atol=1e-12, rtol=0)


def test_views_are_taken_by_name_and_in_their_own_order(camera_at):
    """Faults 10, 28 and 45: cam1 is not cam10, and the order is that of the names asked for."""
    rig = Rig(tuple(camera_at(f"cam{i}", (300.0, 20.0 * i, 250.0)) for i in range(12)), "mm")
    part = rig.subset(["cam10", "cam1"])
    assert part.names == ("cam10", "cam1")
    assert part.unit == "mm"
    points = np.zeros((1, 3))
    np.testing.assert_array_equal(project(part, points), project(rig, points)[[10, 1]])
    with pytest.raises(CameraError, match="no camera 'cam99'") as error:
        rig.subset(["cam1", "cam99"])
    assert "did you mean 'cam" in str(error.value)


def test_images_must_be_those_of_the_calibration(camera_at):
    """Fault 14: downscaled videos would silently give wrong points in space."""
    rig = Rig((camera_at("top", (1.0, 1.0, 1.0)), camera_at("side", (1.0, 0.0, 1.0))))
    rig.check_sizes({"top": (640, 480)})
    with pytest.raises(CameraError, match=r"'side': 320 × 240 px, calibrated with 640 × 480 px"):
        rig.check_sizes({"top": (640, 480), "side": (320, 240)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": ""}, "no name"),
        ({"size": (0, 480)}, "size must be at least"),
        ({"matrix": np.eye(3) * 2}, "not one of a camera"),
        ({"matrix": np.diag([-1.0, 1.0, 1.0])}, "focal lengths"),
        ({"matrix": np.full((3, 3), np.nan)}, "matrix has values that are not finite"),
        ({"distortion": np.zeros(6)}, "0, 4, 5, 8, 12, 14 distortion coefficients, got 6"),
        ({"distortion": np.zeros(5), "model": "fisheye"}, "0, 4 distortion coefficients, got 5"),
        ({"rotation": np.diag([1.0, 1.0, -1.0])}, "not a rotation matrix"),
        ({"rotation": 1.1 * np.eye(3)}, "not a rotation matrix"),
    ],
)
def test_an_impossible_camera_says_what_is_wrong(change, message):
    """Fault 13: among others, a number of coefficients that no model has."""
    values = {"name": "a", "size": (640, 480), "matrix": np.diag([500.0, 500.0, 1.0])}
    with pytest.raises(CameraError, match=message):
        Camera(**{**values, **change})


def test_an_impossible_rig_says_what_is_wrong(camera_at):
    camera = camera_at("a", (1.0, 1.0, 1.0))
    with pytest.raises(CameraError, match="at least 1 camera"):
        Rig(())
    with pytest.raises(CameraError, match="have the name a"):
        Rig((camera, camera))


def test_points_of_other_views_are_refused(camera_at):
    """Fault 27: detections of V' views with a rig of V cameras."""
    rig = Rig(tuple(camera_at(name, (300.0, 20.0, 250.0)) for name in ("a", "b")))
    with pytest.raises(CameraError, match=r"the 2 cameras \(a, b\) first"):
        undistort(rig, np.zeros((4, 3, 2)))
    with pytest.raises(CameraError, match=r"points must have shape \(..., 3\)"):
        project(rig, np.zeros((4, 2)))
    with pytest.raises(CameraError, match="floating type"):
        project(rig, torch.zeros(4, 3, dtype=torch.int64))
