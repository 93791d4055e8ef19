"""Errors of predicted keypoints, one number per frame and keypoint, all in frame px.

N rows (frames), K keypoints. A missing keypoint is NaN, and so is every number that depends on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from lp_analysis.errors import EvaluationError
from lp_core.errors import LossError
from lp_core.losses.contract import LearnsFromLabels, Loss, TrainingLabels

Keypoints = Float[ndarray, "rows keypoints 2"]
PerKeypoint = Float[ndarray, "rows keypoints"]


@runtime_checkable
class FrameMetric(Protocol):
    """A metric of consecutive frames; it is called once per chunk, in order of time."""

    def __call__(self, keypoints: Keypoints) -> PerKeypoint:
        """The metric in frame px for each row of a chunk of keypoints in frame px."""
        ...


@runtime_checkable
class PoseSpace(Protocol):
    """Poses that a tracker's principal components can express."""

    def reprojection_error(
        self, keypoints: Float[Tensor, "rows keypoints 2"]
    ) -> Float[Tensor, "rows keypoints"]:
        """Frame px from each keypoint to the nearest expressible pose; NaN if not part of it."""
        ...


def pixel_error(
    truth: Keypoints, predicted: Float[ndarray, "predicted_rows predicted_keypoints 2"]
) -> PerKeypoint:
    """Euclidean distance between true and predicted keypoints.

    Args:
        truth: (N, K, 2) frame px, NaN where unlabelled.
        predicted: (N, K, 2) frame px.

    Returns:
        (N, K) frame px, NaN where either is missing.

    Raises:
        EvaluationError: The two do not have the same frames and keypoints.
    """
    if truth.shape != predicted.shape:
        raise EvaluationError(
            f"{truth.shape[0]} frames with {truth.shape[1]} labelled keypoints cannot be compared "
            f"with {predicted.shape[0]} frames with {predicted.shape[1]} predicted keypoints",
            remedy="predict the same images with a tracker of the same keypoints",
        )
    return _length(predicted.astype(np.float64) - truth)


class TemporalNorm:
    """How far each keypoint moved since the frame before, in frame px.

    The first row is NaN, as are moves from or to a missing keypoint. A video may come in chunks:
    the last frame is remembered.
    """

    def __init__(self) -> None:
        self._last: Keypoints | None = None

    def __call__(self, keypoints: Keypoints) -> PerKeypoint:
        """The metric for the next chunk of the video."""
        if len(keypoints) == 0:
            return np.full(keypoints.shape[:2], np.nan)
        keypoints = keypoints.astype(np.float64)
        before = np.full_like(keypoints[:1], np.nan) if self._last is None else self._last
        self._last = keypoints[-1:].copy()
        return _length(np.diff(keypoints, axis=0, prepend=before))


class PoseSpaceError:
    """Distance of each keypoint from what a pose space can express, as a `FrameMetric`.

    Args:
        space: Fitted on labels in frame px.
    """

    def __init__(self, space: PoseSpace) -> None:
        self._space = space

    def __call__(self, keypoints: Keypoints) -> PerKeypoint:
        """(N, K) frame px for (N, K, 2) keypoints in frame px; NaN for keypoints outside."""
        import torch

        with torch.no_grad():
            errors = self._space.reprojection_error(torch.from_numpy(keypoints.astype(np.float32)))
        return errors.cpu().numpy().astype(np.float64)


@dataclass(frozen=True)
class PoseMetrics:
    """Metrics that were learned from labels.

    Attributes:
        metrics: By name, such as ``pca_singleview_error``.
        notes: Why one is missing, in a sentence each.
    """

    metrics: Mapping[str, PoseSpaceError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @classmethod
    def fitted(cls, losses: Mapping[str, Loss], labels: TrainingLabels) -> PoseMetrics:
        """What losses measure that learn a space of poses from labels in frame px.

        Args:
            losses: By name, such as ``pca_singleview``.
            labels: Those to learn from.

        Raises:
            EvaluationError: A loss learns no space of poses.
        """
        metrics, notes = {}, []
        for name, loss in losses.items():
            if not (isinstance(loss, PoseSpace) and isinstance(loss, LearnsFromLabels)):
                raise EvaluationError(f"what is registered as '{name}' measures no poses")
            try:
                loss.fit_labels(labels)
                metrics[f"{name}_error"] = PoseSpaceError(loss)
            except LossError as error:
                notes.append(f"no {name}_error.csv: {error.problem}")
        return cls(metrics, tuple(notes))


def _length(differences: Keypoints) -> PerKeypoint:
    return np.hypot(differences[..., 0], differences[..., 1])
