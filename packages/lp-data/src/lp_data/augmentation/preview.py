"""Previews of augmented images and clips with their keypoints, to be looked at.

All images here are (H, W, 3) RGB uint8, keypoints (K, 2) in px of the image that they belong to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_data.augmentation.drawing import (
    Edge,
    Image,
    Keypoints,
    contact_sheet,
    draw_keypoints,
    overlay_heatmaps,
)
from lp_data.augmentation.effect import Augmenter

HeatmapsOf = Callable[[Keypoints, tuple[int, int]], Float[ndarray, "keypoints cells_y cells_x"]]
"""Gives heatmaps for keypoints in an image of (height, width)."""


def preview_images(
    samples: Sequence[tuple[Image, Keypoints]],
    augmenter: Augmenter,
    rng: np.random.Generator,
    *,
    copies: int = 4,
    heatmaps_of: HeatmapsOf | None = None,
    edges: Sequence[Edge] = (),
) -> Image:
    """A sheet with one row for each image: as it is, then augmented ``copies`` times.

    Args:
        samples: Images and their keypoints, model px.
        augmenter: What training does to them.
        rng: The only source of randomness.
        copies: Augmented versions of each image.
        heatmaps_of: Gives the targets of augmented keypoints; they are laid over the image.
        edges: Pairs of keypoints, counted from 0, to join by a line.
    """
    rows = []
    for image, keypoints in samples:
        tiles = [_labelled(image, keypoints, heatmaps_of, edges)]
        for _ in range(copies):
            result = augmenter(image[None], keypoints, rng)
            tiles.append(_labelled(result.images[0], result.keypoints, heatmaps_of, edges))
        rows.append(tiles)
    return contact_sheet(rows)


def preview_clip(
    frames: UInt8[ndarray, "frames height width 3"],
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
        heatmaps_of: Gives the targets of the keypoints; they are laid over the frame in the middle.
        edges: Pairs of keypoints, counted from 0, to join by a line there.
    """
    points = np.empty((0, 2)) if keypoints is None else keypoints
    chosen = np.unique(np.linspace(0, len(frames) - 1, columns).round().astype(int))
    middle = len(frames) // 2
    if keypoints is not None:
        chosen = np.unique(np.append(chosen, middle))
    versions = [(frames, points)]
    for _ in range(copies):
        result = augmenter(frames, points, rng)
        versions.append((result.images, result.keypoints))
    return contact_sheet(
        [
            [
                _labelled(images[i], moved, heatmaps_of, edges) if i == middle else images[i]
                for i in chosen
            ]
            for images, moved in versions
        ]
    )


def _labelled(
    image: Image, keypoints: Keypoints, heatmaps_of: HeatmapsOf | None, edges: Sequence[Edge]
) -> Image:
    """An image with its keypoints and, if they are given, its heatmaps."""
    if heatmaps_of is not None and len(keypoints):
        image = overlay_heatmaps(image, heatmaps_of(keypoints, image.shape[:2]))
    return draw_keypoints(image, keypoints, edges=edges if len(keypoints) else ())
