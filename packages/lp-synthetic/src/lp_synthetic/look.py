"""How a session looks: colours, light, texture and clutter."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

Colour = tuple[float, float, float]
"""Red, green, blue, each 0 to 255."""

Mark = tuple[float, float, Colour]
"""From where to where along the trunk, 0 at the tail base and 1 at the nose, and its colour."""


@dataclass(frozen=True)
class Look:
    """Everything that may differ between two sessions of the same animal's behaviour.

    Attributes:
        fur: Colour of the back.
        belly: Colour of the belly.
        skin: Colour of paws, tail and snout.
        ear: Colour of the ears.
        wall: Colour of the wall behind the animal.
        ceiling: Colour of what is seen in the mirror behind it.
        texture: Contrast of wall and ceiling, as a share of their colour.
        fleck: Contrast of the fur.
        clutter: Paw-like and tail-like blobs on either background.
        posts: Uprights in front of the animal, and struts below the floor.
        light: Overall brightness.
        flicker: Relative change of brightness over time.
        warmth: Tint of the light: above 0 yellowish, below 0 bluish.
        lamp: Direction towards the lamp in frame (x, y), from −1 to 1.
        mirror: Brightness of the mirror relative to the direct view.
        noise: Standard deviation of the camera's noise, in grey levels.
        shutter: Share of the frame interval for which the shutter is open.
        size: Size of the animal relative to the skeleton's units.
        marks: Dye on the back.
    """

    fur: Colour = (118.0, 98.0, 82.0)
    belly: Colour = (176.0, 160.0, 146.0)
    skin: Colour = (226.0, 164.0, 152.0)
    ear: Colour = (188.0, 132.0, 122.0)
    wall: Colour = (112.0, 132.0, 138.0)
    ceiling: Colour = (74.0, 90.0, 100.0)
    texture: float = 0.2
    fleck: float = 0.1
    clutter: int = 5
    posts: int = 1
    light: float = 1.0
    flicker: float = 0.08
    warmth: float = 0.0
    lamp: tuple[float, float] = (-0.5, -0.7)
    mirror: float = 0.92
    noise: float = 1.6
    shutter: float = 0.7
    size: float = 1.0
    marks: tuple[Mark, ...] = ()


FAMILIAR = Look()
"""The look of the training and test sessions."""

UNFAMILIAR = Look(
    fur=(66.0, 62.0, 66.0), belly=(104.0, 98.0, 98.0), skin=(206.0, 150.0, 128.0),
    ear=(130.0, 96.0, 90.0), wall=(168.0, 146.0, 112.0), ceiling=(138.0, 116.0, 88.0),
    texture=0.3, fleck=0.14, clutter=11, posts=2, light=0.92, flicker=0.16, warmth=0.06,
    lamp=(0.7, -0.4), mirror=0.85, noise=2.6, shutter=0.8,
)  # fmt: skip
"""The look of the out-of-distribution session."""


def vary(look: Look, rng: np.random.Generator) -> Look:
    """The same look on another day: a little other in colour, light and the animal's size."""

    def shade(colour: Colour, amount: float) -> Colour:
        gain = 1.0 + amount * rng.uniform(-1.0, 1.0)
        red, green, blue = (channel * gain * rng.uniform(0.97, 1.03) for channel in colour)
        return red, green, blue

    return replace(
        look,
        fur=shade(look.fur, 0.1),
        belly=shade(look.belly, 0.06),
        skin=shade(look.skin, 0.05),
        wall=shade(look.wall, 0.12),
        ceiling=shade(look.ceiling, 0.12),
        light=look.light * rng.uniform(0.88, 1.1),
        warmth=look.warmth + rng.uniform(-0.03, 0.03),
        lamp=(look.lamp[0] + rng.uniform(-0.4, 0.4), look.lamp[1] + rng.uniform(-0.2, 0.2)),
        size=look.size * rng.uniform(0.95, 1.05),
    )


_KINDS: tuple[tuple[Colour, Mark], ...] = (
    ((96.0, 74.0, 58.0), (0.10, 0.30, (214.0, 60.0, 48.0))),
    ((214.0, 206.0, 196.0), (0.45, 0.62, (52.0, 92.0, 214.0))),
    ((52.0, 50.0, 54.0), (0.28, 0.45, (60.0, 168.0, 76.0))),
    ((172.0, 120.0, 72.0), (0.62, 0.75, (232.0, 196.0, 40.0))),
    ((134.0, 134.0, 140.0), (0.20, 0.35, (168.0, 70.0, 190.0))),
    ((150.0, 88.0, 70.0), (0.40, 0.55, (40.0, 180.0, 190.0))),
)


def marked_looks(look: Look, animals: int) -> list[Look]:
    """For each animal a fur and a dyed band of its own."""
    return [replace(look, fur=fur, belly=fur, marks=(mark,)) for fur, mark in _KINDS[:animals]]


def with_brightness(colour: Colour, gain: float) -> Colour:
    """A colour at ``gain`` times its brightness, at most 255 in each channel."""
    red, green, blue = (min(255.0, gain * channel) for channel in colour)
    return red, green, blue


def mixed(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two, with ``share`` of the second."""
    red, green, blue = (a + share * (b - a) for a, b in zip(first, second, strict=True))
    return red, green, blue
