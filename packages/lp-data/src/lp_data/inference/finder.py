"""Find the animals of frames, as places that another tracker then looks at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8
from numpy import ndarray

from lp_core.geometry import affine
from lp_core.poses.limbs import Limb
from lp_core.video import Frames
from lp_data.datasets.samples import channels_first
from lp_data.images import resize
from lp_data.inference.handler import PredictionHandler

Small = UInt8[ndarray, "predicted down across 3"]
"""Frames at the size that a detector sees."""


@dataclass(frozen=True)
class TopDownOptions:
    """What a model of several animals knows of them.

    Attributes:
        crop_size: (height, width) of the crops in frame px.
        body_length: Of the animals, in frame px.
        several: Whether a frame may show any number of animals; else it shows one.
        count: How many there are at most; None where that is not known.
        score_threshold: Score from which on a centroid is looked at, where there may be several.
        limbs: Those of labelled animals, in frame px; none where they are not known.
    """

    crop_size: tuple[int, int]
    body_length: float
    several: bool
    count: int | None
    score_threshold: float
    limbs: tuple[Limb, ...] = ()


class AnimalFinder:
    """Finds the centroids of the animals of frames.

    Args:
        handler: Runs the tracker that finds centroids.
        options: About the animals.
    """

    def __init__(self, handler: PredictionHandler, options: TopDownOptions) -> None:
        self.handler, self.options = handler, options

    def resized(self, frames: Frames) -> Small:
        """Frames at the size that the tracker sees."""
        return np.stack([resize(frame, self.handler.image_size) for frame in frames])

    def find(
        self, small: Small, frame_size: tuple[int, int]
    ) -> tuple[Int[ndarray, " animals"], Float[ndarray, "animals 2"], Float[ndarray, " animals"]]:
        """The frame, the centroid in frame px and the score of each animal.

        Args:
            small: What `resized` gives.
            frame_size: (height, width) in frame px.
        """
        to_frame = affine.resizing(self.handler.image_size, frame_size).float()
        found = self.handler.predict_images(
            list(channels_first(small)), to_frame.expand(len(small), 2, 3)
        )
        assert found.image is not None  # the tracker finds any number of animals
        assert found.scores is not None
        scores = found.scores.double().numpy()
        place, points = found.image.numpy(), found.keypoints[:, 0].double().numpy()
        if self.options.several:
            kept = np.flatnonzero(scores >= self.options.score_threshold)
        else:  # the peaks of a frame come in the order of their scores
            kept = np.unique(place, return_index=True)[1]
        return place[kept], points[kept], scores[kept]
