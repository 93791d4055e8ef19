"""Principal components of poses, learned from labels of which some are missing."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

Observations = Float[Tensor, "rows dimensions"]
Covariance = Float[Tensor, "dimensions dimensions"]

FOLDS = 10
"""Parts of the observations, each held out once, to learn how large errors of true poses are."""

_STEPS = 20
_SETTLED = 1e-4


class Moments(NamedTuple):
    """Mean (D,) and covariance (D, D) of observations."""

    mean: Float[Tensor, " dimensions"]
    covariance: Covariance


class Components(NamedTuple):
    """An affine subspace: a mean (D,) and C orthonormal rows (C, D)."""

    mean: Float[Tensor, " dimensions"]
    axes: Float[Tensor, "components dimensions"]

    def residual(self, rows: Observations) -> Observations:
        """What the subspace cannot express of each row, (N, D), differentiable."""
        with torch.autocast(rows.device.type, enabled=False):
            centred = rows - self.mean
            return centred - centred @ self.axes.T @ self.axes


def pairwise_moments(rows: Observations) -> Moments:
    """Mean and covariance of rows (N, D), each entry from all rows that know both dimensions.

    A frame with one keypoint missing so still tells about all the others. What fewer than two rows
    tell is 0. Such a matrix may have negative eigenvalues; the nearest covariance has 0 there.
    """
    known = rows.isfinite()
    mean = rows.nanmean(dim=0).nan_to_num()
    centred = torch.where(known, rows - mean, 0.0)
    degrees = known.to(rows.dtype).T @ known.to(rows.dtype) - 1
    values, vectors = torch.linalg.eigh(centred.T @ centred / degrees.clamp_min(1))
    return Moments(mean, (vectors * values.clamp_min(0)) @ vectors.T)


def expectation(rows: Observations, known: Moments) -> tuple[Observations, Covariance]:
    """The rows (N, D) with what is missing replaced by its expectation given what is known.

    For a normal distribution that is mean_m + Σ_mk Σ_kk⁻¹ (x_k - mean_k); m missing, k known. The
    second result is the sum over rows of the conditional covariance Σ - Σ_·k Σ_kk⁻¹ Σ_k·.
    """
    covariance = known.covariance
    patterns, which, counts = torch.unique(
        rows.isfinite(), dim=0, return_inverse=True, return_counts=True
    )
    here = patterns.to(rows.dtype)
    ridge = covariance.diagonal().mean().clamp_min(1e-6) * 1e-9
    # missing dimensions become independent ones with variance 1, so that all can be solved at once
    masked = here[:, :, None] * here[:, None] * covariance + torch.diag_embed(1 - here + ridge)
    crossed = here[:, :, None] * covariance
    gains = torch.cholesky_solve(crossed, torch.linalg.cholesky(masked))
    spread = (counts[:, None, None] * (covariance - crossed.mT @ gains)).sum(dim=0)
    centred = torch.where(rows.isfinite(), rows - known.mean, 0.0)
    estimate = known.mean + (centred[:, None] @ gains[which])[:, 0]
    return torch.where(rows.isfinite(), rows, estimate), spread


def likely_moments(rows: Observations) -> tuple[Observations, Moments]:
    """The most likely mean and covariance of rows (N, D), and the rows filled in.

    Expectation-maximisation: each step fills in what is missing by its expectation (Dempster, Laird
    & Rubin, 1977). The pairwise-complete covariance, where it starts, is not good enough: poses
    vary by tens of pixels and lie within a pixel of their subspace, so that its errors of a few
    percent drown the subspace.
    """
    current = pairwise_moments(rows)
    filled = rows
    for _ in range(_STEPS):
        filled, spread = expectation(rows, current)
        before, current = current.covariance, moments(filled, spread)
        if (current.covariance - before).norm() <= _SETTLED * before.norm():
            break
    return filled, current


def moments(rows: Observations, spread: Covariance | float = 0.0) -> Moments:
    """Mean and covariance of complete rows (N, D); ``spread`` adds to their sum of squares."""
    mean = rows.mean(dim=0)
    return Moments(mean, ((rows - mean).T @ (rows - mean) + spread) / max(1, len(rows) - 1))


def choose_components(variances: Float[Tensor, " dimensions"], keep: int | float) -> int:
    """``keep``, or how many of the falling variances explain that share of their sum."""
    if isinstance(keep, int):
        return keep
    explained = variances.cumsum(0) / variances.sum()
    # as many as reach the share; rounding must not ask for one more than there are
    return min(int((explained < keep - 1e-9).sum()) + 1, len(variances))


def principal_components(known: Moments, keep: int | float) -> Components:
    """The subspace of the largest variance."""
    variances, axes = torch.linalg.eigh(known.covariance)
    count = choose_components(variances.flip(0).clamp_min(0), keep)
    return Components(known.mean, axes.flip(1)[:, :count].T.contiguous())


def point_norms(
    residual: Float[Tensor, "rows dimensions"],
) -> Float[Tensor, "rows points"]:
    """Lengths (N, D / 2) of residuals whose dimensions are (x, y) pairs."""
    return torch.linalg.vector_norm(residual.unflatten(1, (-1, 2)), dim=2)


def held_out_errors(
    rows: Observations, groups: Int[Tensor, " rows"], components: int
) -> Float[Tensor, "rows points"]:
    """Errors of true poses that the components have not seen, in the rows' unit.

    The errors of the very rows from which components were learned are too small, and the more so
    the fewer they are. So the groups are dealt into folds, and each fold is measured against
    components of all the others.

    Args:
        rows: (N, D), complete; a row's dimensions are (x, y) pairs.
        groups: (N,); rows of one group, such as those of one frame, stay together.
        components: How many components to keep.
    """
    errors = rows.new_zeros(len(rows), rows.shape[1] // 2)
    for fold in range(FOLDS):
        held = groups % FOLDS == fold
        subspace = principal_components(moments(rows[~held]), components)
        errors[held] = point_norms(subspace.residual(rows[held]))
    return errors
