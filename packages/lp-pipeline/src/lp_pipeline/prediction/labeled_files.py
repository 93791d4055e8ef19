"""Write the predictions of labelled images into the public files, and what lies beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lp_core.poses import PoseTable, write_pose_csv
from lp_pipeline.evaluation.calibration import ConfidenceCalibration
from lp_pipeline.evaluation.metric_files import MetricTable, metric_path, write_metric_file
from lp_pipeline.evaluation.metrics import FrameMetric
from lp_pipeline.prediction.calibrated import calibrated_file
from lp_pipeline.prediction.labeled import LabeledPrediction
from lp_pipeline.prediction.predicted_source import write_weights


def write_labeled_prediction(
    prediction: LabeledPrediction,
    path: Path,
    scorer: str,
    calibration: ConfidenceCalibration | None = None,
    *,
    metrics: Mapping[str, FrameMetric] | None = None,
) -> None:
    """Write ``predictions*.csv`` and its ``_pixel_error.csv``, in the public layout.

    ``predictions*_source.json`` says which weights predicted them.

    Args:
        prediction: What to write.
        path: The table of predictions.
        scorer: Goes into the table's first header row.
        calibration: If the model carries one, ``_calibrated_confidence.csv`` is written as well.
        metrics: Others to write beside, by name, such as ``pca_singleview_error``. Each row is an
            image by itself.

    Raises:
        LPError: A file cannot be written.
    """
    table = prediction.table
    names, images, sets = table.keypoint_names, table.image_paths, prediction.sets
    write_pose_csv(
        PoseTable(
            table.skeleton,
            prediction.keypoints,
            table.frame,
            confidence=prediction.confidences,
            split=sets,
            scorer=scorer,
        ),
        path,
    )
    if prediction.weights is not None:
        write_weights(path, prediction.weights)
    values = {name: metric(prediction.keypoints) for name, metric in (metrics or {}).items()}
    for name, errors in {"pixel_error": prediction.errors, **values}.items():
        write_metric_file(MetricTable(names, images, errors, sets=sets), metric_path(path, name))
    if calibration is not None:
        with calibrated_file(path, names, calibration, with_set=True) as rows:
            rows.append(calibration.probability(prediction.confidences), index=images, sets=sets)
