"""Defaults that depend on other keys."""

from __future__ import annotations

from pathlib import Path

from lp_core.paths import is_windows_path
from lp_io.documents.report import Report
from lp_pipeline.config.paths import absolute_folder
from lp_pipeline.config.schema import Config

DEFAULT_EPOCHS = 300
DEFAULT_SIZE = 256


def complete(config: Config, report: Report) -> None:
    """Fill in what follows from what was given; only keys that were not given change.

    Where both a number of epochs and one of steps exist, the one that was given wins over the other
    one's default. ``data.data_dir`` and the paths of weights become absolute, so that the config
    means the same in every folder.
    """
    _complete_data(config, report)
    _complete_length(config)
    training = config.training
    interval = training.val_check_interval
    if interval is not None and not report.given("training.check_val_every_n_epoch"):
        # batches are counted on from epoch to epoch, a share is one of a single epoch
        training.check_val_every_n_epoch = None if interval > 1 else 1
    if training.unfreezing_step is not None and not report.given("training.unfreezing_epoch"):
        training.unfreezing_epoch = None
    steps = training.lr_scheduler_params.multisteplr
    given = report.given("training.lr_scheduler_params.multisteplr.milestones")
    if steps.milestone_steps and not given:
        steps.milestones = []
    config.model.losses_to_use = config.model.losses_to_use or []


def _complete_data(config: Config, report: Report) -> None:
    data, model = config.data, config.model
    data.keypoint_names = data.keypoint_names or None
    if data.view_names is not None and len(data.view_names) < 2:
        if data.view_names:
            report.note("data.view_names", "ignored: one view needs no name")
        data.view_names = None
    data.columns_for_singleview_pca = data.columns_for_singleview_pca or None
    data.mirrored_column_matches = data.mirrored_column_matches or None
    if data.data_dir is not None:
        data.data_dir = str(absolute_folder(data.data_dir, report.path))
    if model.backbone_checkpoint is not None:
        model.backbone_checkpoint = _absolute(model.backbone_checkpoint)
    if model.checkpoint is not None:
        model.checkpoint = _absolute(model.checkpoint)


def _absolute(text: str) -> str:
    """A path as an absolute one; one of another system stays as it was written."""
    return text if is_windows_path(text) else str(Path(text).expanduser().absolute())


def _complete_length(config: Config) -> None:
    """Train for 300 epochs where nothing says how long."""
    training = config.training
    if training.max_epochs is None and training.max_steps is None and training.min_steps is None:
        training.max_epochs = max(DEFAULT_EPOCHS, training.min_epochs or 0)
