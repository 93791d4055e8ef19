"""The tracker that a config describes."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from lp_core.errors import TrackerError
from lp_core.optimization import OptimizationOptions
from lp_core.options import read_options
from lp_core.registry import MODELS, load_plugin
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_pipeline.builders.labels import image_size
from lp_pipeline.builders.losses import LossFactories
from lp_pipeline.config.schema import Config, TrainingConfig


def get_tracker_class(config: Config) -> type[BaseSupervisedTracker]:
    """The registered class, or its semi-supervised twin where unsupervised losses are used.

    Raises:
        UnknownNameError: No tracker is registered under ``model.model_type``.
        TrackerError: What is registered is not a tracker, or it has no semi-supervised twin.
    """
    name = config.model.model_type
    tracker_class = load_plugin(MODELS, name)
    if not (isinstance(tracker_class, type) and issubclass(tracker_class, BaseSupervisedTracker)):
        raise TrackerError(f"what is registered as '{name}' is not a tracker class")
    if not config.model.losses_to_use:
        return tracker_class
    twin = tracker_class.semi_supervised_class()
    if twin is None:
        raise TrackerError(
            f"'{name}' cannot learn from unlabelled video",
            where="model.losses_to_use",
            remedy="leave model.losses_to_use empty, or choose another model.model_type",
        )
    return twin


def get_options(
    config: Config, tracker_class: type[BaseSupervisedTracker], keypoint_names: tuple[str, ...]
) -> TrackerOptions:
    """The tracker's options: those of the config that it declares, and its own under ``model``.

    Raises:
        OptionError: One is unknown to the tracker or has the wrong type.
    """
    fresh = config.model.checkpoint is None  # else the backbone's weights come from there
    offered: dict[str, Any] = {
        "keypoint_names": list(keypoint_names),
        "image_size": list(image_size(config)),
        "backbone": config.model.backbone,
        "backbone_pretrained": config.model.backbone_pretrained and fresh,
        "backbone_checkpoint": config.model.backbone_checkpoint if fresh else None,
        "downsample_factor": config.data.downsample_factor,
        "uniform_heatmaps": config.training.uniform_heatmaps_for_nan_keypoints,
        "view_names": config.data.view_names or [],
        "patch_mask": config.training.patch_mask,
        "seed": config.training.rng_seed_model_pt,
    }
    declared = {field.name for field in dataclasses.fields(tracker_class.Options)}
    values = {name: value for name, value in offered.items() if name in declared}
    return read_options(tracker_class.Options, values | config.model.options, place="model")


def batches_per_epoch(training: TrainingConfig, available: int) -> int:
    """Of the ``available`` batches of an epoch those that are used, at least one."""
    limit = training.limit_train_batches
    if limit is None:
        return available
    return min(available, int(limit)) if limit > 1 else max(1, int(limit * available))


def training_steps(training: TrainingConfig, steps_per_epoch: int) -> int:
    """Optimiser steps of the whole training."""
    if training.max_steps is not None:
        return training.max_steps
    batches = math.ceil(steps_per_epoch / training.accumulate_grad_batches)
    return (training.max_epochs or 300) * batches


def get_optimization(training: TrainingConfig, steps_per_epoch: int) -> OptimizationOptions:
    """How the tracker learns, counted in steps where the config counts in steps, else in epochs."""
    step_wise = (
        training.max_steps is not None
        or training.unfreezing_step is not None
        or training.lr_scheduler_params.multisteplr.milestone_steps is not None
    )
    factor = math.ceil(steps_per_epoch / training.accumulate_grad_batches) if step_wise else 1
    multistep = training.lr_scheduler_params.multisteplr
    milestones = multistep.milestone_steps or [factor * epoch for epoch in multistep.milestones]
    unfreeze = training.unfreezing_step
    if unfreeze is None:
        unfreeze = factor * (training.unfreezing_epoch or 0)
    total = training_steps(training, steps_per_epoch)
    values: dict[str, Any] = {
        "optimizer": training.optimizer,
        "learning_rate": training.optimizer_params.learning_rate,
        "weight_decay": training.optimizer_params.weight_decay,
        "scheduler": training.lr_scheduler,
        "milestones": list(milestones),
        "gamma": multistep.gamma,
        "total": total if step_wise else (training.max_epochs or 300),
        "warmup": factor * training.lr_scheduler_params.cosine.warmup_epochs,
        "interval": "step" if step_wise else "epoch",
        "unfreeze": unfreeze,
    }
    return read_options(OptimizationOptions, values, place="training")


def get_model(
    config: Config,
    tracker_class: type[BaseSupervisedTracker],
    keypoint_names: tuple[str, ...],
    losses: LossFactories,
    steps_per_epoch: int,
) -> BaseSupervisedTracker:
    """The tracker, ready to train.

    Raises:
        LPError: Its options, its backbone or its weights cannot be used.
    """
    arguments: dict[str, Any] = {
        "losses": losses.supervised,
        "optimization": get_optimization(config.training, steps_per_epoch),
    }
    if losses.unsupervised is not None:
        arguments["unsupervised_losses"] = losses.unsupervised
    return tracker_class(get_options(config, tracker_class, keypoint_names), **arguments)
