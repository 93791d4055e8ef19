"""PCA metrics, the tables of metrics beside predictions, and suspicious frames."""

from __future__ import annotations

import csv
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_analysis.metrics.frame_metrics import TemporalNorm
from lp_analysis.metrics.metric_files import write_metric_tables
from lp_analysis.metrics.suspicious import (
    CONFIDENCE_DROP,
    clips_around,
    confidence_drop,
    suspicious_frames,
    video_metrics,
    write_suspicions,
)
from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton, write_pose_csv
from lp_io.predictions import VideoPredictions
from lp_pipeline.config.schema import Config
from lp_pipeline.evaluation.model_project import fit_pose_metrics


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


NAMES = ("a_top", "b_top", "c_top", "a_bot", "b_bot", "c_bot", "rock")


def poses(count, seed=0):
    """A rigid body that moves in the plane, seen twice, and a rock that it does not move."""
    random = np.random.default_rng(seed)
    centre = random.uniform(50, 300, (count, 1, 2))
    body = np.array([[-20.0, 0.0], [0.0, 5.0], [20.0, 0.0]])
    rock = random.uniform(0, 400, (count, 1, 2))
    top, bottom = centre + body, centre + body + [0.0, 100.0]
    return np.concatenate([top, bottom, rock], axis=1)


def labels(count=40):
    images = tuple(f"img{row}.png" for row in range(count))
    return PoseTable(Skeleton(NAMES), poses(count), images)


def config():
    config = Config()
    config.data.columns_for_singleview_pca = [0, 1, 2, 3, 4, 5]
    config.data.mirrored_column_matches = [[0, 1, 2], [3, 4, 5]]
    return config


def test_poses_like_the_labels_have_no_error_and_others_do():
    found = fit_pose_metrics(config(), labels(), range(40))
    assert set(found.metrics) == {"pca_singleview_error", "pca_multiview_error"}
    assert not found.notes
    true, wrong = poses(5, seed=1), poses(5, seed=1)
    wrong[2, 1] += [40.0, 0.0]
    for metric in found.metrics.values():
        errors = metric(true)
        assert errors[:, :6].max() < 0.1  # frame px
        assert np.isnan(errors[:, 6]).all()  # no part of the pose
        errors = metric(wrong)
        assert errors[2].argmax() == 1 or errors[2, 1] == pytest.approx(np.nanmax(errors[2]))
        assert errors[2, 1] > 10
        assert np.nanmax(errors[[0, 1, 3, 4]]) < 0.1


def test_only_what_the_config_names_is_measured():
    assert not fit_pose_metrics(Config(), labels(), range(40)).metrics
    only = config()
    only.data.mirrored_column_matches = None
    assert set(fit_pose_metrics(only, labels(), range(40)).metrics) == {"pca_singleview_error"}


def test_too_few_labels_leave_a_metric_out_and_say_so():
    found = fit_pose_metrics(config(), labels(), range(5))
    assert set(found.metrics) == {"pca_multiview_error"}  # three observations in each frame
    (note,) = found.notes
    assert "pca_singleview_error" in note
    assert "too few labels" in note


def test_each_metric_has_the_options_of_its_own_loss():
    options = config()
    options.losses = {"pca_singleview": {"components_to_keep": 1}}
    found = fit_pose_metrics(options, labels(), range(40))
    true = poses(5, seed=1)
    assert np.nanmax(found.metrics["pca_singleview_error"](true)) > 1
    assert np.nanmax(found.metrics["pca_multiview_error"](true)) < 0.1


def write(path, keypoints, confidences=None, names=NAMES):
    confidences = np.ones(keypoints.shape[:2]) if confidences is None else confidences
    write_pose_csv(predicted(names, keypoints, confidences, tuple(range(len(keypoints)))), path)
    return path


def test_metric_tables_are_those_of_the_whole_video_whatever_its_length(tmp_path):
    keypoints = np.random.default_rng(0).uniform(0, 400, (2500, 2, 2))
    table = write(tmp_path / "v.csv", keypoints, names=NAMES[:2])
    (path,) = write_metric_tables(table, {"temporal_norm": TemporalNorm()})
    found = pd.read_csv(path, index_col=0)
    assert path.name == "v_temporal_norm.csv"
    assert list(found.index) == list(range(2500))
    assert found.iloc[0].isna().all()
    np.testing.assert_allclose(found.to_numpy(), TemporalNorm()(keypoints), atol=1e-3)


def test_metric_tables_place_rows_by_their_numbers(tmp_path):
    keypoints = np.random.default_rng(0).uniform(0, 400, (9, 2, 2)).astype(np.float32)
    order = [8, 2, 0, 1, 4, 7]
    confidences = np.ones((6, 2), np.float32)
    rows = predicted(NAMES[:2], keypoints[order], confidences, tuple(order))
    write_pose_csv(rows, tmp_path / "v.csv")
    (path,) = write_metric_tables(tmp_path / "v.csv", {"temporal_norm": TemporalNorm()})
    found = pd.read_csv(path, index_col=0)
    expected = np.round(TemporalNorm()(keypoints), 6)[sorted(order)]
    expected[[3, 4]] = np.nan  # frames 4 and 7 follow frames without a row
    assert list(found.index) == sorted(order)
    np.testing.assert_array_equal(found.to_numpy(), expected)


