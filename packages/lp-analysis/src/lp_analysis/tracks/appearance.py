"""What animals look like: the colours of a video at places on their bodies.

The places are the keypoints, and points between pairs of them, so that each lies on the same part
of the body however that is turned and bent. A place near a keypoint of another animal may show that
one, and is left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from types import TracebackType
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.errors import TrackingError
from lp_analysis.tracks.detections import limb_pairs
from lp_analysis.tracks.linked_rows import LinkedRows
from lp_analysis.tracks.tables import check_trackable, usual_size
from lp_core.poses import PoseTable, Skeleton, confidence_of
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
            most_rows: See `AppearanceReader`.

        Raises:
            TrackingError: The table is not of the video.
        """
        check_trackable(table)
        _check_of(source, table)
        reader = AppearanceReader(source, table.skeleton, usual_size(table) or 1.0, most_rows)
        reader.read_again(LinkedRows.unlinked(table))
        return reader.of(table)

    def within(self, rows: Int[ndarray, " some"]) -> Appearance:
        """That of some rows of the table, which are in ascending order, by their places there."""
        place = np.searchsorted(rows, self.rows)
        known = place < len(rows)
        known[known] = rows[place[known]] == self.rows[known]
        return Appearance(place[known], self.vectors[known], self.stride)


class AppearanceReader:
    """Collects what rows look like, some frames at a time, as a video is predicted or afterwards.

    Args:
        source: The video.
        skeleton: Of the animals.
        body_size: Px.
        most_rows: Rows whose appearance is kept, so that memory does not grow with the length of
            the video: if there are more, it is kept of every second frame, then fourth.

    Attributes:
        video: The video, for what predicts it: its frames are kept until `add` is called.
    """

    def __init__(
        self,
        source: VideoSource,
        skeleton: Skeleton,
        body_size: float,
        most_rows: int = MOST_ROWS,
    ) -> None:
        self.video = WatchedVideo(source)
        self._skeleton = skeleton
        edges = np.array([skeleton.places(edge) for edge in skeleton.edges], dtype=np.int64)
        self._pairs = limb_pairs(len(skeleton), edges)
        self._size, self._most = body_size, most_rows
        self._stride = 1
        self._vectors: dict[bytes, tuple[int, Float[ndarray, " features"]]] = {}

    def add(self, numbers: range, found: LinkedRows) -> None:
        """Look at what was found in frames that were just read from `video`."""
        frames = self.video.taken(numbers)
        if frames is not None:
            self._look(frames, numbers.start, found)

    def read_again(self, found: LinkedRows) -> None:
        """Read the video for what was found in it before; as if `add` had been called then."""
        if not len(found.table):
            return
        stop = min(int(np.array(found.table.frame, dtype=np.int64).max()) + 1, len(self.video))
        frame = np.array(found.table.frame, dtype=np.int64)
        for start in range(0, stop, _FRAMES):
            end = min(start + _FRAMES, stop)
            here = np.flatnonzero((frame >= start) & (frame < end))
            if (frame[here] % self._stride == 0).any():
                part = LinkedRows(found.table.rows(here), found.link[here], found.seen[here])
                self._look(self.video.source.read(start, end), start, part)

    def _look(self, frames: Frames, start: int, found: LinkedRows) -> None:
        frame = np.array(found.table.frame, dtype=np.int64)
        kept = found.seen & (frame % self._stride == 0) & found.table.has_position.any(axis=1)
        rows = np.flatnonzero(kept)
        if not len(rows):
            return
        rows = rows[np.argsort(frame[rows], kind="stable")]
        table = found.table.rows(rows)
        points = _believed(table)
        vectors = _colours(
            frames, frame[rows] - start, points, self._pairs, self._size, self.video.size
        )
        enough = np.isfinite(vectors).mean(axis=1) >= _LEAST_SEEN
        for place, key in enumerate(_keys(table)):
            if enough[place]:
                self._vectors[key] = int(frame[rows[place]]), vectors[place]
        while len(self._vectors) > self._most:
            self._stride *= 2
            thinned = self._vectors.items()
            self._vectors = {key: seen for key, seen in thinned if seen[0] % self._stride == 0}

    def of(self, table: PoseTable) -> Appearance:
        """What the rows of a table look like that were looked at; others may be among them."""
        known = [(row, self._vectors.get(key)) for row, key in enumerate(_keys(table))]
        seen = [(row, found[1]) for row, found in known if found is not None]
        places = 3 * (len(self._skeleton) + len(_BETWEEN) * self._pairs.shape[1])
        rows = np.array([row for row, _ in seen], dtype=np.int64)
        vectors = np.array([vector for _, vector in seen], dtype=np.float32)
        return Appearance(rows, vectors.reshape(len(rows), places), self._stride)


