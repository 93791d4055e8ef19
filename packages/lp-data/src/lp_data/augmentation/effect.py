"""What an augmentation is, and the three kinds of effects that it is made of.

A distribution adds an effect by one frozen dataclass that derives from one of these kinds,
registered in the entry-point group ``lp.augmentations``. Its fields are its options in the config.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray
from torch import Tensor

from lp_data.augmentation.values import Share

Frames = UInt8[ndarray, "frames height width _"]
"""(F, H, W, C); an effect may give back more channels than it got."""


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
    """Augments one image, or all frames of a clip or context window, with one geometry."""

    def __call__(
        self,
        images: UInt8[ndarray, "frames height width 3"],
        keypoints: Float[ndarray, "*rows keypoints 2"],
        rng: np.random.Generator,
    ) -> Augmented:
        """Augment frames that belong together.

        Args:
            images: (F, H, W, 3) RGB, model px; left as they are.
            keypoints: (..., K, 2) model px, NaN where missing; left as they are. (0, 2) for a clip
                without labels.
            rng: The only source of randomness.

        Returns:
            The augmented frames and keypoints and the map between before and after.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Anything that happens to frames with some probability.

    Args:
        probability: How often it happens, from 0 to 1.
    """

    probability: Share = 1.0
    mirrors: ClassVar[bool] = False
    """Whether it turns left into right."""


class AffineEffect(Effect, ABC):
    """An effect that moves every point by one affine map."""

    @abstractmethod
    def matrix(self, size: tuple[int, int], rng: np.random.Generator) -> Float[Tensor, "2 3"]:
        """Draw a map.

        Args:
            size: (height, width) of the frames, model px.
            rng: The only source of randomness.

        Returns:
            Model px before to model px after the effect.
        """


class ShiftField(NamedTuple):
    """Shifts of pixels, given at nodes and bilinear in between.

    Attributes:
        shifts: (h, w, 2) shifts (x, y) in model px: the pixel at q shows what was at q + shift.
            Node (row, column) is at (column + 1/2) * step - 1/2 px, likewise down. Beyond the
            outermost nodes the shift is theirs.
        step: px from node to node; 1 gives a shift for every pixel.
    """

    shifts: Float32[ndarray, "rows columns 2"]
    step: int = 1


class WarpEffect(Effect, ABC):
    """An effect that shifts every pixel by a little, each by its own amount."""

    @abstractmethod
    def field(self, size: tuple[int, int], rng: np.random.Generator) -> ShiftField:
        """Draw a smooth field that covers frames of ``size`` (height, width) in model px."""


class PhotometricEffect(Effect, ABC):
    """An effect that changes colours, and moves nothing."""

    @abstractmethod
    def apply(self, images: Frames, rng: np.random.Generator) -> Frames:
        """Change the frames.

        Args:
            images: (F, H, W, C), left as they are; C is 3, RGB, or 1 where all frames are gray.
            rng: The only source of randomness.

        Returns:
            Frames of the same size, with as many channels or with 3, with the same parameters for
            all frames; only noise may differ from frame to frame.
        """


def without_copies(images: UInt8[ndarray, "frames height width 3"]) -> Frames:
    """One channel (F, H, W, 1) where all three are equal everywhere, else the frames themselves."""
    count, height, width, channels = images.shape
    tall = images.reshape(count * height, width, channels)
    # most colour images show it in their first row
    if not (tall[0] == tall[0, :, :1]).all():
        return images
    red, green, blue = cv2.split(tall)
    if cv2.norm(red, green, cv2.NORM_INF) or cv2.norm(red, blue, cv2.NORM_INF):
        return images
    return np.asarray(red).reshape(count, height, width, 1)


def as_rgb(images: Frames) -> UInt8[ndarray, "frames height width 3"]:
    """Three channels, by repeating the one where there is only one."""
    count, height, width, channels = images.shape
    if channels == 3:
        return images
    tall = cv2.cvtColor(images.reshape(count * height, width), cv2.COLOR_GRAY2RGB)
    return tall.reshape(count, height, width, 3)


def each_frame(images: Frames, function: Callable[[ndarray], ndarray]) -> Frames:
    """Apply ``function``, which takes and gives one frame, to every frame."""
    changed = (
        np.stack([function(frame) for frame in images]) if len(images) > 1 else function(images[0])
    )
    return changed.reshape(images.shape)


def each_channel(images: Frames, function: Callable[[ndarray], ndarray]) -> Frames:
    """Apply ``function``, which takes and gives one gray image, to every channel of every frame."""
    if images.shape[-1] == 1:
        return each_frame(images, function)
    return each_frame(images, lambda frame: cv2.merge([function(c) for c in cv2.split(frame)]))
