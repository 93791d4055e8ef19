"""What the README says of a model directory, where no other test shows it."""

from __future__ import annotations

import zipfile

import pandas as pd
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

PICKLE = b"\x80"  # the first byte of every pickle since protocol 2


def test_a_training_writes_no_pickle(model_dir):
    files = [path for path in model_dir.rglob("*") if path.is_file()]
    assert files
    for path in files:
        assert path.suffix not in {".pkl", ".pickle", ".ckpt", ".pt", ".pth"}, path
        assert not path.read_bytes().startswith(PICKLE), path
        assert not zipfile.is_zipfile(path), path  # torch.save makes one, with a pickle inside


def test_tensorboard_shows_what_the_table_of_metrics_holds(model_dir):
    (events,) = (model_dir / "tb_logs").rglob("events.out.tfevents.*")
    shown = EventAccumulator(str(events))
    shown.Reload()
    table = pd.read_csv(model_dir / "csv_logs" / "metrics.csv")
    curves = set(table.columns) - {"epoch", "step"}
    assert {"train_supervised_loss", "val_pixel_error"} <= curves
    assert curves <= set(shown.Tags()["scalars"])
    last = shown.Scalars("val_pixel_error")[-1].value
    assert abs(last - table["val_pixel_error"].dropna().iloc[-1]) < 1e-3 * abs(last)
