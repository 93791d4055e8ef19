"""What frames look like: small grey pictures, the features of a network, and how much moves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.metrics.suspicious import VideoMetrics
from lp_analysis.suggestion.choosing import Features, FeaturesOf
from lp_analysis.suggestion.evidence import MOTION
from lp_core.video import Frames, VideoSource
from lp_data.inference.handler import PredictionHandler
from lp_data.video.open import open_video

_SIDE = 32  # px of a small frame
_CHUNK = 32


def small_frames(frames: Frames) -> Features:
    """(N, 1024) grey levels of frames at 32×32 px."""
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    size = (_SIDE, _SIDE)
    small = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in grey]
    return np.stack(small).reshape(len(frames), -1).astype(np.float32)


def features_of_videos(
    videos: Sequence[Path], handler: PredictionHandler | None = None, *, reader: str = "auto"
) -> FeaturesOf:
    """What gives the features of frames of videos, some at a time.

    Args:
        videos: The videos.
        handler: Runs the tracker whose backbone's features, averaged over the image, are taken;
            small grey pictures are without one, and where it looks at several views together.
        reader: A registered video reader, or ``auto``.
    """
    if handler is not None and handler.tracker.views == "jointly":
        handler = None

    def features(video: int, frames: Sequence[int]) -> Features:
        size = None if handler is None else handler.read_size
        with open_video(videos[video], reader=reader, resize_to=size) as source:
            parts = [
                small_frames(some) if handler is None else handler.features(some).numpy()
                for some in _parts(source, frames)
            ]
        return np.concatenate(parts).astype(np.float64)

    return features


class Survey(NamedTuple):
    """What is known of videos that no model has predicted.

    Attributes:
        metrics: `MOTION` of the frames that were looked at, of each video.
        places: The frames of each video that were looked at.
        features: Small frames; those that were looked at are not read again.
    """

    metrics: list[VideoMetrics]
    places: list[list[int]]
    features: FeaturesOf


def survey_videos(videos: Sequence[Path], *, reader: str = "auto", most: int = 2000) -> Survey:
    """Look at frames of videos for how they look and how much moves.

    Memory does not grow with the length of the videos, nor does the time beyond ``most`` frames.

    Args:
        videos: The videos.
        reader: A registered video reader, or ``auto``.
        most: Frames of all videos together that are looked at, evenly spaced in each.

    Raises:
        VideoError: A video cannot be read.
    """
    metrics: list[VideoMetrics] = []
    looked_at: list[list[int]] = []
    known: list[dict[int, Float[ndarray, " pixels"]]] = []
    for video in videos:
        with open_video(video, reader=reader) as source:
            places = _evenly(len(source), max(1, most // len(videos)))
            small, motion = _looked_at(source, places)
            length = len(source)
        looked_at.append(places)
        known.append(dict(zip(places, small, strict=True)))
        confidence = np.zeros((len(places), 1))
        found = {MOTION: motion[:, None]}
        metrics.append(VideoMetrics((), found, length, 1.0, confidence, np.array(places)))
    read = features_of_videos(videos, reader=reader)

    def features(video: int, frames: Sequence[int]) -> Features:
        rest = [frame for frame in frames if frame not in known[video]]
        others = dict(zip(rest, read(video, rest) if rest else (), strict=True))
        looks = known[video] | others
        return np.stack([looks[frame] for frame in frames])

    return Survey(metrics, looked_at, features)


def _evenly(frames: int, most: int) -> list[int]:
    places = np.linspace(0, frames - 1, min(most, frames)).astype(int)
    return list(dict.fromkeys(places.tolist()))


def _looked_at(
    source: VideoSource, places: Sequence[int]
) -> tuple[Features, Float[ndarray, " frames"]]:
    """Small frames, and how much each differs from the one before it (the first: after it)."""
    small, motion = [], []
    for start in range(0, len(places), _CHUNK // 2):
        some = places[start : start + _CHUNK // 2]
        others = [abs(place - 1) if len(source) > 1 else place for place in some]
        looks = small_frames(source.read_indices([*some, *others]))
        change = looks[: len(some)] - looks[len(some) :]
        small.append(looks[: len(some)])
        motion.append(np.sqrt((change**2).mean(axis=1)))
    return np.concatenate(small), np.concatenate(motion)


def _parts(source: VideoSource, frames: Sequence[int]) -> Iterator[Frames]:
    """Frames at some places, a few at a time."""
    for start in range(0, len(frames), _CHUNK):
        yield source.read_indices(frames[start : start + _CHUNK])
