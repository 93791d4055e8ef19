"""Contact sheets of what training does to images and clips, to be looked at.

All images here are (H, W, 3) RGB uint8, keypoints (K, 2) in px of the image that they belong to.
"""

from __future__ import annotations

import colorsys
import copy
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from lp_core.geometry.targets import heatmap_targets
from lp_data.augmentation.effect import Augmenter
from lp_data.augmentation.values import Number
from lp_data.datasets.clips import ClipDataset
from lp_data.datasets.labeled import LabeledDataset
from lp_data.errors import AugmentationError

CLIPS = 3
COLUMNS = 6
"""Frames shown of each clip."""

_DRAWS = 4  # augmented versions of each image
_BETWEEN = 16

Image = UInt8[ndarray, "_ _ 3"]
Keypoints = Float[ndarray, "_ 2"]
Edge = tuple[int, int]
GAP = 4
SUBPIXEL_BITS = 4
RED_TO_VIOLET = 0.85  # share of the circle of hues, so that the last colour differs from the first
Frames = UInt8[ndarray, "frames height width 3"]
HeatmapsOf = Callable[[Keypoints, tuple[int, int]], Float[ndarray, "keypoints cells_y cells_x"]]
"""Gives heatmaps for keypoints in an image of (height, width)."""


def labelled_sheet(dataset: LabeledDataset, seed: int, *, cell: int | None = None) -> Image:
    """All images of a dataset with an augmenter, or windows of frames, as they are and augmented.

    Its skeleton is drawn and, where the size in model px of their cells is given, target heatmaps.
    """
    rng, augmenter = np.random.default_rng(seed), dataset.augmenter
    assert augmenter is not None
    heatmaps_of = None if cell is None else partial(_targets, cell)
    skeleton = dataset.table.skeleton
    edges = [(first, second) for first, second in map(skeleton.places, skeleton.edges)]
    samples = _samples(dataset.without_augmentation())
    if dataset.context_frames == 1:
        drawn = [samples, *(_samples(dataset, draw) for draw in range(_DRAWS))]
        return contact_sheet(
            [
                [_labelled(window[0], points, heatmaps_of, edges) for window, points in versions]
                for versions in zip(*drawn, strict=True)
            ]
        )
    sheets = [
        preview_clip(
            window, augmenter, rng, keypoints=points, copies=2, heatmaps_of=heatmaps_of, edges=edges
        )
        for window, points in samples
    ]
    return contact_sheet([[sheet] for sheet in sheets], gap=_BETWEEN)


