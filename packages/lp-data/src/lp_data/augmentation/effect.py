"""The three kinds of effects that an augmentation is made of.

A distribution adds an effect by one frozen dataclass that derives from one of these kinds,
registered in the entry-point group ``lp.augmentations``. Its fields are its options in the config.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, UInt8
from numpy import ndarray
from torch import Tensor

from lp_data.augmentation.values import Share

Frames = UInt8[ndarray, "frames height width _"]
"""(F, H, W, C); an effect may give back more channels than it got."""


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
