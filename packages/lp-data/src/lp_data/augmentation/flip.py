"""Which keypoints swap names in a mirror image."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from lp_data.errors import AugmentationError

_log = logging.getLogger(__name__)

_OTHER_SIDE = {"left": "right", "right": "left"}
# between words: signs that are no letter or digit of any script, or where a capital begins
_BETWEEN = re.compile(r"([\W_]+|(?<=[^\W_A-Z])(?=[A-Z]))")


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in small letters: ``paw_left`` and ``PawLeft`` are alike."""
    return tuple(word.lower() for word in _BETWEEN.split(name)[::2])


def _mirrored(name: str) -> str:
    """The name with left and right exchanged, written as they were."""
    parts = _BETWEEN.split(name)
    parts[::2] = [_other_side(word) for word in parts[::2]]
    return "".join(parts)


def _other_side(word: str) -> str:
    """``right`` for ``left`` and the reverse, as small or capital as it was; else the word."""
    other = _OTHER_SIDE.get(word.lower())
    if other is None:
        return word
    return other.upper() if word.isupper() else other.title() if word.istitle() else other


def _partners(names: Sequence[str]) -> list[int | None]:
    """Where each name's partner is, itself where it has no side; None where that is not clear."""
    places = {name: index for index, name in enumerate(names)}
    alike: dict[tuple[str, ...], list[int]] = {}
    for index, name in enumerate(names):
        alike.setdefault(_words(name), []).append(index)
    partners: list[int | None] = []
    for name in names:
        partner = _mirrored(name)
        similar = alike.get(_words(partner), [])
        partners.append(places.get(partner, similar[0] if len(similar) == 1 else None))
    return partners


def left_right_permutation(keypoint_names: Sequence[str]) -> Int[ndarray, " keypoints"]:
    """Where each keypoint's label is found in a mirror image.

    Names pair up when they differ only in one word, ``left`` or ``right``; a name without such a
    word stays where it is. Small and capital letters, and the signs between words, count only where
    several names would do.

    Args:
        keypoint_names: (K,) names.

    Returns:
        (K,): keypoint k of the mirror image is keypoint ``permutation[k]`` of the image; twice
        applied, it changes nothing.

    Raises:
        AugmentationError: A name says left or right, and its partner is missing or not told apart.
    """
    partners = _partners(keypoint_names)
    lonely = [
        name
        for index, (name, partner) in enumerate(zip(keypoint_names, partners, strict=True))
        if partner is None or partners[partner] != index
    ]
    if lonely:
        raise AugmentationError(
            f"a flip cannot swap left and right: no partner for {', '.join(map(repr, lonely))}",
            where="data.keypoint_names",
            remedy="name both partners alike but for 'left' and 'right', or switch flips off",
        )
    permutation = np.array(partners, dtype=np.int64)
    if (permutation == np.arange(len(permutation))).all():
        _log.warning("no keypoint name has 'left' or 'right': a flip swaps no names")
    return permutation
