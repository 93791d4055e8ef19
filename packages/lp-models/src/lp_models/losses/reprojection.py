"""Supervised losses of several calibrated cameras, which see one animal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, NamedTuple

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from lp_core.batches import LossInputs
from lp_core.errors import LossError
from lp_core.geometry.cameras import agree
from lp_core.losses.contract import Loss, LossOptions, LossValue
from lp_models.losses.divergence import mean_where

_LEAST = 0.05
"""Confidence below which a view does not count less."""

_OUTLIER = 5.0
"""Distance between prediction and label at which a view counts half, in units of ``delta``."""


@dataclass(frozen=True, kw_only=True)
class ReprojectionOptions(LossOptions):
    """Options of the reprojection loss.

    Attributes:
        log_weight: As for every loss; 5 suits distances in px beside a loss of heatmaps.
        delta: Errors that are small beside it count as their square, larger ones as they are; in
            frame px.
    """

    log_weight: float = 5.0
    delta: Annotated[float, Field(gt=0)] = 5.0


class _Frames(NamedTuple):
    """What the views of each frame say: F frames, V views, K keypoints.

    Attributes:
        cameras: (F, V, K, 2, 4).
        predicted, labelled: (F, V, K, 2) frame px, NaN where there is none.
        confidences: (F, V, K), without gradient; 1 of a tracker that gives none.
    """

    cameras: Float[Tensor, "frames views keypoints 2 4"]
    predicted: Float[Tensor, "frames views keypoints 2"]
    labelled: Float[Tensor, "frames views keypoints 2"]
    confidences: Float[Tensor, "frames views keypoints"]


def _by_frame(inputs: LossInputs, name: str) -> _Frames:
    """The rows of a batch by frame and view.

    Raises:
        LossError: The batch has no cameras, or not one row for each of them.
    """
    if "cameras" not in inputs:
        raise LossError(
            f"the loss '{name}' needs calibrated cameras, and the batch has none",
            where=f"losses.{name}",
            remedy="add calibrations/SESSION.toml or calibration.toml to the project, or leave the "
            "loss out",
        )
    cameras, predicted = inputs["cameras"].float(), inputs["keypoints_pred"].float()
    frames, views = cameras.shape[:2]
    if len(predicted) != frames * views:
        raise LossError(
            f"{len(predicted)} rows are not one for each of {views} views of {frames} frames",
            where=f"losses.{name}",
            remedy="the loss is for one animal in each frame",
        )
    shape = (frames, views)
    confidences = inputs.get("confidences", torch.ones_like(predicted[..., 0])).detach()
    return _Frames(
        cameras,
        predicted.unflatten(0, shape),
        inputs["keypoints_targ"].float().unflatten(0, shape),
        confidences.float().unflatten(0, shape),
    )


def _seen(
    cameras: Float[Tensor, "frames views keypoints 2 4"],
) -> Bool[Tensor, "frames views keypoints"]:
    """Where each camera is there, and sees the point of the labels."""
    return cameras.isfinite().flatten(-2).all(dim=-1)


def _distance(difference: Float[Tensor, "*shape dimensions"]) -> Float[Tensor, "*shape"]:
    """Lengths, whose gradient at 0 is 0."""
    square = difference.square().sum(dim=-1)
    return torch.where(square > 0, square.clamp_min(1e-24).sqrt(), 0.0)


class ReprojectionLoss(Loss):
    """How far the body that all views agree on is from the labels, as each camera sees it.

    The predicted keypoints of all views of a frame are triangulated by least squares, weighted by
    their confidences and the less the farther they are from their label; the point is projected
    into every view, to first order around the point of the labels (`lp_core.geometry.cameras`). The
    loss is the pseudo-Huber distance δ·(√(1 + (e/δ)²) − 1) to the labels in frame px, a mean over
    all labels of keypoints that two views at least have. So it depends neither on the number of
    views or keypoints nor on the size of the heatmaps, and its gradient does not vanish far off.
    """

    name = "reprojection"
    requires = frozenset({"keypoints_pred", "keypoints_targ", "cameras"})
    supervised = True
    Options = ReprojectionOptions
    options: ReprojectionOptions

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, in frame px.

        Raises:
            LossError: The batch has no cameras, or several animals.
        """
        with torch.autocast(inputs["keypoints_pred"].device.type, enabled=False):
            given = _by_frame(inputs, self.name)
            found = agree(given.cameras, given.predicted, self._weights(given))
            counts = _seen(given.cameras) & given.labelled.isfinite().all(dim=-1)
            counts = counts & found.known.unsqueeze(-2)
            difference = torch.where(counts.unsqueeze(-1), found.images - given.labelled, 0.0)
            delta = self.options.delta
            squares = (difference / delta).square().sum(dim=-1)
            return LossValue(mean_where(delta * ((1 + squares).sqrt() - 1), counts))

    def _weights(self, given: _Frames) -> Float[Tensor, "frames views keypoints"]:
        """How much each view counts, without gradient.

        Weights that depend on the agreement between views, differentiated, would push a view that
        is far off farther away, where it counts less.
        """
        with torch.no_grad():
            expected = torch.where(given.labelled.isfinite(), given.labelled, given.cameras[..., 3])
            away = _distance(given.predicted - expected) / (_OUTLIER * self.options.delta)
            right = 1 / (1 + away.square())
            sure = given.confidences.clamp_min(_LEAST) * (given.confidences > 0)
            return sure * torch.where(away.isfinite(), right, 1.0)


@dataclass(frozen=True, kw_only=True)
class ReprojectionHeatmapOptions(ReprojectionOptions):
    """Options of the reprojection loss under Lightning Pose's name, with its weight."""

    log_weight: float = 3.0


class ReprojectionHeatmapMSELoss(ReprojectionLoss):
    """The reprojection loss in hundreds of frame px, under the name that Lightning Pose has.

    That one compares Gaussian heatmaps, and cannot see an error of more than some cells: from there
    on it is about 0.1. So is this one at 10 px, and weights of its configs keep their order of
    magnitude.
    """

    name = "supervised_reprojection_heatmap_mse"
    Options = ReprojectionHeatmapOptions

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss, in hundreds of frame px."""
        return LossValue(super().forward(inputs).value / 100)


class PairwiseProjectionsLoss(Loss):
    """The mean distance, in world units, of the points of all pairs of views from that of labels.

    As in Lightning Pose, the right weight depends on the unit of the calibration.
    """

    name = "supervised_pairwise_projections"
    requires = frozenset({"keypoints_pred", "keypoints_targ", "cameras"})
    supervised = True

    def forward(self, inputs: LossInputs) -> LossValue:
        """The unweighted loss.

        Raises:
            LossError: The batch has no cameras, or several animals.
        """
        with torch.autocast(inputs["keypoints_pred"].device.type, enabled=False):
            given = _by_frame(inputs, self.name)
            views = given.cameras.shape[1]
            pairs = torch.triu_indices(views, views, 1, device=given.cameras.device).T
            weights = torch.ones_like(given.confidences[:, pairs])
            found = agree(given.cameras[:, pairs], given.predicted[:, pairs], weights)
            return LossValue(mean_where(_distance(found.shift), found.known))
