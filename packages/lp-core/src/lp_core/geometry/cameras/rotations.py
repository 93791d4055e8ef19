"""Rotations as Rodrigues vectors: the axis, as long as the angle in radians."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float


def _cross_matrix(vector: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """The matrix that multiplies by ``vector``, as a cross product."""
    x, y, z = vector
    return np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])


def rotation_matrix(vector: Float[np.ndarray, " 3"]) -> Float[np.ndarray, "3 3"]:
    """The matrix of a Rodrigues vector (Rodrigues' formula)."""
    angle = float(np.linalg.norm(vector))
    cross = _cross_matrix(np.asarray(vector, float))
    # sin(a)/a and (1 - cos(a))/a², exact for small angles too
    first = np.sinc(angle / np.pi)
    second = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2
    return np.eye(3) + first * cross + second * (cross @ cross)


def rotation_vector(matrix: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, " 3"]:
    """The Rodrigues vector of a rotation matrix; its angle is at most pi.

    It goes through the quaternion whose largest component is found first (Shepperd 1978), so it is
    exact at every angle.
    """
    m = np.asarray(matrix, float)
    trace = np.trace(m)
    # four times the outer product of the quaternion (w, x, y, z) with itself
    outer = np.empty((4, 4))
    outer[0, 0] = 1 + trace
    outer[0, 1:] = outer[1:, 0] = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    outer[1:, 1:] = m + m.T + (1 - trace) * np.eye(3)
    quaternion = outer[np.argmax(np.diag(outer))]
    quaternion = quaternion / np.linalg.norm(quaternion)
    if quaternion[0] < 0:
        quaternion = -quaternion
    sine = float(np.linalg.norm(quaternion[1:]))
    if sine == 0:
        return np.zeros(3)
    return quaternion[1:] * (2 * np.arctan2(sine, quaternion[0]) / sine)
