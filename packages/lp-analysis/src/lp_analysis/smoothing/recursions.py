"""Kalman filter and Rauch-Tung-Striebel smoother of many series, parallel over blocks of frames.

A recursion over frames takes one pass of Python per frame. So the frames are cut into blocks of
equal length, and all blocks go step by step together: a first run finds what each block makes of
any state at its beginning, which is an affine map and an information about that state (Särkkä and
García-Fernández, "Temporal parallelization of Bayesian smoothers", 2021); these are chained from
block to block; and a second run filters every block from the state that it truly begins with.
Nothing is approximated.

Arrays have the small dimensions first, then L frames, then X series; see `matrices`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.smoothing.dynamics import Motion
from lp_analysis.smoothing.matrices import (
    Matrices,
    Numbers,
    Vectors,
    applied,
    inner,
    product,
    product_transposed,
    pseudo_observations,
    solved,
)
from lp_analysis.smoothing.walks import filter_walks, smooth_walks

BLOCK = 128
"""Frames of a block."""


class Observed(NamedTuple):
    """Scalar observations of each frame, of the coordinates of the states.

    Attributes:
        rows: (k, p, L, X) the observed directions.
        precisions: (k, L, X) inverse variances; 0 where there is no observation.
        values: (k, L, X) precisions times observed values.
    """

    rows: Float[ndarray, "scalars coords frames series"]
    precisions: Float[ndarray, "scalars frames series"]
    values: Float[ndarray, "scalars frames series"]


class States(NamedTuple):
    """Means (d, ...) and covariances (d, d, ...)."""

    mean: Vectors
    covariance: Matrices


def _gains(covariance: Matrices, row: Vectors, precision: Numbers) -> tuple[Vectors, Numbers]:
    """Covariance of the state with an observed direction, and 1 / (1 + precision · variance)."""
    along = applied(covariance[:, : len(row)], row)
    return along, 1 / (1 + precision * inner(row, along[: len(row)]))


def _minus_outer(matrix: Matrices, scale: Numbers, x: Vectors, y: Vectors) -> None:
    """Subtract scale·x·yᵀ in place."""
    matrix -= (scale * x)[:, None] * y[None]


def _update(
    state: States, row: Vectors, precision: Numbers, value: Numbers
) -> tuple[Numbers, Numbers]:
    """Take in one scalar observation, in place.

    Returns:
        Its squared surprise, and the logarithm of its predicted variance divided by its noise.
    """
    mean, covariance = state
    along, factor = _gains(covariance, row, precision)
    off = value - precision * inner(row, mean[: len(row)])
    mean += factor * off * along
    _minus_outer(covariance, factor * precision, along, along)
    scaled = off * off / np.where(precision > 0, precision, 1.0)
    return factor * scaled, -np.log(factor)


class Surprise(NamedTuple):
    """What minus twice a log-likelihood is made of, but for what does not depend on the model.

    Attributes:
        squares: (X,) sums of squared innovations divided by their variances.
        logarithms: (X,) sums of logarithms of these variances divided by the noise.
    """

    squares: Numbers
    logarithms: Numbers


def filtered(
    motion: Motion, noise: Numbers, observed: Observed, start: States
) -> tuple[States, States]:
    """Filter L frames one after the other.

    Args:
        motion: The model.
        noise: (X,) q of each series.
        observed: The observations.
        start: The state before the first frame is observed, (d, X) and (d, d, X).

    Returns:
        The filtered states of the frames, (d, L, X) and (d, d, L, X), and the state before the next
        frame is observed.
    """
    state = States(start.mean.copy(), start.covariance.copy())
    d, X = state.mean.shape
    frames = observed.values.shape[1]
    means, covariances = np.empty((d, frames, X)), np.empty((d, d, frames, X))
    for frame in range(frames):
        for k in range(len(observed.values)):
            _update(
                state,
                observed.rows[k, :, frame],
                observed.precisions[k, frame],
                observed.values[k, frame],
            )
        means[:, frame], covariances[:, :, frame] = state
        state = _moved(motion, state, noise)
    return States(means, covariances), state


def surprise_of(motion: Motion, noise: Numbers, observed: Observed) -> Surprise:
    """How surprising the observations of L frames are, for one or several values of q.

    Args:
        motion: The model.
        noise: (..., X) values of q of each series.
        observed: The observations of X series.
    """
    shape = (motion.size, *noise.shape)
    mean, covariance = motion.first()
    extra = (None,) * (noise.ndim - 1)
    state = States(
        np.broadcast_to(mean[(slice(None), *extra)], shape).copy(),
        np.broadcast_to(
            covariance[(slice(None), slice(None), *extra)], (motion.size, *shape)
        ).copy(),
    )
    found = Surprise(np.zeros(noise.shape), np.zeros(noise.shape))
    for frame in range(observed.values.shape[1]):
        for k in range(len(observed.values)):
            square, logarithm = _update(
                state,
                observed.rows[k, :, frame],
                observed.precisions[k, frame],
                observed.values[k, frame],
            )
            np.add(found.squares, square, out=found.squares)
            np.add(found.logarithms, logarithm, out=found.logarithms)
        state = _moved(motion, state, noise)
    return found


def _moved(motion: Motion, state: States, noise: Numbers) -> States:
    return States(motion.moved(state.mean).copy(), motion.spread(state.covariance, noise))


class _Passage(NamedTuple):
    """What some frames make of a state x before them.

    It is N(F·x + b, C) after them, and their log-likelihood has the term -½·xᵀ·Λ·x + ηᵀ·x.
    """

    factor: Matrices
    offset: Vectors
    covariance: Matrices
    information: Matrices
    vector: Vectors


def _passage(motion: Motion, noise: Numbers, observed: Observed) -> _Passage:
    d, (_, frames, X) = motion.size, observed.values.shape
    b, eta = np.zeros((d, X)), np.zeros((d, X))
    C, J, F = np.zeros((d, d, X)), np.zeros((d, d, X)), np.zeros((d, d, X))
    for i in range(d):
        F[i, i] = 1.0
    for frame in range(frames):
        for k in range(len(observed.values)):
            row, precision = observed.rows[k, :, frame], observed.precisions[k, frame]
            p = len(row)
            along, factor = _gains(C, row, precision)
            seen = np.einsum("ji...,j...->i...", F[:p], row)
            off = observed.values[k, frame] - precision * inner(row, b[:p])
            _minus_outer(J, -factor * precision, seen, seen)
            eta += factor * off * seen
            b += factor * off * along
            _minus_outer(F, factor * precision, along, seen)
            _minus_outer(C, factor * precision, along, along)
        F, b, C = motion.moved(F), motion.moved(b).copy(), motion.spread(C, noise)
    return _Passage(F.copy(), b, C, J, eta)


def _beginnings(passage: _Passage, start: States, blocks: int) -> tuple[States, States]:
    """The states at the beginnings of the blocks, (d, B, N), and after the last."""
    by_block = [
        part.reshape(*part.shape[:-1], blocks, -1)
        for part in (*passage[:3], *pseudo_observations(passage.information, passage.vector))
    ]
    factors, offsets, covariances, rows, precisions, values = by_block
    mean, covariance = start.mean.copy(), start.covariance.copy()
    means = np.empty((len(mean), blocks, mean.shape[-1]))
    spreads = np.empty((len(mean), *means.shape))
    for block in range(blocks):
        means[:, block], spreads[:, :, block] = mean, covariance
        for k in range(len(values)):
            _update(
                States(mean, covariance),
                rows[k, :, block],
                precisions[k, block],
                values[k, block],
            )
        factor = factors[:, :, block]
        mean = applied(factor, mean) + offsets[:, block]
        covariance = product_transposed(product(factor, covariance), factor)
        covariance += covariances[:, :, block]
    return States(means, spreads), States(mean, covariance)


def _cut(values: ndarray, blocks: int) -> ndarray:
    """(..., B·L, N) as (..., L, B·N)."""
    *small, frames, series = values.shape
    if not any(values.strides):  # one number for all
        one = values[..., :1, :1]
        return np.broadcast_to(one, (*small, frames // blocks, blocks * series))
    parts = values.reshape(*small, blocks, -1, series).swapaxes(-3, -2)
    return np.ascontiguousarray(parts).reshape(*small, -1, blocks * series)


def _joined(values: ndarray, blocks: int) -> ndarray:
    """(..., L, B·N) as (..., B·L, N)."""
    *small, frames, _ = values.shape
    parts = values.reshape(*small, frames, blocks, -1).swapaxes(-3, -2)
    return parts.reshape(*small, blocks * frames, -1)


def filter_part(motion: Motion, observed: Observed, start: States) -> tuple[States, States]:
    """Filter consecutive frames, in blocks as far as they go; see `filtered`."""
    if motion.size == 1 and len(observed.values) == 1 and not any(observed.rows.strides):
        walks = _filtered_walks(motion, observed, start)
        if walks is not None:
            return walks
    frames = observed.values.shape[1]
    blocks = frames // BLOCK
    whole = blocks * BLOCK
    found: list[States] = []
    if blocks:
        cut = Observed(*(_cut(part[..., :whole, :], blocks) for part in observed))
        noise = np.tile(motion.noise, blocks)
        begin, start = _beginnings(_passage(motion, noise, cut), start, blocks)
        inside, _ = filtered(motion, noise, cut, _flat(begin))
        found.append(States(*(_joined(part, blocks) for part in inside)))
    if whole < frames:
        rest = Observed(*(part[..., whole:, :] for part in observed))
        inside, start = filtered(motion, motion.noise, rest, start)
        found.append(inside)
    return _along(found), start


def _filtered_walks(
    motion: Motion, observed: Observed, start: States
) -> tuple[States, States] | None:
    """`filter_part` of random walks that are observed as they are."""
    precision, value = (np.ascontiguousarray(part[0].T) for part in observed[1:])
    found = filter_walks(motion.noise, precision, value, start.mean[0], start.covariance[0, 0])
    if found is None:
        return None
    mean, variance = found
    after = States(mean[None, :, -1].copy(), (variance[:, -1] + motion.noise)[None, None])
    return States(mean.T[None], variance.T[None, None]), after


class _Steps(NamedTuple):
    """Backward steps: the smoothed state is N(G·x + c, G·P·Gᵀ + S) of that of the next frame."""

    gain: Matrices
    offset: Vectors
    covariance: Matrices


def _steps(motion: Motion, noise: Numbers, found: States) -> _Steps:
    """The steps of all frames, from their filtered states."""
    mean, covariance = found
    predicted = motion.spread(covariance, noise)
    gain = np.swapaxes(solved(predicted, motion.moved(covariance)), 0, 1)
    offset = mean - applied(gain, motion.moved(mean))
    # P - G·(A·P·Aᵀ + Q)·Gᵀ, in the form that rounding does not make negative
    kept = -motion.before(gain)
    for i in range(len(kept)):
        kept[i, i] += 1
    rest = product_transposed(product(kept, covariance), kept)
    moved = motion.spread(np.zeros_like(covariance), noise)
    return _Steps(gain, offset, rest + product_transposed(product(gain, moved), gain))


def _backward(steps: _Steps, after: States) -> States:
    """Smooth L frames one after the other, from the smoothed state of the frame after them."""
    mean, covariance = after
    means, covariances = np.empty_like(steps.offset), np.empty_like(steps.covariance)
    for frame in reversed(range(steps.offset.shape[1])):
        gain = steps.gain[:, :, frame]
        mean = applied(gain, mean) + steps.offset[:, frame]
        covariance = product_transposed(product(gain, covariance), gain)
        covariance += steps.covariance[:, :, frame]
        means[:, frame], covariances[:, :, frame] = mean, covariance
    return States(means, covariances)


def _returned(steps: _Steps) -> _Steps:
    """All steps of L frames as one."""
    gain, offset, covariance = (part[..., -1, :] for part in steps)
    for frame in reversed(range(steps.offset.shape[1] - 1)):
        G = steps.gain[:, :, frame]
        offset = applied(G, offset) + steps.offset[:, frame]
        covariance = product_transposed(product(G, covariance), G) + steps.covariance[:, :, frame]
        gain = product(G, gain)
    return _Steps(gain, offset, covariance)


def _ends(steps: _Steps, after: States, blocks: int) -> States:
    """The smoothed states of the frames after each block, (d, B, N)."""
    gains, offsets, covariances = (part.reshape(*part.shape[:-1], blocks, -1) for part in steps)
    mean, covariance = after
    means, spreads = np.empty_like(offsets), np.empty_like(covariances)
    for block in reversed(range(blocks)):
        means[:, block], spreads[:, :, block] = mean, covariance
        gain = gains[:, :, block]
        mean = applied(gain, mean) + offsets[:, block]
        covariance = product_transposed(product(gain, covariance), gain)
        covariance += covariances[:, :, block]
    return States(means, spreads)


def predicted(motion: Motion, found: States) -> States:
    """The states of the next frame, (d, N) and (d, d, N)."""
    return _moved(motion, found, motion.noise)


def smooth_part(motion: Motion, found: States, after: States) -> States:
    """Smooth consecutive frames, in blocks as far as they go.

    Args:
        motion: The model.
        found: Their filtered states, (d, L, N) and (d, d, L, N).
        after: The smoothed states of the frame after them; those predicted where there is none.
    """
    if motion.size == 1:
        means, variances = map(np.ascontiguousarray, (found.mean[0].T, found.covariance[0, 0].T))
        end, spread = after.mean[0], after.covariance[0, 0]
        mean, variance = smooth_walks(motion.noise, means, variances, end, spread)
        return States(mean.T[None], variance.T[None, None])
    frames = found.mean.shape[1]
    blocks = frames // BLOCK
    whole = blocks * BLOCK
    done: list[States] = []
    if whole < frames:
        rest = States(found.mean[:, whole:], found.covariance[:, :, whole:])
        inside = _backward(_steps(motion, motion.noise, rest), after)
        done.insert(0, inside)
        after = States(inside.mean[:, 0], inside.covariance[:, :, 0])
    if blocks:
        cut = States(
            _cut(found.mean[:, :whole], blocks), _cut(found.covariance[:, :, :whole], blocks)
        )
        steps = _steps(motion, np.tile(motion.noise, blocks), cut)
        ends = _ends(_returned(steps), after, blocks)
        inside = _backward(steps, _flat(ends))
        done.insert(0, States(*(_joined(part, blocks) for part in inside)))
    return _along(done)


def _flat(states: States) -> States:
    """Of (d, B, N), (d, B·N)."""
    mean, covariance = states
    d = len(mean)
    return States(mean.reshape(d, -1), covariance.reshape(d, d, -1))


def _along(parts: list[States]) -> States:
    """Consecutive frames, joined."""
    return States(*(np.concatenate(part, axis=-2) for part in zip(*parts, strict=True)))
