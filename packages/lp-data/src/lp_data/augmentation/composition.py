"""Several effects as one augmentation: one resampling, then the changes of colour.

All affine effects are one matrix A, model px before to after. All warping effects are one field d
of shifts: the pixel at q shows what A sends to q + d(q), so it is read at A⁻¹(q + d(q)). Keypoints
move likewise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, Float32, Int, UInt8
from numpy import ndarray

from lp_core.geometry import affine
from lp_data.augmentation.effect import (
    AffineEffect,
    Augmented,
    Effect,
    Frames,
    PhotometricEffect,
    ShiftField,
    WarpEffect,
    as_rgb,
    each_frame,
    without_copies,
)
from lp_data.images import on_image

TOLERANCE = 5e-3
"""px between two rounds at which a keypoint's place counts as found."""

ROUNDS = 30


@dataclass(frozen=True, eq=False)
class Composition:
    """The augmenter of a sequence of effects.

    Each effect happens with its own probability, independently. Those that move pixels act first,
    all affine ones as one map in the order given, then the sum of all warps, in one resampling;
    then those that change colours, in the order given. In a mirror image, keypoint
    ``permutation[k]`` (K,) takes the place of keypoint k; it is None where no effect mirrors.
    """

    effects: tuple[Effect, ...] = ()
    permutation: Int[ndarray, " keypoints"] | None = None

    @property
    def mirrors(self) -> bool:
        """Whether an effect may make a mirror image."""
        return any(effect.mirrors for effect in self.effects)

    def __call__(
        self,
        images: UInt8[ndarray, "frames height width 3"],
        keypoints: Float[ndarray, "*rows keypoints 2"],
        rng: np.random.Generator,
    ) -> Augmented:
        """Augment frames: see `lp_data.augmentation.effect.Augmenter`.

        A keypoint that left the image is NaN. The matrix leaves out warps, which move nothing far.
        """
        size = (images.shape[1], images.shape[2])
        chances = rng.random(len(self.effects)).tolist()
        happening = [e for e, c in zip(self.effects, chances, strict=True) if c < e.probability]
        geometry = _draw_geometry(happening, size, rng)
        if not happening:
            return Augmented(images, keypoints, geometry.matrix)
        frames = without_copies(images)
        if geometry.moves():
            frames = resample(frames, geometry)
            keypoints = move_keypoints(keypoints, geometry, size)
        for effect in happening:
            if isinstance(effect, PhotometricEffect):
                frames = effect.apply(frames, rng)
        mirrored = sum(effect.mirrors for effect in happening) % 2  # two flips mirror nothing
        permutation = self.permutation if mirrored else None
        if permutation is not None and keypoints.shape[-2]:
            keypoints = keypoints[..., permutation, :]
        return Augmented(as_rgb(frames), keypoints, geometry.matrix, permutation)

    def geometric(self) -> Composition:
        """The same augmenter without the effects that change colours."""
        kept = tuple(e for e in self.effects if not isinstance(e, PhotometricEffect))
        return replace(self, effects=kept)


def _draw_geometry(
    happening: Sequence[Effect], size: tuple[int, int], rng: np.random.Generator
) -> Geometry:
    """Draw all maps and fields."""
    matrices = [e.matrix(size, rng) for e in happening if isinstance(e, AffineEffect)]
    fields = [e.field(size, rng) for e in happening if isinstance(e, WarpEffect)]
    matrix = affine.compose(*matrices) if matrices else affine.identity()
    return Geometry(matrix.numpy(), sum_of_fields(fields, size))


class Geometry(NamedTuple):
    """Where everything goes: all affine effects as one map, and all warps as one field, if any."""

    matrix: Float[ndarray, "2 3"]
    field: ShiftField | None

    def moves(self) -> bool:
        """Whether anything goes anywhere."""
        return self.field is not None or not np.array_equal(self.matrix, np.eye(2, 3))


def sum_of_fields(fields: Sequence[ShiftField], size: tuple[int, int]) -> ShiftField | None:
    """One field of the shifts of all; None where there is none."""
    if len(fields) < 2:
        return fields[0] if fields else None
    total = np.zeros((*size, 2), np.float32)
    for field in fields:
        total += _at_pixels(_padded_shifts(field), field.step, size)
    return ShiftField(total)


def resample(images: Frames, geometry: Geometry) -> Frames:
    """Move the pixels of frames (F, H, W, C) by bilinear interpolation; beyond them is black."""
    move = _mover(geometry, (images.shape[1], images.shape[2]))
    if images.shape[-1] == 1:
        return each_frame(images, move)

    def move_rgb(frame: ndarray) -> ndarray:
        # OpenCV moves four channels in half the time of three
        moved = move(cv2.cvtColor(frame, cv2.COLOR_RGB2RGBA))
        return np.asarray(cv2.cvtColor(moved, cv2.COLOR_RGBA2RGB))

    return each_frame(images, move_rgb)