def _targets(
    cell: int, keypoints: Keypoints, size: tuple[int, int]
) -> Float[ndarray, "keypoints cells_y cells_x"]:
    points = torch.from_numpy(keypoints)[None].float()
    return heatmap_targets(points, size, (size[0] // cell, size[1] // cell))[0].numpy()


def clip_sheet(clips: ClipDataset, seed: int) -> Image:
    """The first clips, as they are and augmented with ``seed``."""
    augmenter = clips.augmenter
    assert augmenter is not None
    plain = copy.copy(clips)
    plain.augmenter = None
    rng = np.random.default_rng(seed)
    sheets = [
        preview_clip(_pixels(plain[number]["frames"]), augmenter, rng, copies=2, columns=COLUMNS)
        for number in range(CLIPS)
    ]
    return contact_sheet([[sheet] for sheet in sheets], gap=_BETWEEN)


def preview_clip(
    frames: Frames,
    augmenter: Augmenter,
    rng: np.random.Generator,
    *,
    keypoints: Keypoints | None = None,
    copies: int = 3,
    columns: int = 8,
    heatmaps_of: HeatmapsOf | None = None,
    edges: Sequence[Edge] = (),
) -> Image:
    """A sheet of a clip or context window: as it is, then augmented, one row each.

    Args:
        frames: (F, H, W, 3) consecutive frames, model px.
        augmenter: What training does to them.
        rng: The only source of randomness.
        keypoints: (K, 2) of the frame in the middle, where it is labelled.
        copies: Augmented versions.
        columns: Frames shown, evenly spread over the clip.
        heatmaps_of: Gives the targets of augmented keypoints, which are laid over that frame.
        edges: Pairs of keypoints, counted from 0, to join by a line on that frame.
    """
    points = np.empty((0, 2)) if keypoints is None else keypoints
    chosen = np.unique(np.linspace(0, len(frames) - 1, columns).round().astype(int))
    middle = len(frames) // 2
    if keypoints is not None:
        chosen = np.unique(np.append(chosen, middle))
    return contact_sheet(
        [
            [
                _labelled(images[i], moved, heatmaps_of, edges) if i == middle else images[i]
                for i in chosen
            ]
            for images, moved in _versions(frames, points, augmenter, rng, copies)
        ]
    )


def _versions(
    frames: Frames, points: Keypoints, augmenter: Augmenter, rng: np.random.Generator, copies: int
) -> list[tuple[Frames, Keypoints]]:
    """Frames and their keypoints as they are, and then augmented ``copies`` times."""
    augmented = [augmenter(frames, points, rng) for _ in range(copies)]
    return [(frames, points), *((each.images, each.keypoints) for each in augmented)]


def _labelled(
    image: Image, keypoints: Keypoints, heatmaps_of: HeatmapsOf | None, edges: Sequence[Edge]
) -> Image:
    """An image with its keypoints and, if they are given, its heatmaps."""
    if heatmaps_of is not None and len(keypoints):
        image = overlay_heatmaps(image, heatmaps_of(keypoints, image.shape[:2]))
    return draw_keypoints(image, keypoints, edges=edges if len(keypoints) else ())


def _samples(dataset: LabeledDataset, draw: int = 0) -> list[tuple[Frames, Keypoints]]:
    """The windows of all rows, of one frame without context, and the keypoints in model px."""
    samples = [dataset[draw * len(dataset) + row] for row in range(len(dataset))]
    return [
        (
            _pixels(each["images"] if each["images"].ndim == 4 else each["images"][None]),
            each["keypoints"][0].double().numpy(),
        )
        for each in samples
    ]


def _pixels(frames: UInt8[Tensor, "frames 3 height width"]) -> Frames:
    return frames.permute(0, 2, 3, 1).contiguous().numpy()


def draw_keypoints(
    image: Image, keypoints: Keypoints, radius: Number | None = None, edges: Sequence[Edge] = ()
) -> Image:
    """A copy of the image with a circle at each keypoint (K, 2) that is not NaN, in a colour each.

    Args:
        image: (H, W, 3).
        keypoints: In px of the image.
        radius: px; by default a hundredth of the longer side, at least 2.
        edges: Pairs of keypoints, counted from 0, to join by a line.
    """
    drawn = image.copy()
    size = max(2.0, max(image.shape[:2]) / 100) if radius is None else radius
    scale = 1 << SUBPIXEL_BITS
    for edge in edges:
        ends = keypoints[list(edge)]
        if np.isfinite(ends).all():
            start, end = (np.rint(ends * scale)).astype(int).tolist()
            cv2.line(drawn, start, end, (255, 255, 255), 1, cv2.LINE_AA, SUBPIXEL_BITS)
    for point, colour in zip(keypoints, rainbow(len(keypoints)), strict=True):
        if np.isfinite(point).all():
            x, y = (round(float(value) * scale) for value in point)
            for value, thickness in (((0, 0, 0), 3), (colour, 1)):
                cv2.circle(
                    drawn, (x, y), round(size * scale), value, thickness, cv2.LINE_AA, SUBPIXEL_BITS
                )
    return drawn


def overlay_heatmaps(
    image: Image, heatmaps: Float[ndarray, "keypoints cells_y cells_x"], opacity: Number = 0.6
) -> Image:
    """The image under its heatmaps (K, h, w), each in the colour of its keypoint.

    They are stretched over the image (H, W, 3), and hide it by ``opacity``, 0 to 1, at their peaks.
    """
    size = (image.shape[1], image.shape[0])
    shown = image.astype(np.float32)
    for heatmap, colour in zip(heatmaps, rainbow(len(heatmaps)), strict=True):
        peak = float(heatmap.max())
        if peak > 0:
            weights = cv2.resize((heatmap * (opacity / peak)).astype(np.float32), size)[..., None]
            shown = shown * (1 - weights) + np.array(colour, np.float32) * weights
    return np.rint(shown).clip(0, 255).astype(np.uint8)


def contact_sheet(rows: Sequence[Sequence[Image]], gap: int = GAP) -> Image:
    """Images in rows, each cell as large as the largest image and ``gap`` px apart, on white.

    Raises:
        AugmentationError: There is no image.
    """
    tiles = [image for row in rows for image in row]
    if not tiles:
        raise AugmentationError("there is nothing to show", remedy="give at least one image")
    height, width = (max(image.shape[axis] for image in tiles) for axis in (0, 1))
    columns = max(len(row) for row in rows)
    size = (len(rows) * (height + gap) - gap, columns * (width + gap) - gap)
    sheet = np.full((*size, 3), 255, np.uint8)
    for row, images in enumerate(rows):
        for column, image in enumerate(images):
            top, left = row * (height + gap), column * (width + gap)
            sheet[top : top + image.shape[0], left : left + image.shape[1]] = image
    return sheet


def rainbow(count: int) -> list[list[int]]:
    """``count`` RGB colours, alike only for neighbours in the list."""
    hues = np.linspace(0, RED_TO_VIOLET, count, endpoint=False).tolist()
    return [[round(255 * value) for value in colorsys.hsv_to_rgb(hue, 1, 1)] for hue in hues]
