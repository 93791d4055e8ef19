"""Predict the images of a label table, and compare with the labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from torch.utils.data import DataLoader

from lp_core.poses import PoseTable
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.evaluation.metrics import pixel_error
from lp_pipeline.evaluation.summary import UNSPLIT
from lp_pipeline.prediction.handler import PredictionHandler


@dataclass(frozen=True)
class LabeledPrediction:
    """Predictions of labelled images beside the labels.

    Attributes:
        table: The labels, N images of K keypoints.
        keypoints: (N, K, 2) predicted, in frame px.
        confidences: (N, K) from 0 to 1.
        errors: (N, K) distances to the labels in frame px, NaN where there is no label.
        sets: N names of the split that each image belongs to.
        weights: The digest of the tracker's weights; None where it is not known.
    """

    table: PoseTable
    keypoints: Float[ndarray, "images keypoints 2"]
    confidences: Float[ndarray, "images keypoints"]
    errors: Float[ndarray, "images keypoints"]
    sets: tuple[str, ...]
    weights: str | None = None


def predict_labels(
    handler: PredictionHandler,
    table: PoseTable,
    data_dir: Path,
    *,
    sets: Sequence[str] | None = None,
    display: Display | None = None,
) -> LabeledPrediction:
    """Predict every image of a label table.

    Args:
        handler: Runs the tracker.
        table: The labels; their keypoints must include the tracker's.
        data_dir: The folder that the table's paths are relative to.
        sets: The split of each image; None for a table that was not trained on.
        display: Where to report to.

    Raises:
        DataError: An image is missing or no image, or the table lacks a keypoint of the tracker.
    """
    tracker = handler.tracker
    table = table.select_keypoints(tracker.options.keypoint_names)
    dataset = LabeledDataset(
        table, data_dir, handler.image_size, context_frames=tracker.context_frames
    )
    loader = DataLoader(dataset, batch_size=handler.chunk, collate_fn=collate)
    keypoints = np.full((*table.has_position.shape, 2), np.nan)
    confidences = np.zeros(table.has_position.shape)
    done = 0
    with (display or SilentDisplay()).task("labelled images", len(dataset)) as task:
        for batch in loader:
            found, rows = handler.predict_labeled(batch), batch["table_row"]
            keypoints[rows], confidences[rows] = (
                found.keypoints.double(),
                found.confidences.double(),
            )
            done += len(batch["images"])
            task.update(done)
    return LabeledPrediction(
        table=table,
        keypoints=keypoints,
        confidences=confidences,
        errors=pixel_error(table.points, keypoints),
        sets=tuple(sets) if sets is not None else (UNSPLIT,) * len(table),
        weights=handler.weights_digest,
    )


def mean_error(prediction: LabeledPrediction, sets: Sequence[str]) -> float:
    """Mean pixel error over the images of some splits, in frame px; NaN where there is none."""
    chosen = np.isin(np.array(prediction.sets), list(sets))
    errors = prediction.errors[chosen]
    return float(np.nanmean(errors)) if np.isfinite(errors).any() else float("nan")
