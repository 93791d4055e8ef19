"""The table of everything that a training logs, which a resumed training goes on with."""

from __future__ import annotations

import time
import warnings
from argparse import Namespace
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities import rank_zero_only

from lp_core.atomic import atomic_text
from lp_core.poses.csv_text import Row, csv_line, opened_csv_rows
from lp_io.model_directory import METRICS_FILE

SECONDS_BETWEEN_FILES = 5.0
_ROWS = "lp_metrics_rows"


class MetricsLog(Logger):
    """A Lightning logger that writes ``metrics.csv`` as Lightning's ``CSVLogger`` does.

    Unlike that one it keeps the rows of a training that is resumed, and its file is whole at any
    moment.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.file = folder / METRICS_FILE
        self.rows: list[dict[str, str]] = []
        self._written = -SECONDS_BETWEEN_FILES

    @property
    def name(self) -> str:
        """The name of the log."""
        return self.file.parent.name

    @property
    def version(self) -> str:
        """There is one version only."""
        return ""

    @rank_zero_only
    def log_hyperparams(
        self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any
    ) -> None:
        """Nothing: the config is saved beside."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a row, unless it repeats the last one."""
        row = {name: str(value) for name, value in metrics.items()}
        row["step"] = str(len(self.rows) if step is None else step)
        if not self.rows or row != self.rows[-1]:
            self.rows.append(row)

    @rank_zero_only
    def save(self) -> None:
        """Write the file, if it is not quite new."""
        if time.monotonic() - self._written > SECONDS_BETWEEN_FILES:
            self.write()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """Write the file."""
        self.write()

    @rank_zero_only
    def write(self) -> None:
        """Write the file; where the disk is full, the rows are kept for the next time."""
        self._written = time.monotonic()
        names = sorted({name for row in self.rows for name in row})
        try:
            with atomic_text(self.file) as stream:
                stream.write(csv_line(names))
                stream.writelines(
                    csv_line(row.get(name, "") for name in names) for row in self.rows
                )
        except OSError as error:
            warnings.warn(f"{self.file} cannot be written: {error.strerror}", stacklevel=2)

    @rank_zero_only
    def take_up(self, rows: int) -> None:
        """Go on after the first ``rows`` rows of the file."""
        if not self.file.is_file():
            return
        with opened_csv_rows(self.file, "training log") as lines:
            names = next(lines, Row(0, [])).cells
            found = [dict(zip(names, line.cells, strict=False)) for line in islice(lines, rows)]
        self.rows = [{name: value for name, value in row.items() if value} for row in found]


class KeepMetrics(Callback):
    """Lets every training state know how many rows of the log it has seen."""

    def __init__(self, log: MetricsLog) -> None:
        self.log_ = log

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Write the log, with the row of the step that has just been done."""
        _log_pending_row(trainer, self.log_)
        self.log_.write()
        checkpoint[_ROWS] = len(self.log_.rows)

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Forget the rows that came after the state."""
        self.log_.take_up(int(checkpoint.get(_ROWS, 0)))


def _log_pending_row(trainer: Trainer, log: MetricsLog) -> None:
    """Log the values of the training step that has just ended, as Lightning is about to.

    It calls the callbacks first and logs then, so a state that a callback saves would come back
    without this row; it has no public way to ask for it. The log leaves a repeated row out.
    """
    connector = trainer._logger_connector
    within_epoch = connector._first_loop_iter is not None
    if not within_epoch or not connector.should_update_logs:
        return
    values = {name: float(value) for name, value in connector.metrics["log"].items()}
    if values:
        values.setdefault("epoch", trainer.current_epoch)
        log.log_metrics(values, trainer.fit_loop.epoch_loop._batches_that_stepped)
