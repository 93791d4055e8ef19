"""Animals of other labelled images, put into contact with the animal of a crop.

Few labelled images show animals in contact, and each contact looks different. So animals are cut
out of crops in which they are alone, turned, and put onto or under the animal of another crop, with
their labels: copy-paste augmentation (Ghiasi et al., CVPR 2021), of poses. Masks are not labelled;
GrabCut (Rother et al., 2004) finds them from the keypoints and the colours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8
from numpy import ndarray

from lp_core.poses import Visibility
from lp_core.poses.limbs import Limb, limbs_of

Image = UInt8[ndarray, "height width 3"]
Pose = Float[ndarray, "keypoints 2"]
Mask = Float32[ndarray, "height width"]

_WHOLE = 0.8  # share of the keypoints that an animal to be cut out must have
_AROUND = 0.35  # how far a body may reach beyond its keypoints, body sizes
_LIMB = 0.06  # half the thickness of a limb, body sizes
_ROUNDS = 2  # of GrabCut
_SOFT = 0.8  # px over which the edge of a mask fades
_NEAR = 0.15  # spread of the distance at which keypoints of the two animals meet, body sizes
_APART = 0.25  # least distance of their middles, body sizes
_HIDDEN = 0.6  # most of the keypoints that may be covered
_SCALE = 0.1  # by how much a pasted animal is larger or smaller at most
_TRIES = 5


class Pasted(NamedTuple):
    """A crop with one animal more.

    Attributes:
        image: RGB, a copy.
        pose: (K, 2) px, that of the other animal.
        hidden: (K,) which keypoints of the crop's own animal it covers.
    """

    image: Image
    pose: Pose
    hidden: Bool[ndarray, " keypoints"]

    def applied(
        self,
        keypoints: Float[ndarray, "rows keypoints 2"],
        visibility: Int[ndarray, "own keypoints"],
    ) -> tuple[
        UInt8[ndarray, "1 height width 3"],
        Float[ndarray, "more keypoints 2"],
        Int[ndarray, "own keypoints"],
    ]:
        """The image, all rows with that of the other animal last, and what is left visible."""
        covered = (visibility == Visibility.VISIBLE) & self.hidden
        left = np.where(covered, int(Visibility.OCCLUDED), visibility)
        return self.image[None], np.concatenate([keypoints, self.pose[None]]), left


class CopyPaste:
    """Puts an animal of another crop into a crop.

    Args:
        probability: How often.
        poses: (N, K, 2) px of N crops of one size: the animal of each.
        alone: Which of them can be cut out; see `lone_animals`.
        image: Gives the image (H, W, 3) of a crop.
    """

    def __init__(
        self,
        probability: float,
        poses: Float[ndarray, "crops keypoints 2"],
        alone: Bool[ndarray, " crops"],
        image: Callable[[int], Image],
    ) -> None:
        self._probability = probability
        self._poses = poses
        self._alone = alone
        self._sources = np.flatnonzero(alone)
        self._limbs = limbs_of(poses)
        self._image = image
        self._masks: dict[int, Mask] = {}

    def __getstate__(self) -> dict[str, object]:
        """All but the masks: every process finds its own."""
        return {**self.__dict__, "_masks": {}}

    def __call__(
        self, crop: int, image: Image, pose: Pose, rng: np.random.Generator
    ) -> Pasted | None:
        """A crop with an animal of another one; None if it stays as it is.

        Args:
            crop: Its number.
            image: Its image; left as it is.
            pose: (K, 2) px of its animal, NaN where not known.
            rng: The only source of randomness.
        """
        if rng.random() >= self._probability or not np.isfinite(pose).any():
            return None
        sources = self._sources[self._sources != crop]
        if not len(sources):
            return None
        source = int(rng.choice(sources))
        beneath = bool(self._alone[crop] and rng.random() < 0.5)
        matrix = _placed(self._poses[source], pose, rng)
        if matrix is None:
            return None
        size = image.shape[1::-1]
        other = cv2.warpAffine(self._image(source), matrix, size)
        mask = cv2.warpAffine(self._mask(source), matrix, size)
        if beneath:
            mask = mask * (1 - self._mask(crop))
        hidden = np.zeros(len(pose), bool) if beneath else _under(mask, pose)
        if hidden.mean() > _HIDDEN:
            return None
        there = _moved(self._poses[source], matrix)
        return Pasted(cv2.blendLinear(other, image, mask, 1 - mask), there, hidden)

    def _mask(self, crop: int) -> Mask:
        if crop not in self._masks:
            self._masks[crop] = body_mask(self._image(crop), self._poses[crop], self._limbs)
        return self._masks[crop]


def lone_animals(
    poses: Float[ndarray, "crops keypoints 2"],
    others: Sequence[Float[ndarray, "_ keypoints 2"]],
) -> Bool[ndarray, " crops"]:
    """Which animals are whole, and have no keypoint of another one within or near their body.

    Args:
        poses: (N, K, 2) px, NaN where not known.
        others: For each of them, those of the other animals on its image.
    """
    alone = np.isfinite(poses).all(axis=2).mean(axis=1) >= _WHOLE
    for number in np.flatnonzero(alone).tolist():
        margin = _AROUND * body_size(poses[number])
        low, high = np.nanmin(poses[number], axis=0), np.nanmax(poses[number], axis=0)
        near = (others[number] > low - margin) & (others[number] < high + margin)
        alone[number] = not near.all(axis=-1).any()
    return alone


def body_size(pose: Pose) -> float:
    """The side of a square as large as the box around the keypoints, at least half its length."""
    sides = np.nanmax(pose, axis=0) - np.nanmin(pose, axis=0)
    return float(max(math.sqrt(np.prod(sides)), 0.5 * sides.max(), 1.0))


def body_mask(image: Image, pose: Pose, limbs: Sequence[Limb]) -> Mask:
    """How much each pixel belongs to an animal, 0 to 1, the edge softened.

    Args:
        image: RGB.
        pose: (K, 2) px of the image, NaN where not known, but not everywhere.
        limbs: The animal probably is what lies between their ends.
    """
    places = pose[np.isfinite(pose).all(axis=1)].round().astype(np.int32)
    size = body_size(pose)
    hull = cv2.convexHull(places)
    body = np.full(image.shape[:2], cv2.GC_BGD, np.uint8)
    cv2.fillConvexPoly(body, hull, cv2.GC_PR_BGD)
    cv2.polylines(body, [hull], True, cv2.GC_PR_BGD, max(2, round(2 * _AROUND * size)))
    for limb in limbs:
        ends = pose[list(limb[:2])]
        if np.isfinite(ends).all():
            one, other = ends.round().astype(int).tolist()
            cv2.line(body, one, other, cv2.GC_PR_FGD, max(2, round(2 * _LIMB * size)))
    for place in places.tolist():
        cv2.circle(body, place, max(1, round(_LIMB * size / 2)), cv2.GC_FGD, -1)
    if (body == cv2.GC_BGD).any() and (body == cv2.GC_FGD).any():
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.setRNGSeed(0)
        cv2.grabCut(image, body, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    found = np.isin(body, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return cv2.GaussianBlur(found, (0, 0), _SOFT)


def _placed(source: Pose, target: Pose, rng: np.random.Generator) -> Float[ndarray, "2 3"] | None:
    """A map that turns one animal and puts it where a keypoint of it meets one of the other.

    None where their middles would be at one place however it was drawn.
    """
    size, middle = body_size(target), np.nanmean(target, axis=0)
    for _ in range(_TRIES):
        angle, scale = rng.uniform(0, 2 * np.pi), 1 + _SCALE * rng.uniform(-1, 1)
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        turn = np.array([[cos, -sin], [sin, cos]])
        meeting = _any_of(target, rng) + rng.normal(0, _NEAR * size, 2)
        shift = meeting - turn @ _any_of(source, rng)
        if np.linalg.norm(turn @ np.nanmean(source, axis=0) + shift - middle) > _APART * size:
            return np.column_stack([turn, shift])
    return None


def _any_of(pose: Pose, rng: np.random.Generator) -> Float[ndarray, " 2"]:
    known: Int[ndarray, " _known"] = np.flatnonzero(np.isfinite(pose).all(axis=1))
    place: Float[ndarray, " 2"] = pose[rng.choice(known)]
    return place


def _moved(pose: Pose, matrix: Float[ndarray, "2 3"]) -> Pose:
    moved: Pose = pose @ matrix[:, :2].T + matrix[:, 2]
    return moved


def _under(mask: Mask, pose: Pose) -> Bool[ndarray, " keypoints"]:
    """Which keypoints a mask covers."""
    height, width = mask.shape
    x, y = np.nan_to_num(pose, nan=-1).round().astype(int).T
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    covered: Bool[ndarray, " keypoints"] = np.zeros(len(pose), bool)
    covered[inside] = mask[y[inside], x[inside]] > 0.5
    return covered
