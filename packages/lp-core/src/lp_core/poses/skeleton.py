"""The keypoints of an animal, and how they belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from lp_core.errors import PoseError, suggestion
from lp_core.paths import same_name

Pair = tuple[str, str]

_OTHER_SIDE = {"left": "right", "right": "left"}
# between words: signs that are neither letter nor digit of any script, or where a capital begins
_BETWEEN = re.compile(r"([\W_]+|(?<=[^\W_A-Z])(?=[A-Z]))")


@dataclass(frozen=True)
class Skeleton:
    """K keypoints by name.

    Attributes:
        names: K different names.
        edges: Pairs of keypoints that drawings join by a line.
        left_right: Pairs of keypoints that swap in a mirror image.
        mirrored: Groups of keypoints that are one point of the body, seen directly and in mirrors.

    Raises:
        PoseError: A name occurs twice, or a pair or group names a keypoint that is not there.
    """

    names: tuple[str, ...]
    edges: tuple[Pair, ...] = ()
    left_right: tuple[Pair, ...] = ()
    mirrored: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        twice = [name for place, name in enumerate(self.names) if name in self.names[:place]]
        if twice:
            raise PoseError(f"the keypoint '{twice[0]}' is named twice")
        groups = (*self.edges, *self.left_right, *self.mirrored)
        for name in dict.fromkeys(name for group in groups for name in group):
            if name not in self.names:
                raise unknown_keypoint(name, self.names)

    def __len__(self) -> int:
        """K, the number of keypoints."""
        return len(self.names)

    def places(self, names: Iterable[str]) -> list[int]:
        """Where keypoints are; accents may be written in any Unicode form.

        Raises:
            PoseError: There is no keypoint of that name.
        """
        return [self._place(name) for name in names]

    def _place(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        for place, own in enumerate(self.names):
            if same_name(own, name):
                return place
        raise unknown_keypoint(name, self.names)

    def select(self, names: Sequence[str]) -> Skeleton:
        """Only the keypoints ``names``, in that order and spelling, with the groups among them.

        Raises:
            PoseError: There is no keypoint of that name, or one is asked for twice.
        """
        new = {
            self.names[place]: name for place, name in zip(self.places(names), names, strict=True)
        }
        pairs = {
            key: tuple((new[a], new[b]) for a, b in getattr(self, key) if a in new and b in new)
            for key in ("edges", "left_right")
        }
        kept = (tuple(new[name] for name in group if name in new) for group in self.mirrored)
        return Skeleton(tuple(names), mirrored=tuple(g for g in kept if len(g) > 1), **pairs)

    def with_sides_by_name(self) -> Skeleton:
        """The same with left and right told by the names, unless the skeleton states them.

        Raises:
            PoseError: As `left_right_by_name`.
        """
        return self if self.left_right else replace(self, left_right=left_right_by_name(self.names))

    @property
    def mirror_permutation(self) -> Int[ndarray, " keypoints"]:
        """(K,): keypoint k of a mirror image is keypoint ``mirror_permutation[k]`` of the image."""
        permutation = np.arange(len(self), dtype=np.int64)
        for pair in self.left_right:
            left, right = self.places(pair)
            permutation[[left, right]] = right, left
        return permutation

    def to_dict(self) -> dict[str, Any]:
        """The skeleton as JSON holds it; `from_dict` takes it back."""
        groups = {key: [list(g) for g in getattr(self, key)] for key in _GROUPS}
        return {"keypoints": list(self.names), **{key: g for key, g in groups.items() if g}}

    @classmethod
    def from_dict(cls, value: object) -> Skeleton:
        """The skeleton that JSON holds.

        Raises:
            PoseError: It is not one.
        """
        if not isinstance(value, dict) or not set(value) <= {"keypoints", *_GROUPS}:
            raise PoseError("this is not a skeleton: it should be an object with 'keypoints'")
        groups = {key: value.get(key, []) for key in _GROUPS}
        for key, found in ("keypoints", [value.get("keypoints")]), *groups.items():
            if not (isinstance(found, list) and all(_is_names(group) for group in found)):
                raise PoseError(f"'{key}' of a skeleton should be a list of names")
            if key in ("edges", "left_right") and not all(len(group) == 2 for group in found):
                raise PoseError(f"'{key}' of a skeleton should be a list of pairs of names")
        return cls(
            tuple(value["keypoints"]), **{k: tuple(map(tuple, g)) for k, g in groups.items()}
        )


_GROUPS = ("edges", "left_right", "mirrored")


def _is_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def unknown_keypoint(name: str, names: Sequence[str]) -> PoseError:
    """The error that there is no such keypoint, with the nearest name and all names."""
    remedy = suggestion(name, names, f"there are: {', '.join(names)}")
    return PoseError(f"there is no keypoint '{name}'", remedy=remedy)


def left_right_by_name(names: Sequence[str]) -> tuple[Pair, ...]:
    """Pairs of names that differ only in one word, ``left`` or ``right``, each once.

    Small and capital letters, and the signs between words, count only where several names would do.

    Raises:
        PoseError: A name says left or right, and its partner is missing or not told apart.
    """
    partners = _partners(names)
    lonely = [
        name
        for index, (name, partner) in enumerate(zip(names, partners, strict=True))
        if partner is None or partners[partner] != index
    ]
    if lonely:
        raise PoseError(f"no left-right partner for {', '.join(map(repr, lonely))}")
    return tuple((names[i], names[p]) for i, p in enumerate(partners) if p is not None and i < p)


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