class WatchedVideo:
    """A video whose frames are kept as they are read, until they are taken.

    Attributes:
        source: The video itself.
    """

    def __init__(self, source: VideoSource) -> None:
        self.source = source
        self._read: dict[int, Frames] = {}

    @property
    def fps(self) -> Fraction:
        """Of the video."""
        return self.source.fps

    @property
    def size(self) -> tuple[int, int]:
        """Of the video."""
        return self.source.size

    def __len__(self) -> int:
        """Of the video."""
        return len(self.source)

    def read(self, start: int, stop: int) -> Frames:
        """Frames, which are kept."""
        frames = self.source.read(start, stop)
        self._read[start] = frames
        return frames

    def read_indices(self, indices: Sequence[int]) -> Frames:
        """Frames, which are not kept."""
        return self.source.read_indices(indices)

    def chunks(self, size: int) -> Iterator[Frames]:
        """All frames, which are not kept."""
        return self.source.chunks(size)

    def taken(self, numbers: range) -> Frames | None:
        """Consecutive frames that were read, and forget those before; None if some were not."""
        parts, at = [], numbers.start
        for start in sorted(self._read):
            frames = self._read[start]
            if start <= at < start + len(frames):
                parts.append(frames[at - start : numbers.stop - start])
                at += len(parts[-1])
            if start + len(frames) <= numbers.stop:
                del self._read[start]
        if not parts or at != numbers.stop:
            return None
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def close(self) -> None:
        """Close the video."""
        self.source.close()

    def __enter__(self) -> WatchedVideo:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the video."""
        self.close()


def _check_of(source: VideoSource, table: PoseTable) -> None:
    """Refuse a table that is not of a video, as far as that can be told."""
    if table.view is not None and len(set(table.view)) > 1:
        raise TrackingError(
            "the table is of several cameras, and the video is of one",
            remedy="track the table of each camera with its own video",
        )
    last = int(np.array(table.frame, dtype=np.int64).max(initial=0))
    if last >= len(source):
        raise TrackingError(
            f"the table has a frame {last}, and the last one of the video is {len(source) - 1}",
            remedy="give the video that the predictions are of",
        )


def _keys(table: PoseTable) -> list[bytes]:
    """What tells each row from all others: its frame and its pose, rounded as files keep them."""
    points = np.ascontiguousarray(table.points, np.float32)
    frames = np.array(table.frame, dtype="<i8")
    return [
        hashlib.blake2b(frame.tobytes() + pose.tobytes(), digest_size=12).digest()
        for frame, pose in zip(frames, points, strict=True)
    ]


def _believed(table: PoseTable) -> Float[ndarray, "rows keypoints 2"]:
    """Positions, rounded as files keep them, NaN where the confidence is too low."""
    points = table.points.astype(np.float32).astype(np.float64)
    sure = confidence_of(table).astype(np.float32)
    return np.where((sure < _SURE)[..., None], np.nan, points)


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
    if read != video:
        import torch

        from lp_core.geometry import affine

        points = affine.resize_points(torch.from_numpy(points), video, read).numpy()
    return spots(frames, at, points, pairs, size * read[0] / video[0])


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
