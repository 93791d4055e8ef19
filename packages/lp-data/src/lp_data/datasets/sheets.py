"""Contact sheets of what training does to images and clips, to be looked at.

All images here are (H, W, 3) RGB uint8, keypoints (K, 2) in px of the image that they belong to.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from lp_data.augmentation.drawing import (
    Edge,
    Image,
    Keypoints,
    contact_sheet,
    draw_keypoints,
    overlay_heatmaps,
)
from lp_data.augmentation.effect import Augmenter
from lp_data.datasets.clips import ClipDataset
from lp_data.datasets.labeled import LabeledDataset

CLIPS = 3
COLUMNS = 6
"""Frames shown of each clip."""

_BETWEEN = 16

Frames = UInt8[ndarray, "frames height width 3"]
HeatmapsOf = Callable[[Keypoints, tuple[int, int]], Float[ndarray, "keypoints cells_y cells_x"]]
"""Gives heatmaps for keypoints in an image of (height, width)."""


def labelled_sheet(
    dataset: LabeledDataset,
    seed: int,
    *,
    heatmaps_of: HeatmapsOf | None = None,
    edges: Sequence[Edge] = (),
) -> Image:
    """All images of a dataset with an augmenter, or windows of frames, as they are and augmented.

    See `preview_images` for the rest.
    """
    rng, augmenter = np.random.default_rng(seed), dataset.augmenter
    assert augmenter is not None
    samples = _samples(dataset.without_augmentation())
    if dataset.context_frames == 1:
        images = [(window[0], keypoints) for window, keypoints in samples]
        return preview_images(images, augmenter, rng, heatmaps_of=heatmaps_of, edges=edges)
    sheets = [
        preview_clip(
            window, augmenter, rng, keypoints=points, copies=2, heatmaps_of=heatmaps_of, edges=edges
        )
        for window, points in samples
    ]
    return contact_sheet([[sheet] for sheet in sheets], gap=_BETWEEN)


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
        heatmaps_of: Gives the targets of augmented keypoints, which are laid over the image.
        edges: Pairs of keypoints, counted from 0, to join by a line.
    """
    return contact_sheet(
        [
            [
                _labelled(frames[0], moved, heatmaps_of, edges)
                for frames, moved in _versions(image[None], points, augmenter, rng, copies)
            ]
            for image, points in samples
        ]
    )


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
        augmenter: As for `preview_images`; so all others.
        rng: The only source of randomness.
        keypoints: (K, 2) of the frame in the middle, where it is labelled.
        copies: Augmented versions.
        columns: Frames shown, evenly spread over the clip.
        heatmaps_of: For the frame in the middle.
        edges: For the frame in the middle.
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


def _samples(dataset: LabeledDataset) -> list[tuple[Frames, Keypoints]]:
    """The windows of all rows, of one frame without context, and the keypoints in model px."""
    samples = [dataset[row] for row in range(len(dataset))]
    return [
        (
            _pixels(each["images"] if each["images"].ndim == 4 else each["images"][None]),
            each["keypoints"][0].double().numpy(),
        )
        for each in samples
    ]


def _pixels(frames: UInt8[Tensor, "frames 3 height width"]) -> Frames:
    return frames.permute(0, 2, 3, 1).contiguous().numpy()
