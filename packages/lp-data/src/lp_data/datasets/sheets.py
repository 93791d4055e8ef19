"""Contact sheets of what a dataset gives to the network, as it is and augmented."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray
from torch import Tensor

from lp_data.augmentation.drawing import Edge, Image, Keypoints, contact_sheet
from lp_data.augmentation.preview import HeatmapsOf, preview_clip, preview_images
from lp_data.datasets.clips import ClipDataset
from lp_data.datasets.labeled import LabeledDataset

CLIPS = 3
COLUMNS = 6
"""Frames shown of each clip."""

_BETWEEN = 16


def labelled_sheet(
    dataset: LabeledDataset,
    seed: int,
    *,
    heatmaps_of: HeatmapsOf | None = None,
    edges: Sequence[Edge] = (),
) -> Image:
    """All images of a dataset, or windows of frames, as they are and augmented.

    Args:
        dataset: With an augmenter.
        seed: Of the augmentation.
        heatmaps_of: See `preview_images`.
        edges: See `preview_images`.
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


def _samples(
    dataset: LabeledDataset,
) -> list[tuple[UInt8[ndarray, "frames height width 3"], Keypoints]]:
    """The windows of all rows, of one frame without context, and the keypoints in model px."""
    samples = [dataset[row] for row in range(len(dataset))]
    return [
        (
            _pixels(each["images"] if each["images"].ndim == 4 else each["images"][None]),
            each["keypoints"][0].double().numpy(),
        )
        for each in samples
    ]


def _pixels(
    frames: UInt8[Tensor, "frames 3 height width"],
) -> UInt8[ndarray, "frames height width 3"]:
    return frames.permute(0, 2, 3, 1).contiguous().numpy()
