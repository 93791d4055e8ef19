"""The conditioned heatmap tracker and its semi-supervised twin."""

from __future__ import annotations

from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.errors import PoseError
from lp_core.losses.factory import Stage
from lp_core.poses import Skeleton
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.conditioned.maps import Condition, ConditionInput, ConditionMixing, condition_maps
from lp_models.conditioned.noise import with_conditions
from lp_models.conditioned.options import ConditionedOptions
from lp_models.heatmap.base import Maps
from lp_models.heatmap.tracker import HeatmapTracker


class ConditionedHeatmapTracker(HeatmapTracker):
    """A heatmap tracker that can be told about where the animal is that is meant.

    Maps of the condition are added to the image, as colours, and to its features. Without a
    condition, it looks for the animal in the middle, as the heatmap tracker does. In training it
    makes conditions from the labels.

    Args:
        options: The tracker's options.
        **keywords: ``losses`` and ``optimization``, as in `BaseSupervisedTracker`.
    """

    Options = ConditionedOptions
    options: ConditionedOptions
    condition = "pose"
    mirror: Tensor

    def __init__(self, options: ConditionedOptions, **keywords: Any) -> None:
        super().__init__(options, **keywords)
        self.condition_input = ConditionInput(self.num_keypoints)
        self.condition_mixing = ConditionMixing(self.backbone.channels)
        mirror = torch.tensor(_mirror(options.keypoint_names))
        self.register_buffer("mirror", mirror, persistent=False)

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker]:
        """The twin that also learns from unlabelled clips, without a condition."""
        return SemiSupervisedConditionedHeatmapTracker

    def forward(self, images: Tensor, condition: Condition | None = None) -> Maps:
        """Heatmaps (N, K, h, w), each with sum 1.

        Args:
            images: (N, 3, H, W), uint8 or 0 to 255.
            condition: (N, K, 2) model px, NaN where it is not known; None where nothing is.
        """
        options = self.options
        if condition is None:
            shape = (images.shape[0], self.num_keypoints, 2)
            condition = torch.full(shape, torch.nan, device=images.device)
        width = options.condition_width * max(options.image_size)
        maps = condition_maps(condition, options.image_size, width)
        colours, hidden = self.condition_input(maps, options.image_size)
        features = self.encode_normalized(self.normalization(images) + colours)
        heatmaps: Tensor = self.head(self.condition_mixing(features, hidden))
        return heatmaps

    def evaluate_labeled(self, batch: LabeledBatch, stage: Stage) -> Float[Tensor, ""]:
        """The supervised loss of a batch; in training, with random conditions if it has none."""
        if stage == "train" and "condition" not in batch:
            batch = with_conditions(batch, self.mirror, self.options)
        return super().evaluate_labeled(batch, stage)

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Heatmaps and keypoints, in frame px, both predicted and targeted.

        Args:
            batch: A labelled batch with ``heatmaps``, with or without a condition.
        """
        return self.labeled_inputs(self(batch["images"], batch.get("condition")), batch)

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences, of a labelled batch or a clip."""
        condition = cast("LabeledBatch", batch).get("condition")
        return self.decode(self(images_of(batch), condition), batch["to_frame"])


class SemiSupervisedConditionedHeatmapTracker(
    SemiSupervisedTrackerMixin, ConditionedHeatmapTracker
):
    """A conditioned heatmap tracker that also learns from unlabelled clips."""

    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> LossInputs:
        """Predicted heatmaps and keypoints, in frame px, of the T frames in their order."""
        return self.unlabeled_inputs(self(batch["frames"]), batch["to_frame"])


def _mirror(names: tuple[str, ...]) -> list[int]:
    """For each keypoint the one on the other side, where the names tell it."""
    try:
        skeleton = Skeleton(names).with_sides_by_name()
    except PoseError:  # not every name has its other side
        skeleton = Skeleton(names)
    return [int(place) for place in skeleton.mirror_permutation]
