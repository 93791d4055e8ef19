"""Rows of several animals that look wrong."""

import numpy as np
import pytest

from lp_analysis.metrics.suspicious import suspicious_frames
from lp_analysis.metrics.suspicious_animals import metrics_of_video
from lp_core.poses import PoseTable, Skeleton
from lp_io.predictions import predictions_of_video, write_predictions

FRAMES = 40


@pytest.fixture
def found(tmp_path, worm):
    """The worst frame of each metric in a table of two animals, by the name of the metric."""

    def find(change, **options):
        shape = worm(6, 50.0)
        rows = [(frame, name) for frame in range(FRAMES) for name in ("ann", "bob")]
        points = np.array([
            shape + np.array([100 + 2.0 * frame, 100 if name == "ann" else 300])
            for frame, name in rows
        ])  # fmt: skip
        confidence = np.full(points.shape[:2], 0.9)
        names = [name for _, name in rows]
        frames = [frame for frame, _ in rows]
        points, confidence, names, frames = change(points, confidence, names, frames)
        table = PoseTable(
            Skeleton(tuple("abcdef")), points, tuple(frames), individual=tuple(names),
            confidence=confidence,
        )  # fmt: skip
        write_predictions(table, tmp_path / "p.slp")
        predictions = predictions_of_video(tmp_path / "p.slp", FRAMES)
        metrics = metrics_of_video(predictions, {}, **options)
        return {item.metric: item for item in suspicious_frames(metrics, 1, apart=5)}

    return find


def test_an_exchange_of_tracks_is_a_leap(found):
    def exchange(points, confidence, names, frames):
        names = [{"ann": "bob", "bob": "ann"}[n] if f >= 20 else n for n, f in zip(names, frames)]  # noqa: B905
        return points, confidence, names, frames

    leap = found(exchange)["temporal_norm"]
    assert leap.frame == 20
    assert leap.individual in ("ann", "bob")
    assert leap.value == pytest.approx(np.hypot(2, 200), rel=1e-3)


def test_a_leap_after_a_gap_is_one_by_the_frames_that_passed(found):
    def gap(points, confidence, names, frames):
        kept = [row for row, f in enumerate(frames) if not (names[row] == "bob" and 10 <= f < 19)]
        return points[kept], confidence[kept], [names[r] for r in kept], [frames[r] for r in kept]

    assert found(gap)["temporal_norm"].value == pytest.approx(2, rel=1e-3)


def test_an_unsure_keypoint_neither_leaps_nor_counts(found):
    def unsure(points, confidence, names, frames):
        points[21, 2] += 500.0
        confidence[21, 2] = 0.1
        return points, confidence, names, frames

    metrics = found(unsure, threshold=0.5)
    assert metrics["temporal_norm"].value == pytest.approx(2, rel=1e-3)
    missing = metrics["missing_keypoints"]
    assert (missing.frame, missing.individual, missing.value) == (10, "bob", 1.0)
    assert missing.keypoint == ""
    assert found(unsure)["temporal_norm"].keypoint == "c"


def test_a_row_of_low_confidence_is_told(found):
    def low(points, confidence, names, frames):
        confidence[30] = 0.2
        return points, confidence, names, frames

    drop = found(low)["score_drop"]
    assert (drop.frame, drop.individual) == (15, "ann")
    assert drop.value == pytest.approx(0.7, rel=1e-4)


def test_two_rows_of_one_animal_are_told(found):
    def doubled(points, confidence, names, frames):
        more = points[12:13] + 1
        return (
            np.concatenate([points, more]),
            np.concatenate([confidence, confidence[:1]]),
            [*names, None],
            [*frames, frames[12]],
        )

    twice = found(doubled)["duplicate"]
    assert twice.frame == 6
    assert 0.9 < twice.value < 1
    assert "duplicate" not in found(lambda *rows: rows)
