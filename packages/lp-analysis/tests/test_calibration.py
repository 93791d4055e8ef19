"""Calibrated confidence: known answers, and promises that are kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from lp_analysis.confidence.calibration import (
    ConfidenceCalibration,
    cross_calibrated,
    fit_calibration,
    label_radii,
    pose_size,
)
from lp_analysis.confidence.monotone import fit_logistic, fit_steps
from lp_analysis.confidence.stored import stated_radius
from lp_analysis.errors import EvaluationError
from lp_analysis.figures.reliability import draw_reliability, reliability_curve
from lp_analysis.figures.theme import DARK, new_figure, png
from lp_core.poses import Skeleton


def _sample(count, seed=0, sharpness=0.4, shift=-1.0):
    """Likelihoods of an overconfident tracker, and errors that are within 5 px or not."""
    random = np.random.default_rng(seed)
    score = random.normal(2.0, 3.0, count)
    truth = expit(sharpness * score + shift)
    errors = np.where(random.random(count) < truth, 2.0, 9.0)
    return expit(score), errors, truth


def test_a_calibration_tells_the_noise_of_the_surest_keypoints():
    random = np.random.default_rng(0)
    sure = random.random(4000) < 0.5
    errors = np.hypot(*random.normal(0, np.where(sure, 3.0, 12.0), (2, 4000)))
    calibration = fit_calibration(np.where(sure, 0.98, 0.4), errors, 5.0)
    assert calibration.noise == pytest.approx(3.0, rel=0.05)


@pytest.mark.parametrize(("count", "close"), [(400, 0.05), (20_000, 0.02)])
def test_calibration_recovers_the_probability_behind_overconfident_likelihoods(count, close):
    likelihood, errors, truth = _sample(count)
    calibration = fit_calibration(likelihood, errors, 5.0)
    deviation = np.abs(calibration.probability(likelihood) - truth)
    assert deviation.mean() < close
    assert np.abs(likelihood - truth).mean() > 0.1


def test_calibration_learns_curves_that_no_logistic_line_follows_where_points_are_many():
    likelihood, _, _ = _sample(20_000)
    truth = np.where(likelihood < 0.9, 0.3, 0.8)
    errors = np.where(np.random.default_rng(1).random(20_000) < truth, 1.0, 9.0)
    deviation = np.abs(fit_calibration(likelihood, errors, 5.0).probability(likelihood) - truth)
    assert deviation.mean() < 0.02


def test_calibrated_probability_is_about_the_radius_that_was_asked_for():
    likelihood, errors = np.full(4, 0.5), np.array([1.0, 2.0, 3.0, 4.0])
    near = fit_calibration(likelihood, errors, 1.5)
    far = fit_calibration(likelihood, errors, 3.0)
    assert near.probability(likelihood)[0] < 0.5 < far.probability(likelihood)[0]


@pytest.mark.parametrize("count", [1, 5, 100])
def test_points_that_all_agree_leave_the_doubt_of_laplaces_rule(count):
    likelihood = np.linspace(0.5, 0.99, count)
    hits = fit_calibration(likelihood, np.zeros(count), 5.0).probability(likelihood)
    misses = fit_calibration(likelihood, np.full(count, 9.0), 5.0).probability(likelihood)
    np.testing.assert_allclose(hits, (count + 1) / (count + 2), rtol=1e-6)
    np.testing.assert_allclose(misses, 1 / (count + 2), rtol=1e-6)


def test_few_perfectly_separated_points_give_no_certainty():
    likelihood, errors = np.array([0.1, 0.2, 0.8, 0.9]), np.array([9.0, 9.0, 1.0, 1.0])
    probability = fit_calibration(likelihood, errors, 5.0).probability(likelihood)
    assert 0.05 < probability[0] < 0.5 < probability[-1] < 0.95


def test_no_likelihood_gets_more_certainty_than_the_points_justify():
    likelihood = np.array([1e-4, 1e-3, 1e-2, 0.99, 0.999, 0.9999])
    errors = np.where(likelihood > 0.5, 1.0, 9.0)
    probability = fit_calibration(likelihood, errors, 5.0).probability(np.array([0.0, 1.0]))
    np.testing.assert_allclose(probability, [1 / 8, 7 / 8])


@pytest.mark.parametrize("count", [200, 2000])
def test_likelihood_that_misleads_is_ignored_rather_than_turned_around(count):
    likelihood = np.linspace(0.01, 0.99, count)
    errors = np.where(likelihood > 0.5, 9.0, 1.0)
    calibration = fit_calibration(likelihood, errors, 5.0)
    np.testing.assert_allclose(calibration.probability(likelihood), 0.5, atol=0.01)


def test_logistic_fit_is_the_penalised_maximum_likelihood():
    random = np.random.default_rng(3)
    scores = random.normal(0.0, 2.0, 60)
    outcomes = random.random(60) < expit(scores)
    slope, intercept = fit_logistic(scores, outcomes)
    positives = outcomes.sum()
    target = np.where(outcomes, (positives + 1) / (positives + 2), 1 / (60 - positives + 2))
    residual = expit(slope * scores + intercept) - target
    assert residual.sum() == pytest.approx(0.0, abs=1e-4)
    assert (residual * scores).sum() == pytest.approx(-slope, abs=1e-4)


@settings(deadline=None, max_examples=60)
@given(
    points=st.lists(
        st.tuples(st.floats(0, 1), st.floats(0, 20) | st.just(float("nan"))),
        min_size=1,
        max_size=40,
    ),
    times=st.sampled_from([1, 50]),
)
def test_more_likely_keypoints_never_get_a_lower_probability(points, times):
    likelihood, errors = np.repeat(np.array(points), times, axis=0).T
    if np.isnan(errors).all():
        return
    calibration = fit_calibration(likelihood, errors, 5.0)
    probability = calibration.probability(np.linspace(0.0, 1.0, 101))
    assert (np.diff(probability) >= -1e-12).all()
    count = np.isfinite(errors).sum()
    assert probability.min() >= 1 / (count + 2) - 1e-9
    assert probability.max() <= (count + 1) / (count + 2) + 1e-9


def pooled(values, weights):
    """The nearest rising sequence, by pooling adjacent violators one after the other."""
    blocks = []
    for value, weight in zip(values, weights, strict=True):
        blocks.append((value, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] >= blocks[-1][0]:
            (a, first, n), (b, second, m) = blocks[-2:]
            mean = (a * first + b * second) / (first + second)
            blocks[-2:] = [(mean, first + second, n + m)]
    return blocks


@settings(deadline=None, max_examples=60)
@given(
    points=st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=1, max_size=40),
)
def test_steps_are_those_of_isotonic_regression(points):
    scores, outcomes = np.array([p[0] for p in points], float), np.array([p[1] for p in points])
    levels, counts = np.unique(scores, return_counts=True)
    rates = [outcomes[scores == level].mean() for level in levels]
    blocks = pooled(rates, counts)
    overall = (outcomes.sum() + 1) / (len(outcomes) + 2)
    smoothed = [(mean * mass + overall) / (mass + 1) for mean, mass, _ in blocks]
    expected = np.concatenate(
        [[mean] * n for mean, _, n in pooled(smoothed, [mass for _, mass, _ in blocks])]
    )
    _, probabilities = fit_steps(scores, outcomes)
    np.testing.assert_allclose(probabilities, expected, rtol=0, atol=1e-12)


def test_certain_and_missing_likelihoods_have_their_place():
    likelihood, errors, _ = _sample(1000)
    probability = fit_calibration(likelihood, errors, 5.0).probability(np.array([0.0, 1.0, np.nan]))
    assert 0 < probability[0] < probability[1] < 1
    assert np.isnan(probability[2])


def test_calibration_survives_json():
    for count in (100, 2000):
        likelihood, errors, _ = _sample(count)
        calibration = fit_calibration(likelihood, errors, 5.0)
        text = json.dumps(calibration.to_dict(), allow_nan=False)
        assert ConfidenceCalibration.from_dict(json.loads(text)) == calibration


@pytest.mark.parametrize(
    "damage",
    [
        {"format": 3},
        {"format": 2, "radii": [1.0, -1.0]},
        {"format": 2, "radii": [1.0, "far"]},
        {"format": 2, "reach": [[0.0, 1.0], [1.0, 2.0]]},
        {"format": 2, "reach": [[0.0, "far"]]},
        {"format": 2, "reach": [1.0]},
        {"scores": [1.0, 0.0]},
        {"log_odds": [1.0]},
        {"log_odds": [1.0, 0.0]},
        {"scores": []},
        {"radius": "far"},
        {"radius": math.inf},
        {"scores": None},
    ],
)
def test_damaged_calibration_is_refused(damage):
    good = {"format": 1, "radius": 5.0, "points": 9, "scores": [-1.0, 1.0], "log_odds": [0.0, 2.0]}
    assert ConfidenceCalibration.from_dict(good).points == 9
    with pytest.raises(EvaluationError):
        ConfidenceCalibration.from_dict(good | damage)


def _noisy_labels(noise, sizes=(100.0,), rows=400, off=0.0):
    """Labels of an animal of a size in each view, and errors of such a noise."""
    random = np.random.default_rng(5)
    corners = np.array([[0.0, 0.0], [0.6, 0.8], [0.3, 0.4]])
    views = [1000 * view + size * corners for view, size in enumerate(sizes)]
    points = np.concatenate(views)[None] + random.uniform(0, 9, (rows, 1, 2))
    errors = np.hypot(*random.normal(0, noise, (2, rows, len(points[0])))) + off
    return points, errors


def test_what_counts_as_right_is_three_deviations_of_the_noise_of_each_keypoint():
    points, errors = _noisy_labels([0.5, 1.0, 1.5])
    errors[::7] = 300.0  # large mistakes are no label noise
    skeleton = Skeleton(("a", "b", "c"))
    radii = label_radii(points, errors, skeleton)
    np.testing.assert_allclose(radii, [1.5, 3.0, 4.5], rtol=0.3)
    assert radii[0] < radii[1] < radii[2]
    bad = label_radii(points, errors + 50, skeleton)
    np.testing.assert_allclose(bad, 5.0, rtol=1e-3)  # 5 % of the animal
    good = label_radii(points, errors / 100, skeleton)
    np.testing.assert_allclose(good, 1.0, rtol=1e-3)


def test_mirrored_views_in_one_frame_do_not_make_the_radius_larger():
    points, errors = _noisy_labels(9.0, sizes=(100.0, 40.0))
    names = ("a_top", "b_top", "c_top", "a_side", "b_side", "c_side")
    groups = tuple(zip(names[:3], names[3:], strict=True))
    radii = label_radii(points, errors, Skeleton(names, mirrored=groups))
    np.testing.assert_allclose(radii, [5.0] * 3 + [2.0] * 3, rtol=1e-6)
    assert label_radii(points, errors, Skeleton(names)).min() > 20


def test_a_keypoint_with_few_labels_has_the_usual_radius():
    points, errors = _noisy_labels([0.7, 0.7, 1.6])
    errors[2:, 2] = np.nan
    few = label_radii(points, errors, Skeleton(("a", "b", "c")))
    assert few[2] < 1.5 * few[0]
    errors[:, 2] = np.nan
    without = label_radii(points, errors, Skeleton(("a", "b", "c")))
    np.testing.assert_allclose(without[2], np.median(without[:2]), rtol=0.1)
    assert label_radii(points[:, :1], errors[:, :1], Skeleton(("a",))) is None


def test_each_keypoint_is_right_within_its_own_radius():
    random = np.random.default_rng(2)
    errors = np.hypot(*random.normal(0, [1.0, 10.0], (2, 2000, 2)))
    likelihood = np.full(errors.shape, 0.8)
    radii = np.array([2.0, 20.0])
    calibration = fit_calibration(likelihood, errors, radii)
    share = 1 - math.exp(-2)  # within two deviations
    np.testing.assert_allclose(calibration.probability(likelihood[0]), share, atol=0.02)
    assert fit_calibration(likelihood, errors, 2.0).probability(likelihood[0])[0] < 0.5
    np.testing.assert_array_equal(calibration.radii_of(2), radii)
    np.testing.assert_array_equal(calibration.radii_of(3), [11.0] * 3)  # other keypoints
    text = json.dumps(calibration.to_dict(), allow_nan=False)
    assert ConfidenceCalibration.from_dict(json.loads(text)) == calibration


def test_deviations_are_those_of_which_as_many_errors_lie_within_as_of_the_labels():
    random = np.random.default_rng(3)
    sure = random.random((4000, 2)) < 0.5
    wild = ~sure & (random.random(sure.shape) < 0.3)  # heavy tails
    errors = np.hypot(*random.normal(0, np.where(wild, 30.0, 1.0) * [1.0, 2.0], (2, *sure.shape)))
    likelihood = np.where(sure, 0.98, 0.4)
    calibration = fit_calibration(likelihood, errors, np.array([3.0, 6.0]))
    deviation = calibration.deviation(likelihood)
    inside = errors**2 < 2 * np.log(10) * deviation**2
    for some in (sure, ~sure):
        np.testing.assert_allclose(inside[some].mean(), 0.9, atol=0.02)
    np.testing.assert_allclose(deviation[sure[:, 0], 0], 1.0, rtol=0.1)
    np.testing.assert_allclose(deviation[:, 1][sure[:, 1]], 2.0, rtol=0.1)
    unknown = calibration.deviation(np.array([np.nan, np.nan]))
    np.testing.assert_allclose(unknown, calibration.deviation(np.zeros(2)))


def test_few_labels_take_the_largest_error_and_unsure_keypoints_are_never_better():
    likelihood, errors = np.linspace(0.1, 0.9, 5), np.array([1.0, 8.0, 2.0, 3.0, 1.0])
    few = fit_calibration(likelihood, errors, 4.0)
    np.testing.assert_allclose(few.deviation(likelihood), 8 / math.sqrt(2 * math.log(10)))
    likelihood, errors = np.repeat([0.2, 0.9], 100), np.repeat([1.0, 5.0], 100)
    deviation = fit_calibration(likelihood, errors, 4.0).deviation(likelihood)
    assert deviation[0] == deviation[-1]


def test_deviations_of_earlier_calibrations_follow_from_their_probability():
    radius, sigma = 5.0, 3.0
    share = 1 - math.exp(-(radius**2) / (2 * sigma**2))
    old = ConfidenceCalibration(radius, 9, (0.0,), (math.log(share / (1 - share)),))
    np.testing.assert_allclose(old.deviation(np.array([0.2, 0.9])), sigma)
    sure = ConfidenceCalibration(radius, 9, (-1.0, 1.0), (-50.0, 50.0))
    assert np.isfinite(sure.deviation(np.array([0.0, 1.0, np.nan]))).all()


def test_calibrations_of_earlier_versions_have_one_radius():
    old = {"format": 1, "radius": 5.0, "points": 9, "scores": [-1.0, 1.0], "log_odds": [0.0, 2.0]}
    calibration = ConfidenceCalibration.from_dict(old)
    np.testing.assert_array_equal(calibration.radii_of(3), [5.0] * 3)
    assert stated_radius(calibration) == "within 5 px"
    assert calibration.to_dict() == old
    own = replace(calibration, radii=(2.0, 5.0, 6.25))
    assert stated_radius(own) == "within 2 to 6.25 px (by keypoint)"


def test_nothing_to_calibrate_on_is_refused():
    with pytest.raises(EvaluationError, match="val_prob"):
        fit_calibration(np.ones((3, 2)), np.full((3, 2), np.nan), 5.0)
    with pytest.raises(EvaluationError, match="radius"):
        fit_calibration(np.ones((3, 2)), np.ones((3, 2)), 0.0)


def test_cross_calibration_judges_each_frame_without_its_own_labels():
    likelihood, errors, truth = (part.reshape(300, 10) for part in _sample(3000))
    probability = cross_calibrated(likelihood, errors, 5.0)
    assert np.abs(probability - truth).mean() < 0.04
    changed = errors.copy()
    changed[7] = 100.0
    np.testing.assert_array_equal(cross_calibrated(likelihood, changed, 5.0)[7], probability[7])


def test_pose_size_is_the_median_diagonal_of_the_labelled_keypoints():
    nan = np.nan
    keypoints = np.array(
        [
            [[0.0, 0.0], [3.0, 4.0], [nan, nan]],
            [[10.0, 10.0], [nan, nan], [16.0, 18.0]],
            [[0.0, 0.0], [30.0, 40.0], [1.0, 1.0]],
            [[nan, nan], [900.0, 900.0], [nan, nan]],
        ]
    )
    assert pose_size(keypoints) == pytest.approx(10.0)
    with pytest.raises(EvaluationError):
        pose_size(keypoints[3:])


def test_reliability_counts_what_happened_in_each_bin():
    probability = np.repeat([0.2, 0.9], 10)
    happened = np.array([True] * 2 + [False] * 8 + [True] * 5 + [False] * 5)
    curve = reliability_curve(probability, happened, bins=2)
    np.testing.assert_allclose(curve.predicted, [0.2, 0.9])
    np.testing.assert_allclose(curve.observed, [0.2, 0.5])
    np.testing.assert_array_equal(curve.counts, [10, 10])
    assert curve.calibration_error == pytest.approx(0.2)
    assert curve.brier_score == pytest.approx((2 * 0.64 + 8 * 0.04 + 5 * 0.01 + 5 * 0.81) / 20)
    # Wilson's interval for 5 of 10, as published tables have it
    assert (curve.low[1], curve.high[1]) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_reliability_keeps_equal_probabilities_together_and_leaves_missing_ones_out():
    probability = np.array([0.5] * 7 + [0.6] * 3 + [np.nan])
    curve = reliability_curve(probability, np.ones(11, bool), bins=10)
    np.testing.assert_array_equal(curve.counts, [7, 3])
    assert curve.calibration_error == pytest.approx(0.7 * 0.5 + 0.3 * 0.4)


def test_reliability_of_true_probabilities_is_better_than_that_of_likelihoods():
    likelihood, errors, truth = _sample(5000)
    assert reliability_curve(truth, errors <= 5).calibration_error < 0.03
    assert reliability_curve(likelihood, errors <= 5).calibration_error > 0.1


def test_reliability_plot_shows_each_curve_and_the_radius():
    likelihood, errors, truth = _sample(500)
    figure = new_figure(4.0, 4.0, DARK)
    axes = figure.add_subplot()
    curves = {"likelihood": reliability_curve(likelihood, errors <= 5)}
    curves["calibrated"] = reliability_curve(truth, errors <= 5)
    draw_reliability(axes, curves, "within 5 px", DARK)
    np.testing.assert_allclose(axes.lines[1].get_ydata(), curves["likelihood"].observed)
    assert "5 px" in axes.get_ylabel()
    assert png(figure, dpi=40)[:4] == b"\x89PNG"


def test_log_odds_and_probabilities_are_inverse():
    values = np.linspace(-30, 15, 50)
    np.testing.assert_allclose(logit(expit(values)), values, rtol=1e-3)
