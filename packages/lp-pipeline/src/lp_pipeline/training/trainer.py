"""Lightning's trainer, as a config describes it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, Trainer
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor
from pytorch_lightning.loggers import Logger, TensorBoardLogger

from lp_core.batch_norm import SynchronizeBatchNorm
from lp_core.callbacks import AnnealWeight, UnfreezeBackbone
from lp_io.checkpoint.keeping import MONITOR
from lp_io.model_directory import TENSORBOARD_FOLDER
from lp_io.training_state.storage import TrainingStateIO
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.builders.model import training_steps
from lp_pipeline.config.schema import Config, TrainingConfig


def get_callbacks(config: Config) -> list[Callback]:
    """The callbacks that follow from the config alone."""
    callbacks: list[Callback] = [UnfreezeBackbone(), LearningRateMonitor()]
    if config.model.losses_to_use:
        callbacks.append(annealing(config))
    if config.training.early_stopping:
        patience = config.training.early_stop_patience
        callbacks.append(EarlyStopping(monitor=MONITOR, patience=patience, verbose=False))
    return callbacks


def annealing(config: Config) -> AnnealWeight:
    """What raises the weight of unsupervised losses from epoch to epoch."""
    return AnnealWeight(**config.callbacks.anneal_weight.model_dump(exclude={"attr_name"}))


def notes_on_annealing(config: Config, batches: int) -> tuple[str, ...]:
    """Say so if the unsupervised losses have no weight in any of the epochs of so many batches."""
    steps = math.ceil(batches / config.training.accumulate_grad_batches)
    epochs = math.ceil(training_steps(config.training, batches) / steps)
    return annealing(config).notes(epochs) if config.model.losses_to_use else ()


def get_trainer(
    config: Config, model_dir: Path, callbacks: list[Callback], steps: int, log: Logger
) -> Trainer:
    """The trainer, for epochs of ``steps`` batches; values are logged at least once in each."""
    training = config.training
    chosen = training_devices(training)
    return Trainer(
        **_length(training),
        **_validation(training),
        accelerator=chosen.accelerator,
        devices=chosen.devices,
        num_nodes=training.num_nodes,
        strategy=training.strategy,
        precision=training.precision,
        accumulate_grad_batches=training.accumulate_grad_batches,
        gradient_clip_val=training.gradient_clip_val,
        limit_train_batches=None if training.limit_train_batches is None else steps,
        log_every_n_steps=max(1, min(training.log_every_n_steps, steps)),
        profiler=training.profiler,
        logger=[
            TensorBoardLogger(
                model_dir / TENSORBOARD_FOLDER, name=config.model.model_name, version=0
            ),
            log,
        ],
        plugins=[TrainingStateIO(in_background=True), SynchronizeBatchNorm()],
        callbacks=callbacks,
        enable_checkpointing=True,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
    )


def _length(training: TrainingConfig) -> dict[str, Any]:
    if training.max_steps is not None:
        return {"max_steps": training.max_steps, "min_steps": training.min_steps, "max_epochs": -1}
    return {"max_epochs": training.max_epochs, "min_epochs": training.min_epochs}


def _validation(training: TrainingConfig) -> dict[str, Any]:
    interval = training.val_check_interval
    if interval is None:
        return {"check_val_every_n_epoch": training.check_val_every_n_epoch}
    if interval > 1:  # Lightning reads an int as a number of batches, and a float as a share
        return {"val_check_interval": int(interval), "check_val_every_n_epoch": None}
    return {"val_check_interval": interval, "check_val_every_n_epoch": 1}
