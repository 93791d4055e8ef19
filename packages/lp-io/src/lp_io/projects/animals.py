"""One animal for each image, out of labels that may hold several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Int8
from numpy import ndarray

from lp_io.untrusted.content import ContentError
from lp_io.untrusted.individuals import unknown_individual


@dataclass(frozen=True, eq=False)
class Animal:
    """The labels of one animal in one image.

    Attributes:
        name: Which animal, where the tool tells; else empty.
        keypoints: (K, 2) frame px, NaN where there is no position.
        visibility: (K,) 0 not labelled, 1 occluded, 2 visible.
    """

    name: str
    keypoints: Float[ndarray, "keypoints 2"]
    visibility: Int8[ndarray, " keypoints"]


@dataclass(frozen=True)
class Choice:
    """The animal taken of each image, None where none is; and what was left out, and why."""

    animals: tuple[Animal | None, ...]
    left_out: tuple[str, ...]


def one_animal_each(images: Sequence[Sequence[Animal]], wanted: str | None) -> Choice:
    """Choose an animal for each image.

    Without a wish, images with one animal are taken, and those with several are left out: nobody
    could say which of them the tracker should learn.

    Args:
        images: For each image its labelled animals.
        wanted: The name of the animal to take, or None.

    Raises:
        ContentError: No animal has the wanted name; or most images show several.
    """
    if wanted is not None:
        return _named(images, wanted)
    crowded = sum(len(animals) > 1 for animals in images)
    single = sum(len(animals) == 1 for animals in images)
    if crowded > single:
        names = sorted({animal.name for animals in images for animal in animals if animal.name})
        raise ContentError(
            f"{crowded} of {crowded + single} labelled images show several animals; lp tracks one",
            f"choose one with --individual: {', '.join(names)}" if names else None,
        )
    left_out = [f"{crowded} images with several animals: lp tracks one"] if crowded else []
    return Choice(
        tuple(animals[0] if len(animals) == 1 else None for animals in images), tuple(left_out)
    )


def _named(images: Sequence[Sequence[Animal]], wanted: str) -> Choice:
    names = sorted({animal.name for animals in images for animal in animals})
    if wanted not in names:
        raise unknown_individual(wanted, names)
    taken: list[Animal | None] = []
    others = 0
    for animals in images:
        mine = [animal for animal in animals if animal.name == wanted]
        if len(mine) > 1:
            raise ContentError(f"an image has the animal '{wanted}' twice")
        others += len(animals) - len(mine)
        taken.append(mine[0] if mine else None)
    left_out = [f"{others} labelled poses of other animals than '{wanted}'"] if others else []
    return Choice(tuple(taken), tuple(left_out))
