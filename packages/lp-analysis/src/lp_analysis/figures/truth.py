"""The errors of a predicted video whose exact truth is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lp_analysis.figures.plots import write_error_plot
from lp_analysis.metrics.frame_metrics import pixel_error
from lp_core.poses import Visibility
from lp_data.labels import read_labels
from lp_io.predictions import read_predictions


def write_truth_errors(truth: Path, predictions: Path, plot: Path) -> dict[str, float]:
    """Plot the errors of a table of predictions, a row for each frame of the truth.

    Labels of hidden keypoints teach a tracker to be unsure, not where they are.

    Args:
        truth: The label file of the truth.
        predictions: The table.
        plot: The picture to write.

    Returns:
        Mean errors in frame px: of what can be seen, of what is hidden, and of all.

    Raises:
        PoseError: A table cannot be read, or the picture cannot be written.
    """
    labels = read_labels(truth)
    errors = pixel_error(labels.points, read_predictions(predictions).points)
    title = "held-out video against the exact truth"
    write_error_plot(plot, errors, labels.keypoint_names, ["test"] * len(errors), title=title)
    seen = labels.codes == Visibility.VISIBLE
    return {
        "visible keypoints": float(np.nanmean(errors[seen])),
        "hidden keypoints": float(np.nanmean(errors[~seen])),
        "all keypoints": float(np.nanmean(errors)),
    }
