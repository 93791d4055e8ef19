"""The usual shape of an animal, as far as its keypoints tell which way it heads."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray

_FEWEST = 5
_STEADY = 0.9
"""Length of the mean of unit vectors: that of headings spread by about 26°."""

_APART = 0.1
"""Keypoints nearer to the centre than this share of the largest distance tell no heading."""

_ROUNDS = 20


def usual_shape(labels: Float[ndarray, "rows keypoints 2"]) -> Float[ndarray, "keypoints 2"] | None:
    """The mean of poses that are turned and moved onto each other (Procrustes), about its centre.

    Args:
        labels: Frame px, NaN where unlabelled. Poses with all keypoints count.

    Returns:
        Frame px, (0, 0) for a keypoint whose direction from the centre varies too much with the
        posture; None where the poses are too few, or fewer than half of the keypoints are steady,
        as of animals that are seen from either side.
    """
    whole = labels[np.isfinite(labels).all(axis=(1, 2))]
    if len(whole) < _FEWEST:
        return None
    centred = whole - whole.mean(axis=1, keepdims=True)
    poses = centred[..., 0] + 1j * centred[..., 1]
    mean, turned = poses[0], poses
    for _ in range(_ROUNDS):
        turn = (poses * mean.conj()).sum(axis=1, keepdims=True)
        turned = poses * np.exp(-1j * np.angle(turn))
        mean = turned.mean(axis=0)
    spread = np.abs(np.exp(1j * np.angle(turned)).mean(axis=0))
    steady = (spread >= _STEADY) & (np.abs(mean) >= _APART * np.abs(mean).max())
    if 2 * steady.sum() < len(mean):
        return None
    shape: Float[ndarray, "keypoints 2"] = np.stack([mean.real, mean.imag], axis=1)
    return shape * steady[:, None]
