"""Tables of animals to judge, and files of their metrics."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.animals import AnimalMetrics, VideoTables
from lp_analysis.metrics.bootstrap import Interval
from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_core.poses import Animals, Content, PoseTable, read_pose_csv
from lp_core.poses.csv_text import write_csv
from lp_io import strict_json
from lp_io.predictions import read_predictions
from lp_io.projects.detection import Kind, detect

METRIC_FILES = (".csv", ".json")
"""The endings of files of metrics."""


def read_video_tables(
    predictions: str | Path, truth: str | Path, fps: float | None = None
) -> VideoTables:
    """Read what was predicted of a video, and what is labelled in it, with all animals.

    Args:
        predictions: A table of predictions in any format, or a label file, such as that of another
            person or of a tool that tells no likelihood.
        truth: A label file, or a table in a format of predictions.
        fps: Frames per second.

    Raises:
        LPError: A table cannot be read.
    """
    return VideoTables(_read(Path(truth)), _read(Path(predictions)), fps)


def _read(path: Path) -> PoseTable:
    if path.suffix.lower() == ".csv" and detect(path) is Kind.LABEL_CSV:
        return read_pose_csv(path, Content.LABELS, Animals(several=True))
    return read_predictions(path, several=True)


def write_animal_metrics(metrics: AnimalMetrics, path: str | Path) -> None:
    """Write metrics as JSON, or as CSV with ``contact, metric, value, low, high``.

    Args:
        metrics: What to write.
        path: The file, which ends in ``.json`` or ``.csv`` and appears whole or not at all.

    Raises:
        EvaluationError: The file cannot be written, or has another ending.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix == ".csv":
        write_csv(path, _rows(metrics), EvaluationError, "the metrics")
    elif suffix == ".json":
        with unwritable_as(EvaluationError, "the metrics", path), atomic_text(path) as file:
            file.write(strict_json.dump(metrics_dict(metrics), indent=1) + "\n")
    else:
        raise EvaluationError("metrics are written as .csv or .json", where=path)


def _rows(metrics: AnimalMetrics) -> Iterator[list[object]]:
    yield ["contact", "metric", "value", "low", "high"]
    for level, values in metrics.values.items():
        for name, value in values.items():
            numbers = _cell(value).values()
            yield [level, name, *("" if n is None else f"{n:.6g}" for n in numbers)]


def metrics_dict(metrics: AnimalMetrics) -> dict[str, Any]:
    """What JSON holds: ``metrics`` by level and name, the options, body lengths and notes."""
    cells = {
        level: {name: _cell(value) for name, value in values.items()}
        for level, values in metrics.values.items()
    }
    lengths = [length if np.isfinite(length) else None for length in metrics.lengths]
    return {
        "metrics": cells,
        "options": asdict(metrics.options),
        "body_length_px": lengths,
        "notes": list(metrics.notes),
    }


def _cell(value: Interval) -> dict[str, float | None]:
    numbers = {"value": value.mean, "low": value.low, "high": value.high}
    return {name: number if np.isfinite(number) else None for name, number in numbers.items()}
