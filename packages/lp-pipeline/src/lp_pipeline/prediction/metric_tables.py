"""Write the metric tables of predictions that are on the disk, of any length."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from lp_io.predictions import VideoPredictions
from lp_pipeline.evaluation.metric_files import metric_file, metric_path
from lp_pipeline.evaluation.metrics import FrameMetric


def write_metric_tables(predictions: Path, metrics: Mapping[str, FrameMetric]) -> list[Path]:
    """Write ``<stem>_<metric>.csv`` beside a table of predictions for each metric.

    They have the rows of the table, in the order of their frames. Memory does not grow with the
    length of the table. The files appear together, when all of them are complete.

    Args:
        predictions: The table, as ``litpose predict`` writes it.
        metrics: By name, such as ``pca_singleview_error``; called once per chunk, in order. Where
            frames have no row, a pose of NaN stands for them.

    Returns:
        The files written.

    Raises:
        PoseError: The table cannot be read, or its frame numbers repeat.
        EvaluationError: A file cannot be written.
    """
    if not metrics:
        return []
    table = VideoPredictions(predictions)
    paths = {name: metric_path(predictions, name) for name in metrics}
    last = -1
    with ExitStack() as stack:
        files = {
            name: stack.enter_context(metric_file(path, table.keypoint_names))
            for name, path in paths.items()
        }
        for chunk in table.rows():
            numbers = np.array(chunk.frame, dtype=np.int64)
            gaps = np.flatnonzero(np.diff(numbers, prepend=last) > 1)
            poses = np.insert(chunk.points, gaps, np.nan, axis=0)
            known = np.insert(np.ones(len(numbers), bool), gaps, False)
            index = tuple(str(number) for number in chunk.frame)
            for name, metric in metrics.items():
                files[name].append(metric(poses)[known], index=index)
            last = int(numbers[-1]) if len(numbers) else last
    return list(paths.values())
