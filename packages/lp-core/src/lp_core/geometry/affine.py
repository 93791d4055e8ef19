"""Affine maps between the coordinate spaces: frame px, model px and heatmap cells.

In every space the centre of the top-left pixel is (0, 0), x runs to the right and y down. A map is
a matrix ``M`` of shape (..., 2, 3) in float64 that sends the column (x, y, 1) of the source space
to the target space. All maps respect pixel centres: scaling by s sends x to (x + 1/2) * s - 1/2.

Every function here builds, combines or applies such matrices; nothing else in lp does.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

Affine = Float[Tensor, "*batch 2 3"]


def identity() -> Float[Tensor, "2 3"]:
    """The map that leaves every point where it is."""
    return torch.eye(3, dtype=torch.float64)[:2]


def scaling(scale_x: float, scale_y: float) -> Float[Tensor, "2 3"]:
    """Scale an image: x goes to (x + 1/2) * scale_x - 1/2, likewise y."""
    return torch.tensor(
        [[scale_x, 0.0, 0.5 * scale_x - 0.5], [0.0, scale_y, 0.5 * scale_y - 0.5]],
        dtype=torch.float64,
    )


def resizing(source: tuple[int, int], target: tuple[int, int]) -> Float[Tensor, "2 3"]:
    """Resize an image from ``source`` to ``target``, each (height, width) in pixels."""
    return scaling(target[1] / source[1], target[0] / source[0])


def translation(x: float, y: float) -> Float[Tensor, "2 3"]:
    """Move every point by (x, y) pixels."""
    return torch.tensor([[1.0, 0.0, x], [0.0, 1.0, y]], dtype=torch.float64)


def cropping(x: float, y: float) -> Float[Tensor, "2 3"]:
    """Crop so that the pixel at (x, y) becomes the new top-left pixel."""
    return translation(-x, -y)


def horizontal_flip(width: int) -> Float[Tensor, "2 3"]:
    """Mirror an image of ``width`` pixels left to right: x goes to width - 1 - x."""
    return torch.tensor([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0]], dtype=torch.float64)


def vertical_flip(height: int) -> Float[Tensor, "2 3"]:
    """Mirror an image of ``height`` pixels top to bottom: y goes to height - 1 - y."""
    return torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, height - 1.0]], dtype=torch.float64)


def rotation(degrees: float, centre: tuple[float, float]) -> Float[Tensor, "2 3"]:
    """Rotate by ``degrees`` about ``centre`` (x, y).

    A positive angle turns the x axis towards the y axis; with y down that looks clockwise.
    """
    angle = math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    x, y = centre
    return torch.tensor(
        [[cos, -sin, x - cos * x + sin * y], [sin, cos, y - sin * x - cos * y]],
        dtype=torch.float64,
    )


def compose(*matrices: Tensor) -> Tensor:
    """One map (..., 2, 3) that applies maps (..., 2, 3) in the order given, the first one first.

    Their leading dimensions broadcast.
    """
    result = matrices[0]
    for matrix in matrices[1:]:
        # the product as 3×3 matrices with the last row (0, 0, 1), without building them
        result = matrix[..., :2] @ result
        result[..., 2] += matrix[..., 2]
    return result


def invert(matrix: Affine) -> Affine:
    """The inverse of maps (..., 2, 3).

    Raises:
        torch.linalg.LinAlgError: The linear part is singular.
    """
    linear = torch.linalg.inv(matrix[..., :2])
    return torch.cat([linear, -linear @ matrix[..., 2:]], dim=-1)


def transform(
    points: Float[Tensor, "*batch points 2"], matrix: Tensor
) -> Float[Tensor, "*batch points 2"]:
    """Apply a map to points.

    Args:
        points: (..., N, 2) in the source space; NaN stays NaN.
        matrix: (..., 2, 3), source space → target space; the points' type and device are kept.
    """
    matrix = matrix.to(dtype=points.dtype, device=points.device).unsqueeze(-3)
    # no matrix product: under autocast that would round coordinates to 8 bits
    return (points.unsqueeze(-2) * matrix[..., :2]).sum(dim=-1) + matrix[..., 2]


def resize_points(
    points: Float[Tensor, "*batch 2"], source: tuple[int, int], target: tuple[int, int]
) -> Float[Tensor, "*batch 2"]:
    """Apply the map of `resizing` to points, without a matrix that has to come to their device.

    Args:
        points: (..., 2) in pixels of the source; NaN stays NaN.
        source: (height, width) of the image that the points are on.
        target: (height, width) that it is resized to.
    """
    scales = target[1] / source[1], target[0] / source[0]
    axes = [points[..., axis] * scale + (0.5 * scale - 0.5) for axis, scale in enumerate(scales)]
    return torch.stack(axes, dim=-1)
