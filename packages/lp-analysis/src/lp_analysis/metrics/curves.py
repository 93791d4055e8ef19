"""What training logged: one curve per logged value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_core.poses.csv_text import opened_csv_rows

STAGES = ("train", "val", "test")


@dataclass(frozen=True, eq=False)
class Curve:
    """One logged value over the course of training.

    Attributes:
        steps: P optimiser steps, ascending as logged.
        epochs: P epochs; NaN where the log tells none.
        values: P values.
    """

    steps: Float[ndarray, " points"]
    epochs: Float[ndarray, " points"]
    values: Float[ndarray, " points"]

    def per_epoch(self) -> Curve:
        """The mean of each epoch, at the last step of it; the curve itself without epochs."""
        known = np.isfinite(self.epochs)
        if not known.all() or known.size == 0:
            return self
        epochs, rows = np.unique(self.epochs, return_inverse=True)
        counts = np.bincount(rows)
        steps = np.full(len(epochs), -np.inf)
        np.maximum.at(steps, rows, self.steps)
        return Curve(steps, epochs, np.bincount(rows, self.values) / counts)


@dataclass(frozen=True)
class TrainingCurves:
    """Everything that a training logged.

    Attributes:
        curves: Each logged value by its name, such as ``val_supervised_loss``.
    """

    curves: Mapping[str, Curve]

    def group(self, quantity: str) -> dict[str, Curve]:
        """The curves of one quantity by stage: ``train``, ``val``, ``test``, where logged."""
        named = {stage: self.curves.get(f"{stage}_{quantity}") for stage in STAGES}
        return {stage: curve for stage, curve in named.items() if curve is not None}

    @property
    def quantities(self) -> tuple[str, ...]:
        """What was logged by stage, such as ``supervised_loss``, in order of appearance."""
        names = [name.partition("_") for name in self.curves]
        return tuple(dict.fromkeys(tail for stage, _, tail in names if stage in STAGES and tail))


def read_training_curves(path: str | Path) -> TrainingCurves:
    """Read ``metrics.csv`` of Lightning's ``CSVLogger``.

    A last line that is cut short, as of a training that was killed, is left out.

    Args:
        path: The file: a header, then rows of which each fills some of the columns.

    Raises:
        PoseError: The file cannot be read.
        EvaluationError: What was logged has no ``step`` column.
    """
    path = Path(path)
    with opened_csv_rows(path, "training log") as lines:
        header, *rows = [line.cells for line in lines] or [[]]
    if not header:  # nothing was logged
        return TrainingCurves({})
    if "step" not in header:
        raise EvaluationError("the training log has no column 'step'", where=path)
    rows = [row for row in rows if len(row) == len(header)]
    numbers = np.array([[_number(cell) for cell in row] for row in rows], np.float64)
    columns = dict(zip(header, numbers.reshape(len(rows), len(header)).T, strict=True))
    steps, epochs = columns.pop("step"), columns.pop("epoch", np.full(len(rows), np.nan))
    curves = {}
    for name, values in columns.items():
        logged = np.isfinite(values) & np.isfinite(steps)
        if logged.any():
            curves[name] = Curve(steps[logged], epochs[logged], values[logged])
    return TrainingCurves(curves)


def _number(cell: str) -> float:
    """The number in a cell; NaN for an empty cell and for text."""
    try:
        return float(cell)
    except ValueError:
        return math.nan
