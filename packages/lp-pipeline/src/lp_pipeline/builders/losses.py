"""The losses that a config asks for, fitted on the training labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from lp_core.batches import CAMERAS
from lp_core.errors import LossError
from lp_core.losses.contract import Loss, TrainingLabels
from lp_core.losses.factory import LossFactory
from lp_core.options import read_options
from lp_core.poses import PoseTable
from lp_core.registry import LOSSES, load_plugin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.datamodule import LabeledDataModule
from lp_data.extra_labels import is_extra
from lp_data.sessions import ViewNames
from lp_pipeline.config.checks import column_lists
from lp_pipeline.config.plugins import supervised_loss_name
from lp_pipeline.config.schema import Config


class LossFactories(NamedTuple):
    """What a tracker learns from labelled batches and, if anything, from unlabelled clips."""

    supervised: LossFactory
    unsupervised: LossFactory | None


def build_loss(config: Config, name: str) -> Loss:
    """The loss registered as ``name``, with its options from ``losses.<name>``.

    Raises:
        UnknownNameError: No such loss is registered.
        OptionError: An option is unknown or has the wrong type.
    """
    loss_class = load_plugin(LOSSES, name)
    if not (isinstance(loss_class, type) and issubclass(loss_class, Loss)):
        raise LossError(f"what is registered as '{name}' is not a loss class")
    values = config.losses.get(name) or {}
    return loss_class(read_options(loss_class.Options, values, place=f"losses.{name}"))


def camera_losses(config: Config) -> list[str]:
    """The losses of calibrated cameras that ``losses`` names, in a project of several views.

    Raises:
        UnknownNameError: No such loss is registered.
    """
    if not config.data.view_names:
        return []
    kinds = {name: load_plugin(LOSSES, name) for name in config.losses}
    return [name for name, kind in kinds.items() if CAMERAS in getattr(kind, "requires", ())]


def training_labels(
    config: Config,
    labels: PoseTable,
    train: Sequence[int],
    frame_size: tuple[int, int] | None = None,
    views: ViewNames | None = None,
) -> TrainingLabels:
    """The labels of the rows ``train`` in frame px, for what learns from them.

    ``frame_size`` is (height, width) of the frames, where it is known; ``views`` are those of
    labels of several cameras.
    """
    frame = view = None
    if views is not None:
        chosen = labels.rows(list(train))
        moments = views.moments(chosen)
        numbers = {moment: number for number, moment in enumerate(dict.fromkeys(moments))}
        frame = torch.tensor([numbers[moment] for moment in moments])
        view = torch.tensor(views.numbers(chosen))
    return TrainingLabels(
        frame=frame,
        view=view,
        keypoints=torch.from_numpy(labels.points[list(train)]).float(),
        keypoint_names=labels.keypoint_names,
        frame_size=frame_size,
        mirrored_column_matches=tuple(map(tuple, column_lists(config.data))),
        columns_for_singleview_pca=tuple(config.data.columns_for_singleview_pca or ()),
    )


def get_loss_factories(
    config: Config, tracker_class: type[BaseSupervisedTracker], data_module: LabeledDataModule
) -> LossFactories:
    """The factories, ready to use.

    Raises:
        LossError: A loss cannot run with this tracker, or cannot learn from these labels.
    """
    name = config.model.model_type
    names = [supervised_loss_name(config, tracker_class), *tracker_class.auxiliary_losses]
    names += camera_losses(config)
    supervised = LossFactory(
        [build_loss(config, loss) for loss in names],
        tracker_class.labeled_outputs,
        tracker=f"the tracker '{name}'",
    )
    dataset, split = data_module.dataset, data_module.split
    for loss in supervised.needs_cameras if not dataset.calibrated else ():
        raise LossError(
            f"the loss '{loss}' needs calibrated cameras, and the project has none",
            where=f"losses.{loss}",
            remedy="add calibration.toml or calibrations/SESSION.toml to the project, or set its "
            "log_weight to null",
        )
    extra = is_extra(dataset.table)
    if extra.any() and not all(loss.weighs for loss in supervised.losses.values()):
        raise LossError(
            f"'{name}' cannot weigh labels, so that predictions would count like labels by hand",
            where="data.extra_labels",
            remedy="choose another model.model_type, or leave out data.extra_labels",
        )
    frame_size = dataset.frame_size(data_module.training_samples[0])
    by_hand = [row for row in split.train if not extra[row]]
    labels = training_labels(config, dataset.table, by_hand, frame_size, dataset.views)
    supervised.fit_labels(labels)
    chosen = [build_loss(config, loss) for loss in config.model.losses_to_use or []]
    if not chosen:
        return LossFactories(supervised, None)
    unsupervised = LossFactory(
        chosen, tracker_class.unlabeled_outputs, tracker=f"the tracker '{name}' on unlabelled video"
    )
    unsupervised.fit_labels(labels)
    return LossFactories(supervised, unsupervised)
