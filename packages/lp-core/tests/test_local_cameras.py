"""Cameras to first order, and the points that detections agree on through them."""

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from lp_core.geometry.cameras import (
    Rig,
    agree,
    local_cameras,
    local_cameras_packed,
    project,
    triangulate,
)
from lp_core.testing.devices import moved

LENSES = [
    ((-0.2, 0.05, 0.001, -0.001, 0.0), "pinhole"),
    ((0.05, -0.02, 0.008, -0.003), "fisheye"),
    ((0.4, -0.3, 0.001, -0.001, 0.05, 0.7, -0.2, 0.02), "pinhole"),
    ((), "pinhole"),
]


@pytest.fixture
def rig(camera_at):
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
    return torch.from_numpy(np.random.default_rng(0).uniform(-80, 80, (50, 3)))


def test_they_are_the_cameras_to_first_order(rig, scene):
    local = local_cameras(rig, scene)
    assert local.shape == (4, 50, 2, 4)
    torch.testing.assert_close(local[..., 3], project(rig, scene))
    step = torch.tensor([1e-4, -2e-4, 3e-4], dtype=torch.float64)
    change = (project(rig, scene + step) - project(rig, scene - step)) / 2
    torch.testing.assert_close(local[..., :3] @ step, change, atol=1e-8, rtol=1e-6)


def test_points_that_are_not_known_or_not_seen_have_none(rig, scene):
    scene[3] = torch.nan
    scene[5] = 3 * torch.from_numpy(np.array([500 * np.cos(0.1), 500 * np.sin(0.1), 150.0]))
    local = local_cameras(rig, scene)
    assert local[:, 3].isnan().all()
    assert local[0, 5].isnan().all()  # behind the first camera
    assert local[3, 5].isfinite().all()


def test_agreement_is_what_triangulation_without_outliers_finds(rig, scene):
    random = torch.Generator().manual_seed(0)
    detections = project(rig, scene)
    noise = torch.randn(detections.shape, generator=random, dtype=torch.float64)
    weights = 0.1 + torch.rand(detections.shape[:-1], generator=random, dtype=torch.float64)
    found = agree(local_cameras(rig, scene), detections + noise, weights)
    expected = triangulate(rig, detections + noise, weights, noise=1e4).points
    assert found.known.all()
    assert (scene + found.shift - expected).norm(dim=-1).max() < 0.02
    assert (found.images - project(rig, expected)).norm(dim=-1).max() < 0.03


def test_views_that_are_absent_take_no_part(rig, scene):
    cameras, detections = local_cameras(rig, scene).clone(), project(rig, scene).clone()
    off = torch.tensor([1.0, 2.0])
    cameras[3] = torch.nan
    detections[0, 2] = torch.nan  # not detected, but the camera still sees the point
    detections[1:, 4] = torch.nan  # detected by one camera
    weights = torch.ones(4, 50, dtype=torch.float64)
    weights[2, 7] = 0
    given = (detections + off).requires_grad_()
    found = agree(cameras, given, weights)
    (gradient,) = torch.autograd.grad(found.images.nan_to_num().sum() + found.shift.sum(), given)
    assert not found.known[4]
    assert found.known.sum() == 49
    fewer = agree(cameras[:3], (detections + off)[:3], weights[:3])
    torch.testing.assert_close(found.shift, fewer.shift)
    assert gradient.isfinite().all()
    for absent in (gradient[3], gradient[:, 4], gradient[0, 2], gradient[2, 7]):
        assert (absent == 0).all()


def test_the_derivative_is_exact(rig, scene):
    cameras = local_cameras(rig, scene[:3])
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(4, 3, 2, generator=random, dtype=torch.float64)
    detections = (cameras[..., 3] + 5 * noise).requires_grad_()
    weights = torch.rand(4, 3, generator=random, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda d: agree(cameras, d, weights)[:2], detections)


def test_it_is_exact_in_single_precision_however_far_the_origin_is(rig, scene):
    cameras = local_cameras(rig, scene)
    given = cameras[..., 3] + 3.0
    precise = agree(cameras, given, torch.ones(4, 50, dtype=torch.float64))
    single = agree(cameras.float(), given.float(), torch.ones(4, 50))
    torch.testing.assert_close(single.shift.double(), precise.shift, atol=1e-3, rtol=1e-3)


def test_it_waits_for_no_value_of_the_device(rig, scene):
    cameras = local_cameras(rig, scene)
    mode = FakeTensorMode()
    given = {"cameras": cameras, "detections": cameras[..., 3], "weights": cameras[..., 0, 0]}
    fake = moved(given, mode)
    with mode:
        found = agree(**fake)
    assert found.images.device.type == "cuda"


def test_packed_cameras_of_several_frames_give_the_same(rig, scene):
    frames, packed = scene.unflatten(0, (5, 10)), rig.packed().expand(5, -1, -1).clone()
    packed[2, 1] = torch.nan
    found = local_cameras_packed(packed, frames)
    assert found[2, 1].isnan().all()
    for number in (0, 4):
        torch.testing.assert_close(found[number], local_cameras(rig, frames[number]))
