"""Small matrices of many series at once: the last axis runs over the series.

Vectors are (d, X) and matrices (d, d, X), so that every operation is a few passes over long, dense
arrays, whatever the size of the matrices.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

Vectors = Float[ndarray, "_dims ..."]
Matrices = Float[ndarray, "_rows _columns ..."]
Numbers = Float[ndarray, "..."]

_RANK = 1e-12
"""Pivots below this share of the diagonal are rounding."""


def product(a: Matrices, b: Matrices) -> Matrices:
    """a·b."""
    return np.einsum("ij...,jk...->ik...", a, b)


def product_transposed(a: Matrices, b: Matrices) -> Matrices:
    """a·bᵀ."""
    return np.einsum("ij...,kj...->ik...", a, b)


def applied(a: Matrices, x: Vectors) -> Vectors:
    """a·x."""
    return np.einsum("ij...,j...->i...", a, x)


def inner(x: Vectors, y: Vectors) -> Numbers:
    """xᵀ·y."""
    return np.einsum("i...,i...->...", x, y)


def solved(a: Matrices, b: Matrices) -> Matrices:
    """a⁻¹·b of symmetric positive definite matrices, by elimination without pivoting."""
    a, b = a.copy(), b.copy()
    for place in range(len(a)):
        pivot = a[place, place].copy()
        a[place] /= pivot
        b[place] /= pivot
        for other in range(len(a)):
            if other != place:
                factor = a[other, place].copy()
                a[other] -= factor * a[place]
                b[other] -= factor * b[place]
    return b


def pseudo_observations(
    information: Matrices, vector: Vectors
) -> tuple[Matrices, Vectors, Vectors]:
    """Independent scalar observations that say what an information matrix and vector say.

    A term -½·xᵀ·Λ·x + ηᵀ·x of a log-likelihood is, with Λ = L·D·Lᵀ and η = L·u, that of
    observations of L[:, k]ᵀ·x with precisions D[k] and values u[k] / D[k].

    Args:
        information: (p, p, ...) Λ, positive semidefinite.
        vector: (p, ...) η.

    Returns:
        (k, p, ...) rows L[:, k], (k, ...) precisions and (k, ...) u, precisions times values.
    """
    rest, u = information.copy(), vector.copy()
    rows, precisions = np.zeros_like(information), np.zeros_like(vector)
    for k in range(len(rest)):
        pivot = rest[k, k]
        kept = pivot > _RANK * information[k, k]
        precisions[k] = np.where(kept, pivot, 0.0)
        rows[k, k:] = np.where(kept, rest[k, k:] / np.where(kept, pivot, 1.0), 0.0)
        u[k] = np.where(kept, u[k], 0.0)
        for later in range(k + 1, len(rest)):
            u[later] -= rows[k, later] * u[k]
            rest[later] -= rows[k, later] * rest[k] * kept
    return rows, precisions, u
