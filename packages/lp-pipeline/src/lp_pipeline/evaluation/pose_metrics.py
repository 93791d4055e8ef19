"""Metrics of poses that are learned from labels: how far a pose is from the space of true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.frame_metrics import PoseSpace, PoseSpaceError
from lp_core.errors import LossError
from lp_core.losses.contract import LearnsFromLabels, TrainingLabels
from lp_core.poses import PoseTable
from lp_pipeline.builders.losses import build_loss
from lp_pipeline.config.schema import Config


@dataclass(frozen=True)
class PoseMetrics:
    """The metrics that a config asks for.

    Attributes:
        metrics: By name, such as ``pca_singleview_error``.
        notes: Why one that is asked for is missing, in a sentence each.
    """

    metrics: Mapping[str, PoseSpaceError] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def asked_pose_losses(config: Config) -> list[str]:
    """The losses whose error is a metric here: those whose keypoints the config names."""
    asked = {
        "pca_singleview": config.data.columns_for_singleview_pca,
        "pca_multiview": config.data.mirrored_column_matches,
    }
    return [name for name, columns in asked.items() if columns]


def fit_pose_metrics(config: Config, labels: PoseTable, train: Sequence[int]) -> PoseMetrics:
    """Learn the metrics from the labels of the training frames, in frame px.

    Each has the options of its own loss, ``losses.pca_singleview`` or ``losses.pca_multiview``,
    whether the training used that loss or not.

    Args:
        config: Names the keypoints of each metric, and its options.
        labels: The labels, with the keypoints in the tracker's order.
        train: The rows to learn from.
    """
    known = TrainingLabels(
        keypoints=torch.from_numpy(labels.points[list(train)]).float(),
        keypoint_names=labels.keypoint_names,
        mirrored_column_matches=tuple(map(tuple, config.data.mirrored_column_matches or ())),
        columns_for_singleview_pca=tuple(config.data.columns_for_singleview_pca or ()),
    )
    metrics, notes = {}, []
    for name in asked_pose_losses(config):
        metric = f"{name}_error"
        try:
            metrics[metric] = PoseSpaceError(_fitted_space(config, name, known))
        except LossError as error:
            notes.append(f"no {metric}.csv: {error.problem}")
    return PoseMetrics(metrics, tuple(notes))


def _fitted_space(config: Config, name: str, labels: TrainingLabels) -> PoseSpace:
    """What the loss of that name learns from the labels."""
    loss = build_loss(config, name)
    if not (isinstance(loss, PoseSpace) and isinstance(loss, LearnsFromLabels)):
        raise EvaluationError(f"what is registered as '{name}' measures no poses")
    loss.fit_labels(labels)
    return loss
