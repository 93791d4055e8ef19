"""Fit a probability that never falls as a score rises: a logistic line, or steps."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

Values = Float[ndarray, " points"]
Outcomes = Bool[ndarray, " points"]

SHRINKAGE = 1.0
"""Weight of the square of a logistic slope: a normal prior around 0 whose deviation is 1."""

_ITERATIONS = 100
_TOLERANCE = 1e-10


def log_odds(probability: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """ln(p / (1 − p))."""
    return np.log(probability) - np.log1p(-probability)


def from_log_odds(value: Float[ndarray, ...]) -> Float[ndarray, ...]:
    """The probability with those log-odds."""
    return 0.5 * (1.0 + np.tanh(0.5 * value))


def fit_logistic(scores: Values, outcomes: Outcomes) -> tuple[float, float]:
    """Slope and intercept of the log-odds of the outcome, the slope not negative.

    Platt's regularised maximum likelihood (Platt, 1999, "Probabilistic outputs for support vector
    machines"): outcomes count as (n₊ + 1) / (n₊ + 2) and 1 / (n₋ + 2) instead of 1 and 0, so that
    few or perfectly separated points give no certainty. A ridge pulls the slope towards 0, so that
    few points of nearly equal score give no steep curve.
    """
    positives = int(outcomes.sum())
    negatives = len(outcomes) - positives
    target = np.where(outcomes, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    centre, scale = scores.mean(), scores.std()
    if scale <= 1e-12 * max(abs(centre), 1.0):
        return 0.0, float(log_odds(target.mean()))
    design = np.stack([(scores - centre) / scale, np.ones_like(scores)], axis=1)
    slope, intercept = _maximum_likelihood(design, target, SHRINKAGE / scale**2)
    if slope <= 0:
        return 0.0, float(log_odds(target.mean()))
    return slope / scale, intercept - slope * centre / scale


def _maximum_likelihood(
    design: Float[ndarray, "points 2"], target: Values, shrinkage: float
) -> tuple[float, float]:
    """Newton's method with step halving on the penalised cross-entropy, which is convex."""
    penalty = np.array([shrinkage, 0.0])
    weights = np.array([0.0, log_odds(target.mean())])

    def loss(candidate: Float[ndarray, " 2"]) -> float:
        values = design @ candidate
        cross_entropy = np.logaddexp(0.0, values) - target * values
        return float(cross_entropy.sum() + 0.5 * penalty @ candidate**2)

    current = loss(weights)
    for _ in range(_ITERATIONS):
        probability = from_log_odds(design @ weights)
        gradient = design.T @ (probability - target) + penalty * weights
        curvature = (design.T * (probability * (1 - probability))) @ design + np.diag(penalty)
        step = np.linalg.solve(curvature + 1e-12 * np.eye(2), gradient)
        size = 1.0
        while loss(weights - size * step) > current and size > 1e-6:
            size /= 2
        weights = weights - size * step
        current, previous = loss(weights), current
        if abs(previous - current) <= _TOLERANCE * (1 + abs(current)):
            break
    return float(weights[0]), float(weights[1])


def fit_steps(
    scores: Values, outcomes: Outcomes
) -> tuple[Float[ndarray, " levels"], Float[ndarray, " levels"]]:
    """Isotonic regression of the outcome, as few points of a rising curve.

    Each level counts one point more, of the overall rate by Laplace's rule, so that none is sure.

    Returns:
        M ≤ P mean scores of the levels, rising, and their probabilities, not falling.
    """
    from scipy.optimize import isotonic_regression  # predicting does without scipy

    levels, rows = np.unique(scores, return_inverse=True)
    counts = np.bincount(rows).astype(np.float64)
    rates = np.bincount(rows, outcomes) / counts
    pooled = isotonic_regression(rates, weights=counts).x
    starts = np.flatnonzero(np.append(True, np.diff(pooled) > 0))
    masses = np.add.reduceat(counts, starts)
    centres = np.add.reduceat(levels * counts, starts) / masses
    overall = (outcomes.sum() + 1) / (len(outcomes) + 2)
    smoothed = (pooled[starts] * masses + overall) / (masses + 1)
    return centres, isotonic_regression(smoothed, weights=masses).x
