"""The base of every tracker: learn from labelled images."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import (
    LabeledBatch,
    LossInputs,
    Prediction,
    SemiSupervisedBatch,
    UnlabeledBatch,
)
from lp_core.errors import TrackerError
from lp_core.geometry.targets import heatmap_targets
from lp_core.losses.factory import LossFactory, Stage
from lp_core.optimization import OptimizationOptions
from lp_core.trackers.feature_extractor import BaseFeatureExtractor
from lp_core.trackers.options import TrackerOptions

Outputs = LossInputs | Sequence[LossInputs]


class BaseSupervisedTracker(BaseFeatureExtractor):
    """Training, validation and test steps; a subclass adds a head.

    A subclass declares what it needs, and nothing outside it ever asks for its name.

    Attributes:
        target_kind: ``"heatmaps"`` if it learns from target heatmaps, ``"keypoints"`` if not.
        supervised_losses: The losses that may supervise it, the default first.
        auxiliary_losses: Losses that go with whichever of them is chosen.
        labeled_outputs: The keys of `LossInputs` that it gives for labelled batches.
        unlabeled_outputs: Those that its semi-supervised twin gives for unlabelled clips.
        public_options: The options with which it computes what Lightning Pose's tracker of the same
            name does, whose weights it then takes; None where there is no such tracker.

    Args:
        options: What the tracker is told, an instance of its ``Options``.
        losses: What it learns from labelled batches; None for a tracker that only predicts.
        optimization: How it learns; None takes the defaults.
    """

    target_kind: ClassVar[Literal["heatmaps", "keypoints"]] = "heatmaps"
    supervised_losses: ClassVar[tuple[str, ...]] = ()
    auxiliary_losses: ClassVar[tuple[str, ...]] = ()
    labeled_outputs: ClassVar[frozenset[str]] = frozenset()
    unlabeled_outputs: ClassVar[frozenset[str]] = frozenset()
    public_options: ClassVar[Mapping[str, Any] | None] = None

    def __init__(
        self,
        options: TrackerOptions,
        *,
        losses: LossFactory | None = None,
        optimization: OptimizationOptions | None = None,
    ) -> None:
        super().__init__(options, optimization=optimization)
        self.losses = losses

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker] | None:
        """The twin that also learns from unlabelled clips; None where there is none."""
        return None

    def from_public_head(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The weights of its head, from those of Lightning Pose's.

        Args:
            weights: By name, without ``head.``.

        Returns:
            By name in this tracker's head. What does not belong there is found when they are
            loaded; a subclass renames and rescales what it must.
        """
        return dict(weights)

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the target heatmaps in cells, for a tracker that learns from them.

        Raises:
            TrackerError: The tracker learns from heatmaps, but does not tell their size.
        """
        raise TrackerError(f"{type(self).__name__} must define heatmap_size")

    @property
    def uniform_targets(self) -> bool:
        """Whether a missing keypoint gets a uniform target heatmap rather than none."""
        return False

    @abstractmethod
    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> Outputs:
        """The outputs that its losses compare, one item per head.

        Args:
            batch: A labelled batch, with ``heatmaps`` if ``target_kind`` asks for them.
        """

    @abstractmethod
    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences.

        Args:
            batch: A labelled batch, or a clip; of a clip, a tracker with context predicts the
                T - F + 1 frames that have all their context.
            batch_idx: Lightning's number of the batch.
        """

    def add_targets(self, batch: LabeledBatch) -> LabeledBatch:
        """The batch, with target heatmaps made on its device if the tracker learns from them."""
        if self.target_kind != "heatmaps" or "heatmaps" in batch:
            return batch
        heatmaps = heatmap_targets(
            batch["keypoints"],
            self.options.image_size,
            self.heatmap_size,
            visibility=batch["visibility"],
            uniform_missing=self.uniform_targets,
        )
        return {**batch, "heatmaps": heatmaps}

    def evaluate_labeled(self, batch: LabeledBatch, stage: Stage) -> Float[Tensor, ""]:
        """The supervised loss of a batch, logged with its parts and the pixel error.

        Raises:
            TrackerError: The tracker was built without losses.
        """
        if self.losses is None:
            raise TrackerError(
                f"{type(self).__name__} was built without losses, so it can only predict",
                remedy="pass losses=LossFactory(...)",
            )
        outputs = self.get_loss_inputs_labeled(self.add_targets(batch))
        report = self.losses(stage, outputs)
        size = batch["images"].shape[0]
        self.log(
            f"{stage}_supervised_loss", report.total, prog_bar=True, batch_size=size, sync_dist=True
        )
        self.log_dict(report.logs, batch_size=size, sync_dist=stage != "train")
        self._log_pixel_error(outputs, stage, size)
        total: Tensor = report.total
        return total

    @torch.no_grad()
    def _log_pixel_error(self, outputs: Outputs, stage: Stage, size: int) -> None:
        """Log errors in frame px for monitoring: mean distance, and the public system's RMSE."""
        heads = [outputs] if isinstance(outputs, dict) else list(outputs)
        pairs = [
            head["keypoints_pred"] - head["keypoints_targ"]
            for head in heads
            if "keypoints_pred" in head and "keypoints_targ" in head
        ]
        if not pairs:
            return
        difference = torch.cat(pairs).flatten(0, 1)
        difference = difference[difference.isfinite().all(dim=-1)]
        evaluating = stage != "train"
        if difference.numel() == 0:
            if not evaluating:
                return
            # other processes wait for this one's value: an error of no weight
            difference, size = difference.new_zeros(1, 2), 0
        error = difference.norm(dim=-1).mean()
        self.log(
            f"{stage}_pixel_error", error, prog_bar=True, batch_size=size, sync_dist=evaluating
        )
        rmse = difference.square().mean().sqrt()
        self.log(f"{stage}_supervised_rmse", rmse, batch_size=size, sync_dist=evaluating)

    def training_step(
        self, batch: LabeledBatch | SemiSupervisedBatch, batch_idx: int = 0
    ) -> Float[Tensor, ""]:
        """One step on a labelled batch."""
        return self.evaluate_labeled(batch, "train")  # type: ignore[arg-type]

    def validation_step(self, batch: LabeledBatch, batch_idx: int = 0) -> None:
        """Log the losses and errors of a validation batch."""
        self.evaluate_labeled(batch, "val")

    def test_step(self, batch: LabeledBatch, batch_idx: int = 0) -> None:
        """Log the losses and errors of a test batch."""
        self.evaluate_labeled(batch, "test")
