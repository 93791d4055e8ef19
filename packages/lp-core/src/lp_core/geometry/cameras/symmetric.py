"""Symmetric 3×3 systems, planar: six tensors (00, 01, 02, 11, 12, 22) of any one shape.

A batch of millions of small matrices is quicker this way than through LAPACK, and does not make the
host wait for the device.
"""

from __future__ import annotations

import torch
from torch import Tensor

Symmetric = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
Vector = tuple[Tensor, Tensor, Tensor]


def solve(matrix: Symmetric, right: Vector) -> Vector:
    """Solve matrix · x = right for x, by the decomposition L·D·Lᵀ."""
    a, b, c, d, e, f = matrix
    l10, l20 = b / a, c / a
    d1 = d - l10 * b
    m = e - l10 * c
    l21 = m / d1
    d2 = f - l20 * c - l21 * m
    y0, y1 = right[0], right[1] - l10 * right[0]
    z = (right[2] - l20 * y0 - l21 * y1) / d2
    y = y1 / d1 - l21 * z
    x = y0 / a - l10 * y - l20 * z
    return x, y, z


def determinant(matrix: Symmetric) -> Tensor:
    """The determinant."""
    a, b, c, d, e, f = matrix
    return a * (d * f - e * e) - b * (b * f - e * c) + c * (b * e - d * c)


def inverse(matrix: Symmetric) -> Tensor:
    """The inverse as full matrices (..., 3, 3), by cofactors."""
    a, b, c, d, e, f = matrix
    scale = 1 / determinant(matrix)
    xx, xy, xz = d * f - e * e, c * e - b * f, b * e - c * d
    yy, yz, zz = a * f - c * c, b * c - a * e, a * d - b * b
    rows = torch.stack([xx, xy, xz, xy, yy, yz, xz, yz, zz], dim=-1) * scale.unsqueeze(-1)
    return rows.unflatten(-1, (3, 3))


def regular(matrix: Symmetric) -> Tensor:
    """Whether each matrix is positive definite by more than rounding."""
    a, _, _, d, _, f = matrix
    trace = a + d + f
    threshold = 100 * torch.finfo(a.dtype).eps
    return (trace > 0) & (determinant(matrix) > threshold * (trace / 3) ** 3)