def test_a_damaged_table_leaves_the_earlier_metrics(tmp_path):
    table = write(tmp_path / "v.csv", np.ones((3, 2, 2)), names=NAMES[:2])
    (tmp_path / "v_temporal_norm.csv").write_text("earlier")
    table.write_text(table.read_text() + "3,1,2\n")
    with pytest.raises(Exception, match="cells"):
        write_metric_tables(table, {"temporal_norm": TemporalNorm()})
    assert (tmp_path / "v_temporal_norm.csv").read_text() == "earlier"
    assert len(list(tmp_path.iterdir())) == 2


def test_rows_are_found_wherever_they_are(tmp_path):
    keypoints = np.arange(3000.0 * 4).reshape(3000, 2, 2)
    table = write(tmp_path / "v.csv", keypoints, names=NAMES[:2])
    found = VideoPredictions(table).at([2999, 0, 1024])
    np.testing.assert_array_equal(found.points, keypoints[[2999, 0, 1024]])
    assert len(VideoPredictions(table).at([])) == 0
    with pytest.raises(PoseError, match="no frame 3000"):
        VideoPredictions(table).at([3000])


def test_a_leap_a_wrong_pose_and_a_lost_keypoint_are_found(tmp_path):
    steady = np.repeat(poses(1, seed=2), 200, axis=0)
    confidences = np.full((200, len(NAMES)), 0.9)
    confidences[:, 6] = 0.1  # always hidden, which is not news
    steady[50, 6] += 100  # leaps there and back
    steady[120:, 1] += [0.0, 30.0]  # another pose from here on
    confidences[170, 3] = 0.2
    table = write(tmp_path / "v.csv", steady, confidences)
    metrics = fit_pose_metrics(config(), labels(), range(40)).metrics
    found = suspicious_frames(video_metrics(VideoPredictions(table), metrics), 1, apart=10)
    by_metric = {item.metric: (item.frame, item.keypoint) for item in found}
    assert by_metric["temporal_norm"] == (50, "rock")
    assert by_metric["pca_multiview_error"][0] >= 120
    assert by_metric["pca_multiview_error"][1] in ("b_top", "b_bot")
    assert by_metric[CONFIDENCE_DROP] == (170, "a_bot")
    assert [item.frame for item in found] == sorted(item.frame for item in found)


def test_keypoints_without_confidence_are_not_judged(tmp_path):
    steady = np.repeat(poses(1, seed=2), 30, axis=0)
    steady[5, 6] += 100  # unsure there
    steady[20, 1] += 30  # sure of it
    confidences = np.full((30, len(NAMES)), 0.9)
    confidences[5, 6] = 0.3
    table = write(tmp_path / "v.csv", steady, confidences)
    values = video_metrics(VideoPredictions(table), {}, threshold=0.5).values["temporal_norm"]
    assert np.isnan(values[[5, 6], 6]).all()  # neither there nor back
    assert np.nanargmax(np.nanmax(values[1:], axis=1)) + 1 == 20
    assert np.isfinite(np.delete(values[1:], 6, axis=1)).all()


def test_drops_are_told_although_the_calibration_is_flat(tmp_path):
    confidences = np.full((30, len(NAMES)), 0.9)
    confidences[20, 3] = 0.2
    table = write(tmp_path / "v.csv", np.repeat(poses(1, seed=2), 30, axis=0), confidences)
    flat = video_metrics(VideoPredictions(table), {}, threshold=0.5, confidence=np.zeros_like)
    assert flat.confident == 0
    (found,) = suspicious_frames(flat, 1, apart=1)
    assert (found.metric, found.frame) == (CONFIDENCE_DROP, 20)


def test_a_video_without_anything_suspicious_has_no_outliers(tmp_path):
    table = write(tmp_path / "v.csv", np.repeat(poses(1), 20, axis=0))
    assert suspicious_frames(video_metrics(VideoPredictions(table), {}), 5, apart=1) == []


def test_confidence_is_compared_with_its_own_median():
    drops = confidence_drop(np.array([[0.9, 0.1], [0.9, 0.1], [0.5, np.nan]]))
    np.testing.assert_allclose(drops, [[0, 0], [0, 0], [0.4, np.nan]], atol=1e-12)
    assert np.isnan(confidence_drop(np.full((2, 1), np.nan))).all()


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_clips_show_every_frame_and_do_not_overlap(data):
    total = data.draw(st.integers(1, 200))
    frames = data.draw(st.lists(st.integers(0, total - 1), max_size=12))
    length = data.draw(st.integers(1, 60))
    clips = clips_around(frames, length, total)
    assert all(any(frame in clip for clip in clips) for frame in frames)
    assert all(before.stop < after.start for before, after in pairwise(clips))
    assert all(0 <= clip.start < clip.stop <= total for clip in clips)
    assert all(len(clip) >= min(length, total) for clip in clips)


def test_the_table_of_outliers_names_time_and_clip(tmp_path):
    table = write(tmp_path / "v.csv", np.cumsum(np.ones((10, 7, 2)), axis=0))
    found = suspicious_frames(video_metrics(VideoPredictions(table), {}), 1, apart=1)
    path = tmp_path / "outliers.csv"
    write_suspicions(path, found, Fraction(10), {range(10): "clip.mp4"})
    (row,) = csv.DictReader(path.open())
    assert (row["frame"], row["time_s"], row["clip"]) == ("1", "0.1000", "clip.mp4")
    assert float(row["value"]) == pytest.approx(np.sqrt(2), abs=1e-4)
