"""Train a tracker and leave a model directory."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import torch

from lp_io.checkpoint import load_model, save_model
from lp_pipeline.builders.labels import label_files
from lp_pipeline.config.load import LoadedConfig
from lp_pipeline.display import Display, SilentDisplay, Task
from lp_pipeline.errors import TrainingError
from lp_pipeline.training.best_weights import KeepBestWeights
from lp_pipeline.training.progress import ReportProgress
from lp_pipeline.training.setup import TrainingSetup, set_up
from lp_pipeline.training.trainer import get_callbacks, get_trainer

CONFIG_FILE = "config.yaml"


def train(
    loaded: LoadedConfig,
    model_dir: Path,
    *,
    overwrite: bool = False,
    display: Display | None = None,
) -> TrainingSetup:
    """Train as a config says.

    Args:
        loaded: The config.
        model_dir: The folder to fill; it must be new or empty.
        overwrite: Replace the folder if it is an earlier model directory.
        display: Where to report to; None shows nothing.

    Returns:
        The tracker with its best weights, and the data.

    Raises:
        LPError: Something cannot be used; the folder is not made by then.
        TrainingError: The folder holds something, or cannot be written.
    """
    display = display or SilentDisplay()
    display.message("building the model and reading the data")
    check_model_dir(model_dir, overwrite=overwrite)
    setup = set_up(loaded.config)
    _read_images(setup, display)
    with display.task("training", _total_batches(loaded, setup.data.steps_per_epoch)) as task:
        _fit(loaded, setup, model_dir, task, overwrite=overwrite)
    if not (model_dir / "manifest.json").is_file():  # shorter than the first validation
        _save(setup, model_dir, {})
    return TrainingSetup(load_model(model_dir).tracker, setup.data)


def _read_images(setup: TrainingSetup, display: Display) -> None:
    """Decode every image once, so that a broken one is told before anything is written.

    They stay in the dataset's cache, so the first epoch is no slower than the others.

    Raises:
        ImageFileError: A file is no image.
    """
    plain = setup.data.dataset.without_augmentation()
    with display.task("reading images", len(plain)) as task:
        for row in range(len(plain)):
            plain[row]
            task.update(row + 1)


def _fit(
    loaded: LoadedConfig, setup: TrainingSetup, model_dir: Path, task: Task, *, overwrite: bool
) -> None:
    """Let Lightning train; the folder is made when nothing but the training can fail any more."""
    steps = setup.data.steps_per_epoch
    callbacks = [
        *get_callbacks(loaded.config),
        KeepBestWeights(lambda metrics: _save(setup, model_dir, metrics)),
        ReportProgress(task, _total_batches(loaded, steps), model_dir),
    ]
    trainer = get_trainer(loaded.config, model_dir, callbacks, steps)
    if overwrite and model_dir.exists():
        shutil.rmtree(model_dir)
    _start_model_dir(loaded, model_dir)
    setup.tracker.backbone.to(memory_format=torch.channels_last)
    trainer.fit(setup.tracker, datamodule=setup.data)
    if trainer.interrupted:
        raise KeyboardInterrupt


def check_model_dir(model_dir: Path, *, overwrite: bool = False) -> None:
    """Refuse a folder that holds something that is not to be replaced.

    Raises:
        TrainingError: It is a file, or not empty and no earlier model directory to replace.
    """
    if model_dir.is_dir() and not any(model_dir.iterdir()):
        return
    if overwrite and (model_dir / CONFIG_FILE).is_file():
        return
    if model_dir.exists():
        raise TrainingError(
            "the model directory exists already",
            where=model_dir,
            remedy="choose another --output-dir, or pass --overwrite to replace it",
        )


def _start_model_dir(loaded: LoadedConfig, model_dir: Path) -> None:
    """Make the folder with the resolved config and a copy of the labels."""
    loaded.config.creation_datetime = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        loaded.save(model_dir / CONFIG_FILE)
        for file in label_files(loaded.config):
            shutil.copyfile(file, model_dir / file.name)
    except OSError as error:
        raise TrainingError(
            f"the model directory cannot be written: {error.strerror}",
            where=model_dir,
            remedy="choose another --output-dir",
        ) from error


def _total_batches(loaded: LoadedConfig, steps_per_epoch: int) -> int:
    """Batches of the whole training, for the progress bar."""
    training = loaded.config.training
    if training.max_steps is not None:
        return training.max_steps * training.accumulate_grad_batches
    return (training.max_epochs or 300) * steps_per_epoch


def _save(setup: TrainingSetup, model_dir: Path, metrics: dict[str, float]) -> None:
    """Write the weights and the manifest."""
    table, split = setup.data.dataset.table, setup.data.split
    parts = {
        use: tuple(table.image_paths[row] for row in rows)
        for use, rows in (
            ("train", split.train),
            ("validation", split.validation),
            ("test", split.test),
            ("unused", split.unused),
        )
    }
    save_model(model_dir, setup.tracker, split=parts, metrics=metrics)
