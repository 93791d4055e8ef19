"""Predict the images of a label table, and compare with the labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from numpy import ndarray
from torch.utils.data import DataLoader

from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.summary import UNSPLIT
from lp_core.batches import Prediction
from lp_core.poses import PoseTable
from lp_core.regions import Region, RegionSource, collect, ownership
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.prediction.handler import PredictionHandler


def predict_labels(
    handler: PredictionHandler,
    table: PoseTable,
    data_dir: Path,
    *,
    regions: RegionSource | None = None,
    sets: Sequence[str] | None = None,
    display: Display | None = None,
) -> LabeledPrediction:
    """Predict every image of a label table.

    Args:
        handler: Runs the tracker.
        table: The labels; their keypoints must include the tracker's.
        data_dir: The folder that the table's paths are relative to.
        regions: On which parts of each image the tracker looks; None for the whole.
        sets: The split of each image; None for a table that was not trained on.
        display: Where to report to.

    Raises:
        DataError: An image is missing or no image, or the table lacks a keypoint of the tracker.
    """
    tracker = handler.tracker
    table = table.select_keypoints(tracker.options.keypoint_names)
    dataset = LabeledDataset(
        table,
        data_dir,
        handler.image_size,
        regions=regions,
        context_frames=tracker.context_frames,
    )
    loader = DataLoader(dataset, batch_size=handler.chunk, collate_fn=collate)
    parts: list[Prediction] = []
    rows: list[int] = []
    with (display or SilentDisplay()).task("labelled images", len(dataset)) as task:
        for batch in loader:
            parts.append(handler.predict_labeled(batch))
            rows += batch["table_row"].tolist()
            task.update(len(rows))
    keypoints, confidences = _collected(parts, rows, dataset.regions, table)
    sets = (UNSPLIT,) * len(table) if sets is None else sets
    return LabeledPrediction.of(table, keypoints, confidences, sets, handler.weights_digest)


def _collected(
    parts: Sequence[Prediction],
    rows: Sequence[int],
    regions: Sequence[Region],
    table: PoseTable,
) -> tuple[Float[ndarray, "rows keypoints 2"], Float[ndarray, "rows keypoints"]]:
    """One prediction for each row of the table, from those of its regions.

    Args:
        parts: Predictions of regions, in their order.
        rows: The row that each region is of.
        regions: The regions.
        table: The table.
    """
    keypoints = torch.cat([part.keypoints for part in parts]).double()
    confidences = torch.cat([part.confidences for part in parts]).double()
    owned = ownership(regions, table.keypoint_names)
    places: dict[int, list[int]] = {row: [] for row in range(len(table))}
    for place, row in enumerate(rows):
        places[row].append(place)
    if all(len(found) == 1 for found in places.values()):
        order = [found[0] for found in places.values()]
        return keypoints[order].numpy(), confidences[order].numpy()
    merged = [
        collect(keypoints[found, None], confidences[found, None], owned[found])
        for found in places.values()
    ]
    return (
        torch.cat([points for points, _ in merged]).numpy(),
        torch.cat([values for _, values in merged]).numpy(),
    )
