"""Predict the images of a label table, and compare with the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader

from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.summary import UNSPLIT
from lp_analysis.prediction.animals import AnimalPredictor
from lp_analysis.prediction.whole_frames import WholeFramePredictor
from lp_core.batches import Prediction
from lp_core.display import SILENT, Display
from lp_core.errors import TrackerError
from lp_core.poses import PoseTable
from lp_core.regions import RegionSource, collect_rows, ownership
from lp_data.datasets.joint import JointDataset, dataset_class
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_data.inference.handler import PredictionHandler
from lp_data.sessions import ViewNames


def predict_labels(
    handler: PredictionHandler,
    table: PoseTable,
    data_dir: Path,
    *,
    regions: RegionSource | None = None,
    sets: Sequence[str] | None = None,
    animals: AnimalPredictor | None = None,
    views: ViewNames | None = None,
    display: Display = SILENT,
) -> LabeledPrediction:
    """Predict every image of a label table, whose keypoints must include the tracker's.

    Args:
        handler: Runs the tracker.
        table: The labels.
        data_dir: The folder that the table's paths are relative to.
        regions: On which parts of each image the tracker looks; None for the whole.
        sets: The split of each image; None for a table that was not trained on.
        animals: What finds the animals of whole frames, where the tracker does. Each labelled
            animal then has the positions of the one that was found there, if any was.
        views: The views of the project, where the table has rows of several cameras.
        display: Where to report to.

    Raises:
        TrackerError: The tracker finds any number of animals, and ``animals`` is not given; or it
            looks at views jointly, and the table does not say its views.
        DataError: An image is missing or no image, or the table lacks a keypoint of the tracker.
    """
    whole = animals if isinstance(animals, WholeFramePredictor) else None
    if whole is None:
        handler.check_finds_one()
    table = table.select_keypoints(handler.tracker.options.keypoint_names)
    dataset = _dataset(handler, table, data_dir, regions, views)
    joint = isinstance(dataset, JointDataset)
    together = len(views or ()) if joint else 1
    size = max(1, handler.chunk // together)
    loader = DataLoader(dataset, batch_size=size, collate_fn=collate)
    parts: list[Prediction] = []
    rows: list[int] = []
    with display.task("labelled images", len(dataset)) as update:
        for batch in loader:
            found = whole.of_labels(batch, table) if whole else handler.predict_labeled(batch)
            parts.append(found)
            rows += batch["table_row"].tolist()
            update(min(len(rows) // together, len(dataset)))
    keypoints = torch.full((*table.points.shape[:2], 2), torch.nan, dtype=torch.float64)
    confidences = torch.full(table.points.shape[:2], torch.nan, dtype=torch.float64)
    predicted, covariance = Prediction.joined(parts), None
    if joint:  # without the rows of absent images
        known = [place for place, row in enumerate(rows) if row >= 0]
        rows = [rows[place] for place in known]
        predicted = predicted.rows(torch.tensor(known))
    if whole:
        keypoints[rows], confidences[rows] = predicted
        _say_how_many(predicted, display)
    else:
        known = sorted(set(rows))  # a row without a position may have no region
        owned = ownership(dataset.regions, table.keypoint_names)
        places, sure = [known.index(row) for row in rows], predicted.confidences.double()
        keypoints[known], confidences[known] = collect_rows(
            predicted.keypoints.double(), sure, owned, places, len(known)
        )
        if predicted.covariance is not None:
            covariance = np.full((*table.points.shape[:2], 2, 2), np.nan)
            stated = predicted.covariance.double().flatten(2)
            entries, _ = collect_rows(stated, sure, owned, places, len(known))
            covariance[known] = entries.unflatten(2, (2, 2)).numpy()
    sets = (UNSPLIT,) * len(table) if sets is None else sets
    values, digest = (keypoints.numpy(), confidences.numpy()), handler.weights_digest
    return LabeledPrediction.of(table, *values, sets, digest, covariance)


def _dataset(
    handler: PredictionHandler,
    table: PoseTable,
    data_dir: Path,
    regions: RegionSource | None,
    views: ViewNames | None,
) -> LabeledDataset:
    """The images as the tracker looks at them."""
    tracker = handler.tracker
    kind = dataset_class(tracker)
    if kind is JointDataset and (table.view is None or views is None):
        raise TrackerError(
            f"{type(tracker).__name__} looks at several views of a frame together",
            remedy="give the label files of the views together",
        )
    return kind(
        table,
        data_dir,
        handler.image_size,
        views=None if table.view is None else views,
        regions=regions,
        instances=tracker.instances,
        context_frames=tracker.context_frames,
    )


def _say_how_many(predicted: Prediction, display: Display) -> None:
    """Say how many of the labelled animals were found, since errors are those of these alone."""
    found = int(predicted.keypoints.isfinite().flatten(1).any(dim=1).sum())
    display.message(
        f"{found} of {len(predicted.keypoints)} labelled animals were found; pixel errors are "
        "those of the keypoints found"
    )