def _mover(geometry: Geometry, size: tuple[int, int]) -> Callable[[ndarray], ndarray]:
    """A function that moves the pixels of one frame."""
    matrix, field = geometry
    if field is None:
        return lambda frame: np.asarray(cv2.warpAffine(frame, matrix, size[::-1]))
    # affine maps and bilinear interpolation commute, so the nodes are mapped and not the pixels
    places = _padded_nodes(field) + _padded_shifts(field)
    inverse = cv2.invertAffineTransform(matrix)  # as warpAffine does
    sources = _at_pixels(cv2.transform(places, inverse), field.step, size)
    return lambda frame: np.asarray(cv2.remap(frame, sources, None, cv2.INTER_LINEAR))


def _padded_shifts(field: ShiftField) -> Float32[ndarray, "rows columns 2"]:
    """The shifts with one more node on every side."""
    return np.asarray(cv2.copyMakeBorder(field.shifts, 1, 1, 1, 1, cv2.BORDER_REPLICATE))


def _padded_nodes(field: ShiftField) -> Float32[ndarray, "rows columns 2"]:
    """(x, y) of the nodes and of one more on every side, px."""
    rows, columns = field.shifts.shape[:2]
    nodes = np.empty((rows + 2, columns + 2, 2), np.float32)
    nodes[..., 0] = (np.arange(-1, columns + 1) + 0.5) * field.step - 0.5
    nodes[..., 1] = ((np.arange(-1, rows + 1) + 0.5) * field.step - 0.5)[:, None]
    return nodes


def _at_pixels(
    padded: Float32[ndarray, "rows columns 2"], step: int, size: tuple[int, int]
) -> Float32[ndarray, "height width 2"]:
    """Values at padded nodes, interpolated at the pixels of frames of ``size`` (height, width)."""
    rows, columns = padded.shape[:2]
    large = cv2.resize(padded, (columns * step, rows * step), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large[step : step + size[0], step : step + size[1]])


def move_keypoints(
    keypoints: Float[ndarray, "*rows keypoints 2"], geometry: Geometry, size: tuple[int, int]
) -> Float[ndarray, "*rows keypoints 2"]:
    """Move keypoints (..., K, 2) in model px exactly as `resample` moves the pixels.

    Args:
        keypoints: NaN where missing.
        geometry: Where they go.
        size: (height, width) of the frames.

    Returns:
        Of the type that came in; NaN also where a point left the image, or where a field folds the
        image so that a point is in no one place.
    """
    points = torch.from_numpy(keypoints.astype(np.float64))
    moved = affine.transform(points, torch.from_numpy(geometry.matrix)).numpy()
    if geometry.field is not None:
        moved = _undo_shift(moved, geometry.field)
    moved[~on_image(moved, size)] = np.nan
    return moved.astype(keypoints.dtype)


def _undo_shift(
    targets: Float[ndarray, "*rows keypoints 2"], field: ShiftField
) -> Float[ndarray, "*rows keypoints 2"]:
    """Solve q + d(q) = target for q by fixed-point iteration; NaN where it does not settle."""
    result = np.full_like(targets, np.nan)
    known = np.isfinite(targets).all(axis=-1)
    goal = place = targets[known]
    change = np.zeros(len(goal))
    for _ in range(ROUNDS if len(goal) else 0):
        previous, place = place, goal - _read_field(field, place)
        change = np.abs(place - previous).max(axis=-1)
        if change.max() < TOLERANCE:
            break
    result[known] = np.where((change < TOLERANCE)[:, None], place, np.nan)
    return result


def _read_field(
    field: ShiftField, places: Float[ndarray, "points 2"]
) -> Float[ndarray, "points 2"]:
    """The field at ``places`` in px, bilinear."""
    last = np.array(field.shifts.shape[1::-1]) - 1
    nodes = ((places + 0.5) / field.step - 0.5).clip(0, last)
    corner = nodes.astype(np.intp)
    left, top = corner.T
    right, bottom = np.minimum(corner + 1, last).T
    across, down = (nodes - corner).T[..., None]
    upper = field.shifts[top, left] * (1 - across) + field.shifts[top, right] * across
    lower = field.shifts[bottom, left] * (1 - across) + field.shifts[bottom, right] * across
    return np.asarray(upper * (1 - down) + lower * down)
