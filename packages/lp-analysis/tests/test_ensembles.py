"""One position and covariance from several trackers, on inputs of known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lp_analysis.ensembles.combination import (
    LEAST,
    QUANTILE,
    Combined,
    Uncertainty,
    combined,
    plain_covariance,
    squared_distance,
    usual_spread,
)
from lp_analysis.errors import EvaluationError

USUAL = np.array([[[4.0, 1.0], [1.0, 2.0]]])


def known(factor=1.0, floor=0.0, usual=USUAL, radius=5.0):
    return Uncertainty(usual, factor, floor, radius, 100)


def members(*places, confidence=None):
    """Members (M, 1, 1, 2) of one keypoint in one frame, and their confidences."""
    points = np.array(places, dtype=float).reshape(len(places), 1, 1, 2)
    sure = np.ones(len(places)) if confidence is None else np.array(confidence)
    return points, sure.reshape(-1, 1, 1)


def test_alike_confident_members_have_their_mean_and_their_unbiased_covariance():
    places = np.array([(1.0, 2.0), (4.0, 3.0), (2.0, 8.0), (5.0, 5.0)])
    found = combined(*members(*places))
    np.testing.assert_allclose(found.points[0, 0], places.mean(axis=0))
    np.testing.assert_allclose(found.spread[0, 0], np.cov(places.T, ddof=1))
    assert found.members[0, 0] == pytest.approx(4)


def test_confident_members_weigh_more():
    found = combined(*members((0, 0), (10, 0), confidence=(0.9, 0.3)))
    assert found.points[0, 0, 0] == pytest.approx(2.5, abs=0.01)  # 3 to 1
    assert found.members[0, 0] == pytest.approx(1.6, abs=0.01)  # (3 + 1)² / (3² + 1²)
    assert found.confidences[0, 0] == pytest.approx(0.6)


def test_a_member_without_a_position_says_nothing():
    whole = combined(*members((0, 0), (4, 2), confidence=(0.5, 0.7)))
    missing = combined(*members((0, 0), (np.nan, np.nan), (4, 2), confidence=(0.5, 0.9, 0.7)))
    for one, other in zip(whole, missing, strict=True):
        np.testing.assert_array_equal(one, other)


def test_where_no_member_has_a_position_there_is_none_and_no_confidence():
    found = combined(*members((np.nan, np.nan), (np.nan, np.nan)))
    assert np.isnan(found.points).all()
    assert found.confidences[0, 0] == 0
    covariance = known().covariance(found)
    assert np.isnan(covariance).all()
    assert known().confidence(covariance)[0, 0] == 0


def test_one_member_is_taken_as_it_is_and_its_covariance_is_the_usual_one():
    found = combined(*members((3, 7)))
    np.testing.assert_array_equal(found.points[0, 0], (3, 7))
    assert np.isnan(plain_covariance(found)).all()  # nothing is known of it
    expected = 2.5 * USUAL[0] + 0.5 * np.eye(2)
    np.testing.assert_allclose(known(2.5, 0.5).covariance(found)[0, 0], expected, rtol=1e-3)


def test_few_members_are_drawn_to_the_usual_spread_and_many_are_not():
    """The usual one counts for four more members."""
    places = [(0.0, 0.0), (6.0, 0.0)]
    own = np.cov(np.array(places).T, ddof=1)
    few = known().covariance(combined(*members(*places)))[0, 0]
    np.testing.assert_allclose(few, (own + 4 * USUAL[0]) / 5 + LEAST**2 * np.eye(2))
    many = known().covariance(combined(*members(*places * 200)))[0, 0]
    np.testing.assert_allclose(many, np.cov(np.array(places * 200).T), atol=0.15)


def test_members_that_agree_are_not_certain():
    """Neither by the usual spread, nor below the floor."""
    found = combined(*members((5, 5), (5, 5), (5, 5)))
    agreed = known(floor=2.0).covariance(found)[0, 0]
    np.testing.assert_allclose(agreed, 4 / 6 * USUAL[0] + 2.0 * np.eye(2))
    nothing = known(usual=np.zeros((1, 2, 2))).covariance(found)[0, 0]
    np.testing.assert_allclose(nothing, LEAST**2 * np.eye(2))


def test_less_confident_members_have_a_larger_covariance():
    sizes = [
        np.trace(
            known().covariance(combined(*members((0, 0), (3, 1), confidence=[sure] * 2)))[0, 0]
        )
        for sure in (0.9, 0.5, 0.1)
    ]
    assert sizes[0] < sizes[1] < sizes[2]


coordinates = st.floats(-1000, 1000, width=32)


@settings(max_examples=60, deadline=None)
@given(
    arrays(np.float64, (4, 2, 3, 2), elements=coordinates),
    arrays(np.float64, (4, 2, 3), elements=st.floats(0, 1)),
    st.permutations(range(4)),
    st.tuples(coordinates, coordinates),
)
def test_neither_the_order_of_members_nor_the_origin_of_the_frame_matters(
    points, confidences, order, shift
):
    found = combined(points, confidences)
    other = combined(points[list(order)] + shift, confidences[list(order)])
    np.testing.assert_allclose(other.points, found.points + shift, atol=1e-6)
    np.testing.assert_allclose(other.spread, found.spread, atol=1e-3, rtol=1e-6)
    usual = usual_spread(found)
    covariance = Uncertainty(usual, 2.0, 0.3, 5.0, 10).covariance(found)
    assert (np.linalg.eigvalsh(covariance) >= 0.3 - 1e-6).all()
    assert (found.points >= points.min(axis=0) - 1e-6).all()
    assert (found.points <= points.max(axis=0) + 1e-6).all()


def test_the_usual_spread_is_of_the_median_size():
    rng = np.random.default_rng(0)
    scale = rng.uniform(0.5, 2.0, 400)[None, :, None, None]
    points = rng.multivariate_normal((0, 0), [[9, 3], [3, 4]], (8, 400, 1)) * scale
    points[:, :40] *= 30  # now and then one is far off
    usual = usual_spread(combined(points, np.ones((8, 400, 1))))[0]
    assert usual[0, 1] / np.sqrt(usual[0, 0] * usual[1, 1]) == pytest.approx(0.5, abs=0.1)
    assert np.trace(usual) == pytest.approx(13 * 1.6, rel=0.25)


def test_the_usual_spread_of_a_keypoint_that_one_member_places_is_that_of_the_others():
    points = np.random.default_rng(1).normal(size=(3, 50, 2, 2))
    points[1:, :, 1] = np.nan
    usual = usual_spread(combined(points, np.ones((3, 50, 2))))
    np.testing.assert_array_equal(usual[1], usual[0])


def simulated(rng, rows, factor, floor):
    """Members whose common error has the covariance factor * spread + floor, and the truth."""
    spread = rng.uniform(0.2, 3.0, (rows, 3)) ** 2
    common = np.sqrt(factor * spread + floor)[..., None] * rng.normal(size=(rows, 3, 2))
    own = np.sqrt(spread)[..., None] * rng.normal(size=(30, rows, 3, 2))
    own -= own.mean(axis=0)  # so that their mean has the common error alone
    return 100 + common + own * np.sqrt(30 / 29), np.full((rows, 3, 2), 100.0)


@pytest.mark.parametrize(("factor", "floor"), [(3.0, 4.0), (0.5, 0.0), (0.05, 9.0)])
def test_factor_and_floor_are_found_from_labels(factor, floor):
    rng = np.random.default_rng(3)
    points, truth = simulated(rng, 2000, factor, floor)
    found = combined(points, np.ones(points.shape[:3]))
    fitted = Uncertainty.fitted(found, truth, 5.0, usual_spread(found))
    new, truth = simulated(rng, 2000, factor, floor)
    found = combined(new, np.ones(new.shape[:3]))
    covariance = fitted.covariance(found)
    inside = squared_distance(found.points - truth, covariance) < QUANTILE
    assert inside.mean() == pytest.approx(0.9, abs=0.02)
    stated = np.trace(covariance, axis1=-2, axis2=-1) / 2
    agree = stated < np.median(stated)
    for some in (agree, ~agree):
        assert inside[some].mean() == pytest.approx(0.9, abs=0.07)
    share = fitted.confidence(covariance).mean()
    within = (np.linalg.norm(found.points - truth, axis=-1) <= 5).mean()
    assert share == pytest.approx(within, abs=0.05)


def test_regions_fitted_on_few_images_hold_what_they_should_on_others():
    """Keypoints of an image err alike, so that few images say little of others."""

    def project(rng, rows):
        points = 100 + rng.normal(size=(5, rows, 20, 2))
        return combined(points + 3 * rng.standard_t(4, size=(rows, 1, 2)), np.ones((5, rows, 20)))

    shares = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        few, many = project(rng, 12), project(rng, 300)
        fitted = Uncertainty.fitted(few, np.full((12, 20, 2), 100.0), 5.0, usual_spread(few))
        inside = squared_distance(many.points - 100.0, fitted.covariance(many)) < QUANTILE
        shares.append(inside.mean())
    assert 0.88 < np.mean(shares) < 0.96  # 0.85 with the quantile of the images themselves


def test_labels_that_are_missing_do_not_count():
    points, truth = simulated(np.random.default_rng(4), 200, 2.0, 1.0)
    found = combined(points, np.ones(points.shape[:3]))
    part = truth.copy()
    part[::2] = np.nan
    fitted = Uncertainty.fitted(found, part, 5.0, usual_spread(found))
    assert fitted.points == 300
    with pytest.raises(EvaluationError, match="no label"):
        Uncertainty.fitted(found, np.full_like(truth, np.nan), 5.0, usual_spread(found))


def test_what_was_fitted_is_read_back_as_it_was():
    found = Combined(*combined(*members((1, 2), (4, 6))))
    again = Uncertainty.from_dict(known(2.0, 0.5).to_dict())
    np.testing.assert_array_equal(again.covariance(found), known(2.0, 0.5).covariance(found))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"factor": "x"},
        {"usual": [[1, 2]]},
        {"floor": -1.0},
        {"radius": float("inf")},
    ],
)
def test_what_was_fitted_is_refused_where_it_is_damaged(change):
    with pytest.raises(EvaluationError, match="combination of members"):
        Uncertainty.from_dict(known().to_dict() | change)
