"""Errors that are alike in neighbouring frames are not averaged out, and the posterior says so."""

import numpy as np
import pytest

from lp_analysis.smoothing import AffineViews, Motion, Observations, Sample, Search, Smoother
from lp_analysis.smoothing.parameters import find_parameters
from lp_analysis.smoothing.persistence import widening


def test_the_factor_is_that_of_a_weighted_mean_of_correlated_errors():
    """The sum over all pairs of frames, of a random walk with q/R = 0.5 and errors 0.8^|k|."""
    q, R, rho = 0.5, 1.0, 0.8
    phi = 1 + q / 2 - np.sqrt(q + q * q / 4)
    variance = R * (1 - phi) / (1 + phi)
    frames = np.arange(-200, 201)
    weights = (1 - phi) / (1 + phi) * phi ** np.abs(frames)
    assert weights.sum() == pytest.approx(1)
    correlation = rho ** np.abs(frames[:, None] - frames)
    extra = weights @ correlation @ weights - weights @ weights
    found = widening("position", np.array([q]), np.array([variance]), np.array([rho]))
    assert found[0] == pytest.approx(1 + R * extra / variance, rel=1e-6)


@pytest.mark.parametrize("dynamics", ["position", "velocity"])
def test_independent_errors_widen_nothing(dynamics):
    found = widening(dynamics, np.array([0.1, 2.0]), np.array([0.3, 0.8]), np.array([0.0, -0.2]))
    assert found == pytest.approx([1.0, 1.0])


def test_the_truth_lies_where_the_posterior_says_in_spite_of_lasting_errors():
    random, frames = np.random.default_rng(0), 4000
    space = np.cumsum(random.normal(0, 0.5, (frames, 3)), axis=0)
    loadings = random.normal(size=(4, 2, 3, 1))
    truth = np.einsum("vai,fi->fva", loadings[..., 0], space)[:, None]
    errors = np.zeros_like(truth)
    for frame in range(1, frames):  # AR(1) with variance 1
        errors[frame] = 0.9 * errors[frame - 1] + random.normal(0, np.sqrt(0.19), truth.shape[1:])
    points = truth + errors
    views = AffineViews(loadings, np.zeros((4, 2, 1)))
    stretches = points[:3584].reshape(7, 512, 1, 4, 2)
    sample = Sample(stretches, np.ones_like(stretches), views)
    found = find_parameters(sample, Search())
    seen = Observations(frames, 1, 4)
    seen.points.write(0, points)
    seen.variance.write(0, np.ones_like(points))
    seen.scale = found.scale
    smoother = Smoother(seen, views, Motion("position", found.noise, *sample.start()))
    smoother.run()
    expected, spread = views.seen(smoother.states(0, frames))
    square = ((expected - truth) ** 2).sum(axis=-1)
    half = np.trace(spread, axis1=-2, axis2=-1) / 2
    narrow = np.mean(square < 2 * np.log(10) * half)
    wide = np.mean(square < 2 * np.log(10) * half * found.widening[0])
    assert narrow < 0.75
    assert 0.8 < wide < 0.97
