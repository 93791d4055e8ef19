"""Drawing keypoints and heatmaps on images, and images on a contact sheet.

All images here are (H, W, 3) RGB uint8, keypoints (K, 2) in px of the image that they belong to.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_data.augmentation.values import Number
from lp_data.errors import AugmentationError

Image = UInt8[ndarray, "_ _ 3"]
Keypoints = Float[ndarray, "_ 2"]
Edge = tuple[int, int]
GAP = 4
SUBPIXEL_BITS = 4
RED_TO_VIOLET = 0.85  # share of the circle of hues, so that the last colour differs from the first


def rainbow(count: int) -> list[list[int]]:
    """``count`` RGB colours, alike only for neighbours in the list."""
    hues = np.linspace(0, RED_TO_VIOLET, count, endpoint=False).tolist()
    return [[round(255 * value) for value in colorsys.hsv_to_rgb(hue, 1, 1)] for hue in hues]


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
