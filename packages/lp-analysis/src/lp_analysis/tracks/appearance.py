"""What animals look like: the colours of a video at places on their bodies.

The places are the keypoints, and points between pairs of them, so that each lies on the same part
of the body however that is turned and bent. A place near a keypoint of another animal may show that
one, and is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.errors import TrackingError
from lp_analysis.tracks.detections import limb_pairs
from lp_analysis.tracks.tables import check_trackable, skeleton_edges, usual_size
from lp_core.geometry import affine
from lp_core.poses import PoseTable, confidence_of
from lp_core.video import Frames, VideoSource

MOST_ROWS = 50_000
"""Rows whose appearance is kept."""

_BETWEEN = np.array([0.25, 0.5, 0.75])  # where on the line between two keypoints
_SPOT = np.array([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], dtype=np.float64)
_SPOT_RADIUS = 0.025  # body sizes
_COVERED = 0.1  # body sizes from a keypoint of another animal
_SURE = 0.2  # the least confidence of a keypoint that is believed
_LEAST_SEEN = 0.5  # share of the places
_FRAMES = 32  # that are read at once


class Appearance(NamedTuple):
    """What some rows of a table look like.

    Attributes:
        rows: (S,) their places in the table, in ascending order.
        vectors: (S, D) any vectors; NaN where unknown.
        stride: Of how many frames it is known of one.
    """

    rows: Int[ndarray, " seen"]
    vectors: Float[ndarray, "seen features"]
    stride: int = 1

    @classmethod
    def of_video(
        cls, source: VideoSource, table: PoseTable, most_rows: int = MOST_ROWS
    ) -> Appearance:
        """The colours of the rows of a table.

        Args:
            source: The video of the table; its frames may be read at another size.
            table: Rows of one view in frame px, with the numbers of their frames.
            most_rows: Rows whose appearance is kept, so that memory does not grow with the length
                of the video: of larger tables, it is known in every second frame, or third.

        Returns:
            Nothing of a table that never has two rows in a frame.

        Raises:
            TrackingError: The table is not of the video.
        """
        check_trackable(table)
        _check_of(source, table)
        points = _believed(table)
        pairs = limb_pairs(table.num_keypoints, skeleton_edges(table))
        size = usual_size(table) or 1.0
        stride = max(1, -(-len(table) // most_rows))
        parts = [
            (rows, _colours(frames, at, points[rows], pairs, size, source.size))
            for frames, at, rows in _read(source, table, stride)
        ]
        none = np.empty((0, 3 * _places(table.num_keypoints, pairs)), np.float32)
        rows = np.concatenate([np.empty(0, np.int64), *(rows for rows, _ in parts)])
        vectors = np.concatenate([none, *(vectors for _, vectors in parts)])
        seen = np.isfinite(vectors).mean(axis=1) >= _LEAST_SEEN
        order = np.argsort(rows[seen])
        return cls(rows[seen][order], vectors[seen][order], stride)

    def within(self, rows: Int[ndarray, " some"]) -> Appearance:
        """That of some rows of the table, which are in ascending order, by their places there."""
        place = np.searchsorted(rows, self.rows)
        known = place < len(rows)
        known[known] = rows[place[known]] == self.rows[known]
        return Appearance(place[known], self.vectors[known], self.stride)


def _check_of(source: VideoSource, table: PoseTable) -> None:
    """Refuse a table that is not of a video, as far as that can be told."""
    if table.view is not None and len(set(table.view)) > 1:
        raise TrackingError(
            "the table is of several cameras, and the video is of one",
            remedy="track the table of each camera with its own video",
        )
    last = max(map(int, table.frame), default=0)
    if last >= len(source):
        raise TrackingError(
            f"the table has a frame {last}, and the last one of the video is {len(source) - 1}",
            remedy="give the video that the predictions are of",
        )


def _believed(table: PoseTable) -> Float[ndarray, "rows keypoints 2"]:
    """Positions, NaN where the confidence is too low."""
    points = np.asarray(table.points, np.float64)
    return np.where((confidence_of(table) < _SURE)[..., None], np.nan, points)


def _read(
    source: VideoSource, table: PoseTable, stride: int
) -> Iterator[tuple[Frames, Int[ndarray, " _some"], Int[ndarray, " _some"]]]:
    """Frames in order with the rows of every ``stride``-th: frames, frame of each row, rows."""
    frame = np.array(table.frame, dtype=np.int64)
    rows = np.flatnonzero(table.has_position.any(axis=1))
    _, count = np.unique(frame[rows], return_counts=True)
    if count.max(initial=0) < 2:
        return
    rows = rows[frame[rows] % stride == 0]
    rows = rows[np.argsort(frame[rows], kind="stable")]
    for start in range(0, len(source), _FRAMES):
        stop = min(start + _FRAMES, len(source))
        low, high = np.searchsorted(frame[rows], [start, stop])
        if low < high:
            here = rows[low:high]
            yield source.read(start, stop), frame[here] - start, here


def _colours(
    frames: Frames,
    at: Int[ndarray, " rows"],
    points: Float[ndarray, "rows keypoints 2"],
    pairs: Int[ndarray, "2 limbs"],
    size: float,
    video: tuple[int, int],
) -> Float[ndarray, "rows features"]:
    """`spots` of frames that may be read at another size than (height, width) of the video."""
    read = (frames.shape[1], frames.shape[2])
    here = affine.resize_points(torch.from_numpy(points), video, read).numpy()
    return spots(frames, at, here, pairs, size * read[0] / video[0])


def _places(keypoints: int, pairs: Int[ndarray, "2 limbs"]) -> int:
    return keypoints + len(_BETWEEN) * pairs.shape[1]


def spots(
    frames: Frames,
    at: Int[ndarray, " rows"],
    points: Float[ndarray, "rows keypoints 2"],
    pairs: Int[ndarray, "2 limbs"],
    size: float,
) -> Float[ndarray, "rows features"]:
    """The mean colours of spots on bodies; NaN outside the image, or near another animal.

    Args:
        frames: RGB.
        at: The frame of each row, in ascending order.
        points: Keypoints in px of the frames, NaN where unknown; all rows of each frame.
        pairs: Keypoints between which there are spots, too.
        size: Of a body, px.
    """
    one, two = points[:, pairs[0], None], points[:, pairs[1], None]
    between = one + (two - one) * _BETWEEN[:, None]
    places = np.concatenate([points, between.reshape(len(points), -1, 2)], axis=1)
    places = np.where(_covered(places, points, at, _COVERED * size)[..., None], np.nan, places)
    pixels = places[:, :, None] + _SPOT_RADIUS * size * _SPOT
    inside = np.all((pixels > -0.5) & (pixels < [frames.shape[2] - 0.5, frames.shape[1] - 0.5]), -1)
    x, y = np.rint(np.where(inside[..., None], pixels, 0)).astype(np.int64).transpose(3, 0, 1, 2)
    colour = frames[at[:, None, None], y, x].mean(axis=2, dtype=np.float32)
    colour[~inside.all(axis=2)] = np.nan
    return colour.reshape(len(points), -1)


def _covered(
    places: Float[ndarray, "rows places 2"],
    points: Float[ndarray, "rows keypoints 2"],
    at: Int[ndarray, " rows"],
    radius: float,
) -> Bool[ndarray, "rows places"]:
    """Whether a keypoint of another animal of the same frame is near a place."""
    covered = np.zeros(places.shape[:2], bool)
    low, high = np.searchsorted(at, at), np.searchsorted(at, at, side="right")
    for step in range(1, int((high - low).max(initial=1))):
        one = np.arange(len(at))
        two = low + (one - low + step) % (high - low)
        one, two = one[two != one], two[two != one]
        near = _boxes_touch(points[one], points[two], radius)
        one, two = one[near], two[near]
        off = places[one][:, :, None] - points[two][:, None]
        hidden = (off * off).sum(axis=-1) < radius * radius
        covered[one] |= hidden.any(axis=2)
    return covered


def _boxes_touch(
    one: Float[ndarray, "pairs keypoints 2"], two: Float[ndarray, "pairs keypoints 2"], by: float
) -> Bool[ndarray, " pairs"]:
    """Whether boxes around poses overlap or are that near."""
    (low, high), (low2, high2) = (
        (
            np.where(np.isnan(pose), np.inf, pose).min(axis=1),
            np.where(np.isnan(pose), -np.inf, pose).max(axis=1),
        )
        for pose in (one, two)
    )
    return np.all((low - by < high2) & (low2 - by < high), axis=1)
