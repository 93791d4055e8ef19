"""Follow centroids through a few frames, so that crops can go with the animals."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.tracks.online import OnlineTracker
from lp_analysis.tracks.options import TrackingOptions

_LEAST_SEEN = 0.8
"""Share of the frames in which an animal has to be found."""


def follow_centroids(
    frames: Sequence[Float[ndarray, "_ 2"]], body_length: float
) -> list[Float[ndarray, "frames 2"]]:
    """The places of each animal that is followed through nearly all of some consecutive frames.

    In frames in which it was not found, it is taken to be on the line between its places before and
    after, which is good enough for a crop.

    Args:
        frames: For each frame the centroids that were found in it, in frame px.
        body_length: Of the animals, in frame px.

    Returns:
        For each animal its place in every frame, in frame px.
    """
    tracker = OnlineTracker(1, options=TrackingOptions(body_size=body_length))
    seen: dict[int, dict[int, Float[ndarray, " 2"]]] = {}
    for number, points in enumerate(frames):
        for track, point in zip(tracker.step(points[:, None]).track.tolist(), points, strict=True):
            seen.setdefault(track, {})[number] = point
    return [
        _filled(places, len(frames))
        for track, places in seen.items()
        if track >= 0 and len(places) >= _LEAST_SEEN * len(frames)
    ]


def _filled(places: dict[int, Float[ndarray, " 2"]], frames: int) -> Float[ndarray, "frames 2"]:
    """One place for each frame, in a straight line between those that are known."""
    known = np.array([*places.values()])
    numbers = np.arange(frames)
    return np.stack([np.interp(numbers, [*places], axis) for axis in known.T], axis=1)
