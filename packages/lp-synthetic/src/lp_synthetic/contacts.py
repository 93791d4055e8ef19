"""When animals meet: the definition of a contact, and the count of contacts in a truth table.

The *body* of an animal is a row of discs along the line from its nose through the middle of its
ears to its tail base, as wide as the animal is there; limbs and tail do not count. The *gap* of two
animals in a frame is the distance between their bodies in body lengths, negative where they
overlap; a body length is the median distance from nose to tail base in the whole table. A
*contact* of two animals is a run of frames in which their gap is at most 0.1 and comes down to 0.03
at least once. Its kind is told by how it goes on:

- ``touch``: the gap stays above −0.12, so that neither lies on the other;
- ``cover``: they overlap more, and part to the sides from which they came;
- ``crossing``: they overlap more and part having passed each other: the direction from the one to
  the other at its end is over 90° away from that at its beginning.

Animals of which nose, ears or tail base are outside the frame are in no contact.
"""

from __future__ import annotations

from enum import Enum
from itertools import combinations
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_core.poses import PoseTable, Visibility
from lp_synthetic.errors import SyntheticProjectError

APART, TOUCHING, COVERING = 0.1, 0.03, -0.12
BODY = ("nose", "ear_left", "ear_right", "tail_base")
Bodies = Float[ndarray, "frames animals 4 2"]

# Along the body from nose (0) to tail base (1): where the ears are, and its radius in body lengths.
_EARS = 0.246
_DISCS = np.linspace(0.0, 1.0, 9)
_PLACES = [0.0, 0.157, 0.314, 0.466, 0.66, 0.856, 1.0]
_RADII = np.interp(_DISCS, _PLACES, [0.027, 0.093, 0.106, 0.131, 0.161, 0.14, 0.038])


class Kind(Enum):
    """How two animals met."""

    TOUCH = "touch"
    COVER = "cover"
    CROSSING = "crossing"


class Contact(NamedTuple):
    """Two animals that met.

    Attributes:
        first: The first frame.
        last: The last frame.
        pair: The individuals.
        kind: How they met.
        gap: The smallest gap, in body lengths.
    """

    first: int
    last: int
    pair: tuple[str, str]
    kind: Kind
    gap: float


def contacts(truth: PoseTable) -> list[Contact]:
    """The contacts in a truth table of several animals, in the order in which they begin.

    Raises:
        SyntheticProjectError: A keypoint of the body is missing, or rows are not of individuals
            in numbered frames.
    """
    missing = [name for name in BODY if name not in truth.keypoint_names]
    if missing or truth.individual is None:
        problem = (
            f"there is no keypoint '{missing[0]}'" if missing else "no row names an individual"
        )
        raise SyntheticProjectError(f"contacts need the truth of several animals: {problem}")
    names = tuple(dict.fromkeys(name for name in truth.individual if name))
    try:
        frame = np.array(truth.frame, dtype=int)
    except ValueError as error:
        problem = "contacts need the truth of a video, with a number for each frame"
        raise SyntheticProjectError(problem) from error
    seen = truth.codes != Visibility.UNLABELED
    body = truth.skeleton.places(BODY)
    points = np.full((frame.max() + 1, len(names), len(BODY), 2), np.nan)
    for row, name in enumerate(truth.individual):
        if name and seen[row, body].all():
            points[frame[row], names.index(name)] = truth.points[row, body]
    return contacts_of(points, names)


def contacts_of(points: Bodies, names: tuple[str, ...]) -> list[Contact]:
    """As `contacts`, of the keypoints ``BODY`` in frame px; NaN where an animal is not in sight."""
    found = []
    for a, b in combinations(range(len(names)), 2):
        gaps = pair_gaps(points, a, b)
        between = points[:, b].mean(axis=1) - points[:, a].mean(axis=1)
        for first, last in _runs(gaps <= APART):
            gap = float(gaps[first : last + 1].min())
            if gap <= TOUCHING:
                passed = float(between[first] @ between[last]) < 0
                kind = Kind.CROSSING if passed else Kind.COVER
                kind = Kind.TOUCH if gap > COVERING else kind
                found.append(Contact(first, last, (names[a], names[b]), kind, gap))
    return sorted(found, key=lambda contact: (contact.first, contact.pair))


def pair_gaps(points: Bodies, a: int, b: int) -> Float[ndarray, " frames"]:
    """The gap of two animals in every frame, infinite where one of them is not in sight."""
    length = np.nanmedian(np.linalg.norm(points[:, :, 0] - points[:, :, 3], axis=-1))
    one, other = _discs(points[:, a]), _discs(points[:, b])
    distance = np.linalg.norm(one[:, :, None] - other[:, None], axis=-1) / length
    gaps = (distance - _RADII[:, None] - _RADII).min(axis=(1, 2))
    return np.where(np.isnan(gaps), np.inf, gaps)


def _discs(body: Float[ndarray, "frames 4 2"]) -> Float[ndarray, "frames discs 2"]:
    """Centres of the discs, on the line through nose, middle of the ears and tail base."""
    nose, ears, tail = body[:, 0, None], body[:, 1:3].mean(axis=1)[:, None], body[:, 3, None]
    along = _DISCS[:, None]
    head = nose + along / _EARS * (ears - nose)
    trunk = ears + (along - _EARS) / (1 - _EARS) * (tail - ears)
    return np.where(along < _EARS, head, trunk)


def _runs(near: ndarray) -> list[tuple[int, int]]:
    """First and last frame of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], near, [False]]).astype(np.int8)))
    return [(int(first), int(stop) - 1) for first, stop in edges.reshape(-1, 2)]
