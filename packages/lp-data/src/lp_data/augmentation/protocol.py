"""What every augmentation takes and gives."""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray


class Augmented(NamedTuple):
    """Augmented frames, their keypoints, and the geometry that moved both.

    Attributes:
        images: (F, H, W, 3) RGB, model px, of the same size as they came in.
        keypoints: (..., K, 2) model px of ``images``, NaN where missing. A keypoint that left the
            image may still have its coordinates; the dataset makes it missing.
        matrix: (2, 3) map from model px before to model px after the augmentation.
        permutation: (K,), or None. Where a flip swapped left and right, keypoint ``k`` of
            each row is what ``permutation[k]`` was before; the dataset reorders the visibility
            likewise.
    """

    images: UInt8[ndarray, "frames height width 3"]
    keypoints: Float[ndarray, "*rows keypoints 2"]
    matrix: Float[ndarray, "2 3"]
    permutation: Int[ndarray, " keypoints"] | None = None


@runtime_checkable
class Augmenter(Protocol):
    """Augments one image, or all frames of a clip or context window with one geometry."""

    def __call__(
        self,
        images: UInt8[ndarray, "frames height width 3"],
        keypoints: Float[ndarray, "*rows keypoints 2"],
        rng: np.random.Generator,
    ) -> Augmented:
        """Augment frames that belong together.

        Args:
            images: (F, H, W, 3) RGB, model px; left as they are.
            keypoints: (..., K, 2) model px, NaN where missing; left as they are.
            rng: The only source of randomness.

        Returns:
            The augmented frames and keypoints and the map between before and after.
        """
        ...
