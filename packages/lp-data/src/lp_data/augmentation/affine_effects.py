"""Effects that move every point by one affine map."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from lp_core.geometry import affine
from lp_data.augmentation.effect import AffineEffect
from lp_data.augmentation.values import Choices, Value, draw, within

LARGEST_PAD = 1.0
LARGEST_CROP = 0.45


@dataclass(frozen=True, kw_only=True)
class Affine(AffineEffect):
    """Scale and rotate about the middle of the image, then move it.

    Args:
        rotation: Degrees, clockwise as seen.
        scale: Factor, the same for both axes.
        translation: Share of the width and, drawn separately, of the height.
    """

    rotation: Value = 0.0
    scale: Annotated[Value, within(0.01, 100)] = 1.0
    translation: Annotated[Value, within(-1, 1)] = 0.0

    def matrix(self, size: tuple[int, int], rng: np.random.Generator) -> Float[Tensor, "2 3"]:
        """Draw a rotation, a scale and a translation, in this order."""
        height, width = size
        middle = ((width - 1) / 2, (height - 1) / 2)
        turned = affine.rotation(draw(self.rotation, rng), middle)
        scale = draw(self.scale, rng)
        shift_x, shift_y = draw(self.translation, rng), draw(self.translation, rng)
        if scale == 1.0 and not shift_x and not shift_y:
            return turned
        return affine.compose(
            turned,
            affine.translation(-width / 2, -height / 2),
            affine.scaling(scale, scale),
            affine.translation((0.5 + shift_x) * width, (0.5 + shift_y) * height),
        )


@dataclass(frozen=True, kw_only=True)
class CropAndPad(AffineEffect):
    """Move each side of the image in or out by its own amount, and stretch the rest to its size.

    Args:
        amount: Share of the height or width, for each side: negative crops, positive pads with
            black.
    """

    amount: Annotated[Value, within(-LARGEST_CROP, LARGEST_PAD)] = (-0.15, 0.15)

    def matrix(self, size: tuple[int, int], rng: np.random.Generator) -> Float[Tensor, "2 3"]:
        """Draw the amounts for top, right, bottom and left, in this order."""
        height, width = size
        top, right, bottom, left = (draw(self.amount, rng) for _ in range(4))
        return affine.compose(
            affine.cropping(-left * width, -top * height),
            affine.scaling(1 / (1 + left + right), 1 / (1 + top + bottom)),
        )


@dataclass(frozen=True, kw_only=True)
class Rot90(AffineEffect):
    """Turn by quarters of a full turn; an image that is not square is stretched back to its size.

    Args:
        turns: Numbers of clockwise quarter turns to choose from, each as likely.
    """

    turns: Choices = (0, 1, 2, 3)

    def matrix(self, size: tuple[int, int], rng: np.random.Generator) -> Float[Tensor, "2 3"]:
        """Choose a number of turns."""
        turns = self.turns[int(rng.integers(len(self.turns)))] % 4
        turned = _quarter_turns(turns, size)
        if turns % 2 == 0 or size[0] == size[1]:
            return turned
        return affine.compose(turned, affine.resizing((size[1], size[0]), size))


def _quarter_turns(turns: int, size: tuple[int, int]) -> Float[Tensor, "2 3"]:
    """Exact map for 0 to 3 clockwise quarter turns of an image of ``size`` (height, width)."""
    height, width = size
    half = affine.compose(affine.horizontal_flip(width), affine.vertical_flip(height))
    if turns % 2 == 0:
        return half if turns == 2 else affine.identity()
    quarter = affine.rotation(90.0, (0.0, 0.0)).round()
    clockwise = affine.compose(quarter, affine.translation(height - 1.0, 0.0))
    return clockwise if turns == 1 else affine.compose(half, clockwise)


@dataclass(frozen=True, kw_only=True)
class HorizontalFlip(AffineEffect):
    """Mirror left to right; keypoints that are named left and right swap their names."""

    mirrors: ClassVar[bool] = True

    def matrix(self, size: tuple[int, int], rng: np.random.Generator) -> Float[Tensor, "2 3"]:
        """The mirror image's map; nothing is drawn."""
        return affine.horizontal_flip(size[1])


@dataclass(frozen=True, kw_only=True)
class VerticalFlip(AffineEffect):
    """Mirror top to bottom; as in any mirror image, names of left and right swap."""

    mirrors: ClassVar[bool] = True

    def matrix(self, size: tuple[int, int], rng: np.random.Generator) -> Float[Tensor, "2 3"]:
        """The mirror image's map; nothing is drawn."""
        return affine.vertical_flip(size[0])
