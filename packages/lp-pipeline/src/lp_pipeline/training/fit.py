"""Let Lightning train a tracker that is set up, in its model directory."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import torch
from pytorch_lightning import Callback

from lp_core.display import Display
from lp_core.memory import explained_memory_errors
from lp_core.text import quoted
from lp_io.checkpoint import load_model
from lp_io.checkpoint.keeping import KeepBestWeights, KeepEpochWeights, Save
from lp_io.model_directory import CSV_FOLDER, STATE_FOLDER
from lp_io.training_state.metrics_log import KeepMetrics, MetricsLog
from lp_io.training_state.progress import ReportProgress, StopWhenAsked
from lp_io.training_state.saver import TrainingStateSaver
from lp_pipeline.builders.model import batches_per_epoch
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import TrainingError, TrainingStoppedError
from lp_pipeline.training.setup import TrainingSetup
from lp_pipeline.training.trainer import get_callbacks, get_trainer


def fit(
    setup: TrainingSetup,
    model_dir: Path,
    display: Display,
    *,
    state: Path | None = None,
    what: str = "training",
) -> TrainingSetup:
    """Let Lightning train, in a model directory that has its config.

    Args:
        setup: The tracker and its data.
        model_dir: The model directory.
        display: Where to report to.
        state: The training state to go on from.
        what: What the display calls it.

    Returns:
        The tracker with its best weights (in a secondary process with its last), and the data.

    Raises:
        TrainingError: The memory is not enough.
        TrainingStoppedError: The user pressed Ctrl-C.
    """
    config = setup.config
    steps = batches_per_epoch(config.training, setup.data.steps_per_epoch)
    total = _total_batches(config, steps)
    log = MetricsLog(model_dir / CSV_FOLDER)
    setup.tracker.backbone.to(memory_format=torch.channels_last)
    with display.task(what, total) as update, _memory_explained(config):
        callbacks = training_callbacks(config, setup.save, model_dir, display)
        callbacks += [KeepMetrics(log), ReportProgress(update, total, model_dir)]
        trainer = get_trainer(config, model_dir, callbacks, steps, log)
        trainer.fit(setup.tracker, datamodule=setup.data, ckpt_path=state, weights_only=True)
    if not trainer.is_global_zero:
        return setup
    if not (model_dir / "manifest.json").is_file():  # shorter than the first validation
        setup.save(model_dir, {})
    return replace(setup, tracker=load_model(model_dir).tracker)


def training_callbacks(
    config: Config, save: Save, model_dir: Path, display: Display
) -> list[Callback]:
    """The callbacks that follow from the config, and those that write weights and states."""
    training = config.training
    saver = TrainingStateSaver(
        model_dir / STATE_FOLDER,
        every_n_seconds=training.save_state_every_n_seconds,
        keep=2,  # should the disk lose the newest
    )
    stopped = TrainingStoppedError(
        "the training was stopped", remedy=f"go on with: litpose train --resume {quoted(model_dir)}"
    )
    callbacks = [
        *get_callbacks(config),
        KeepBestWeights(save, model_dir),
        saver,
        StopWhenAsked(saver, stopped, display.message),
    ]
    if training.ckpt_every_n_epochs:
        callbacks.append(KeepEpochWeights(save, model_dir, training.ckpt_every_n_epochs))
    return callbacks


def _memory_explained(config: Config) -> AbstractContextManager[None]:
    """What to lower where the memory is not enough."""
    size = config.training.train_batch_size
    remedy = f"lower training.train_batch_size (now {size}) or data.image_resize_dims"
    if config.model.losses_to_use:
        remedy += ", or the clips' length dali.base.train.sequence_length"
    return explained_memory_errors(TrainingError, remedy)


def _total_batches(config: Config, steps_per_epoch: int) -> int:
    """Batches of the whole training, for the progress bar."""
    training = config.training
    if training.max_steps is not None:
        return training.max_steps * training.accumulate_grad_batches
    return (training.max_epochs or 300) * steps_per_epoch
