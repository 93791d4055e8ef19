"""Several effects as one augmentation: one resampling, then the changes of colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from lp_core.geometry import affine
from lp_data.augmentation.effect import (
    AffineEffect,
    Augmented,
    Effect,
    PhotometricEffect,
    WarpEffect,
    as_rgb,
    without_copies,
)
from lp_data.augmentation.warp import Geometry, move_keypoints, resample, sum_of_fields


@dataclass(frozen=True, eq=False)
class Composition:
    """The augmenter of a sequence of effects.

    Each effect happens with its own probability, independently. Those that move pixels act first,
    all affine ones as one map in the order given, then the sum of all warps, in one resampling;
    then those that change colours, in the order given. In a mirror image, keypoint
    ``permutation[k]`` (K,) takes the place of keypoint k; it is None where no effect mirrors.
    """

    effects: tuple[Effect, ...] = ()
    permutation: Int[ndarray, " keypoints"] | None = None

    def __call__(
        self,
        images: UInt8[ndarray, "frames height width 3"],
        keypoints: Float[ndarray, "*rows keypoints 2"],
        rng: np.random.Generator,
    ) -> Augmented:
        """Augment frames: see `lp_data.augmentation.effect.Augmenter`.

        A keypoint that left the image is NaN. The matrix leaves out warps, which move nothing far.
        """
        size = (images.shape[1], images.shape[2])
        chances = rng.random(len(self.effects)).tolist()
        happening = [e for e, c in zip(self.effects, chances, strict=True) if c < e.probability]
        geometry = _draw_geometry(happening, size, rng)
        if not happening:
            return Augmented(images, keypoints, geometry.matrix)
        frames = without_copies(images)
        if geometry.moves():
            frames = resample(frames, geometry)
            keypoints = move_keypoints(keypoints, geometry, size)
        for effect in happening:
            if isinstance(effect, PhotometricEffect):
                frames = effect.apply(frames, rng)
        mirrored = sum(effect.mirrors for effect in happening) % 2  # two flips mirror nothing
        permutation = self.permutation if mirrored else None
        if permutation is not None and keypoints.shape[-2]:
            keypoints = keypoints[..., permutation, :]
        return Augmented(as_rgb(frames), keypoints, geometry.matrix, permutation)

    def geometric(self) -> Composition:
        """The same augmenter without the effects that change colours."""
        kept = tuple(e for e in self.effects if not isinstance(e, PhotometricEffect))
        return replace(self, effects=kept)


def _draw_geometry(
    happening: Sequence[Effect], size: tuple[int, int], rng: np.random.Generator
) -> Geometry:
    """Draw all maps and fields."""
    matrices = [e.matrix(size, rng) for e in happening if isinstance(e, AffineEffect)]
    fields = [e.field(size, rng) for e in happening if isinstance(e, WarpEffect)]
    matrix = affine.compose(*matrices) if matrices else affine.identity()
    return Geometry(matrix.numpy(), sum_of_fields(fields, size))
