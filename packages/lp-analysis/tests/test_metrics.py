"""Metrics per frame and keypoint: known answers, and chunks that make no difference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import (
    PoseSpaceError,
    TemporalNorm,
    pixel_error,
)
from lp_models.losses.pose_space import PoseSpace


def test_pixel_error_is_the_euclidean_distance_in_frame_px():
    truth = np.array([[[10.0, 20.0], [0.0, 0.0]]])
    predicted = np.array([[[13.0, 24.0], [-1.0, 0.0]]])
    np.testing.assert_allclose(pixel_error(truth, predicted), [[5.0, 1.0]])


def test_pixel_error_is_missing_where_either_position_is_missing():
    nan = np.nan
    truth = np.array([[[nan, nan], [1.0, 1.0], [1.0, nan], [2.0, 2.0]]])
    predicted = np.array([[[1.0, 1.0], [nan, 1.0], [1.0, 1.0], [2.0, 2.0]]])
    np.testing.assert_array_equal(pixel_error(truth, predicted), [[nan, nan, nan, 0.0]])


def test_pixel_error_keeps_the_precision_of_the_labels_beside_float32_predictions():
    truth = np.array([[[4000.123456789, 1.0]]])
    error = pixel_error(truth, truth.astype(np.float32))
    assert error.dtype == np.float64
    assert 0 < error[0, 0] < 1e-3


def test_pixel_error_refuses_other_keypoints_than_those_labelled():
    with pytest.raises(EvaluationError, match=r"3 labelled keypoints.*4 predicted"):
        pixel_error(np.zeros((5, 3, 2)), np.zeros((5, 4, 2)))


def test_temporal_norm_is_the_move_since_the_frame_before_and_unknown_for_the_first():
    keypoints = np.array([[[0.0, 0.0]], [[3.0, 4.0]], [[np.nan, 4.0]], [[3.0, 4.0]], [[3.0, 5.0]]])
    np.testing.assert_array_equal(
        TemporalNorm()(keypoints)[:, 0], [np.nan, 5.0, np.nan, np.nan, 1.0]
    )


def test_temporal_norm_of_no_frames_is_empty():
    assert TemporalNorm()(np.zeros((0, 3, 2))).shape == (0, 3)


@settings(deadline=None, max_examples=40)
@given(
    keypoints=hnp.arrays(
        np.float64, (9, 2, 2), elements=st.floats(-1e4, 1e4) | st.just(float("nan"))
    ),
    cuts=st.lists(st.integers(0, 9), max_size=5),
)
def test_temporal_norm_does_not_depend_on_how_a_video_is_cut_into_chunks(keypoints, cuts):
    metric = TemporalNorm()
    parts = [metric(chunk) for chunk in np.split(keypoints, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(parts), TemporalNorm()(keypoints))


def test_temporal_norm_remembers_the_last_frame_even_if_the_buffer_is_reused():
    metric = TemporalNorm()
    buffer = np.zeros((2, 1, 2))
    metric(buffer)
    buffer[:] = 7.0
    np.testing.assert_allclose(metric(buffer)[0], [7.0 * np.sqrt(2)])


class _OnlyFirstKeypoint:
    """Expresses poses whose first keypoint is at the origin; knows no other keypoint."""

    def reprojection_error(self, keypoints):
        errors = keypoints.norm(dim=-1)
        errors[:, 1:] = torch.nan
        return errors


def test_pose_space_error_is_in_frame_px_and_missing_for_keypoints_outside_the_space():
    metric = PoseSpaceError(_OnlyFirstKeypoint())
    np.testing.assert_array_equal(metric(np.array([[[3.0, 4.0], [1.0, 1.0]]])), [[5.0, np.nan]])


def test_pose_space_error_of_true_poses_is_below_epsilon_and_of_a_leap_its_size():
    random = np.random.default_rng(0)
    shapes = random.normal(0.0, 30.0, (2, 4, 2))
    poses = 100 + np.tensordot(random.normal(size=(60, 2)), shapes, axes=1)
    poses += random.normal(0.0, 0.3, poses.shape)
    space = PoseSpace()
    layout = torch.tensor([[0], [1], [2]])
    space.fit(torch.from_numpy(poses[:50]), layout, keep=2, percentile=99.0, multiplier=1.0)
    leap = poses[50:].copy()
    leap[3, 1] += [0.0, 80.0]
    errors = PoseSpaceError(space)(leap)
    assert np.isnan(errors[:, 3]).all()
    true = np.delete(errors[:, :3], 3, axis=0)
    assert true.max() < 1.5 * float(space.epsilon)
    assert errors[3, 1] == np.nanmax(errors)
