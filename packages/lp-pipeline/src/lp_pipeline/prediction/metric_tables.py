"""Write the metric tables of predictions that are on the disk, of any length."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from lp_io.predictions import PredictionTable, read_prediction_chunks
from lp_pipeline.evaluation.metric_files import MetricRows, metric_file, metric_path
from lp_pipeline.evaluation.metrics import FrameMetric


def write_metric_tables(predictions: Path, metrics: Mapping[str, FrameMetric]) -> list[Path]:
    """Write ``<stem>_<metric>.csv`` beside a table of predictions for each metric.

    Memory does not grow with the length of the table. The files appear together, when all of them
    are complete.

    Args:
        predictions: The table, as ``litpose predict`` writes it.
        metrics: By name, such as ``pca_singleview_error``; called once per chunk, in order.

    Returns:
        The files written.

    Raises:
        PredictionFileError: The table cannot be read.
        EvaluationError: A file cannot be written.
    """
    if not metrics:
        return []
    paths = {name: metric_path(predictions, name) for name in metrics}
    files: dict[str, MetricRows] = {}
    with ExitStack() as stack:
        for chunk in read_prediction_chunks(predictions):
            if not files:
                names, with_set = chunk.keypoint_names, chunk.sets is not None
                for name, path in paths.items():
                    file = metric_file(path, names, with_set=with_set)
                    files[name] = stack.enter_context(file)
            for name, metric in metrics.items():
                _append(files[name], metric, chunk)
    return list(paths.values())


def _append(file: MetricRows, metric: FrameMetric, chunk: PredictionTable) -> None:
    index = tuple(str(name) for name in chunk.index)
    file.append(metric(chunk.keypoints), index=index, sets=chunk.sets)
