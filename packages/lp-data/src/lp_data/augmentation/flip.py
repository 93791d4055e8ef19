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
# between words: any sign that is no letter or digit, or a small letter before a capital
_BETWEEN = re.compile(r"[^A-Za-z0-9]+|(?<=[a-z0-9])(?=[A-Z])")


def _words(name: str) -> tuple[str, ...]:
    """The words of a name in small letters: ``paw_left`` and ``PawLeft`` are alike."""
    return tuple(word.lower() for word in _BETWEEN.split(name))


def _mirrored(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words with left and right exchanged."""
    return tuple(_OTHER_SIDE.get(word, word) for word in words)


def left_right_permutation(keypoint_names: Sequence[str]) -> Int[ndarray, " keypoints"]:
    """Where each keypoint's label is found in a mirror image.

    Names pair up when they differ only in one word, ``left`` or ``right``; a name without such a
    word stays where it is.

    Args:
        keypoint_names: (K,) names.

    Returns:
        (K,): keypoint k of the mirror image is keypoint ``permutation[k]`` of the image.

    Raises:
        AugmentationError: A name says left or right, and its partner is missing.
    """
    places = {_words(name): index for index, name in enumerate(keypoint_names)}
    partners = [_mirrored(_words(name)) for name in keypoint_names]
    pairs = zip(keypoint_names, partners, strict=True)
    lonely = [name for name, partner in pairs if partner not in places]
    if lonely:
        raise AugmentationError(
            f"a flip cannot swap left and right: no partner for {', '.join(map(repr, lonely))}",
            where="data.keypoint_names",
            remedy="name both partners alike but for 'left' and 'right', or switch flips off",
        )
    permutation = np.array([places[partner] for partner in partners], dtype=np.int64)
    if (permutation == np.arange(len(permutation))).all():
        _log.warning("no keypoint name has 'left' or 'right': a flip swaps no names")
    return permutation
