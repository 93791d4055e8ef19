"""A tracker that reads three frames and gives the centroid of a map per keypoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.geometry.affine import transform
from lp_core.geometry.targets import cells_to_pixels
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker


@dataclass(frozen=True, kw_only=True)
class CentroidOptions(TrackerOptions):
    """Options of the tracker.

    Attributes:
        hidden: Channels of the head.
    """

    hidden: int = 24


class MapMeanTracker(BaseSupervisedTracker):
    """Neither target heatmaps nor the frames that a tracker of lp takes, and a loss of its own."""

    Options = CentroidOptions
    options: CentroidOptions
    context_frames = 3
    target_kind = "keypoints"
    supervised_losses = ("smooth_distance", "regression")
    labeled_outputs = frozenset({"keypoints_targ", "keypoints_pred", "confidences"})
    unlabeled_outputs = frozenset({"keypoints_pred", "confidences"})

    def __init__(self, options: CentroidOptions, **keywords: Any) -> None:
        super().__init__(options, **keywords)
        channels = self.backbone.channels
        self.mixing = nn.Conv3d(channels, options.hidden, (self.context_frames, 1, 1))
        self.maps = nn.Conv2d(options.hidden, self.num_keypoints, kernel_size=1)
        self.offsets = nn.Linear(options.hidden, 2 * self.num_keypoints)

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker]:
        return SemiSupervisedMapMeanTracker

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Keypoints (N, K, 2) in model px and confidences (N, K) of N windows of frames."""
        windows = self.get_representations(images).movedim(1, 2)
        with torch.autocast(images.device.type, enabled=False):
            mixed = self.mixing(windows.float()).squeeze(2).tanh()
            weights = self.maps(mixed).flatten(2).softmax(dim=-1)
            rows, columns = mixed.shape[2:]
            axes = torch.arange(columns), torch.arange(rows)
            cells = torch.stack(torch.meshgrid(*axes, indexing="xy"), dim=-1)
            cells = cells.flatten(0, 1).to(weights)
            centroids = (weights.unsqueeze(-1) * cells).sum(dim=2)
            shifts = self.offsets(mixed.mean(dim=(2, 3))).unflatten(1, (-1, 2))
        pixels = cells_to_pixels(centroids, (rows, columns), self.options.image_size)
        return pixels + 10 * shifts, weights.amax(dim=2)

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        images, to_frame = images_of(batch), batch["to_frame"]
        if images.ndim == 4:  # a clip, of which only the middles of windows are predicted
            to_frame = to_frame[1:-1]
        keypoints, confidences = self(images)
        return Prediction(transform(keypoints, to_frame), confidences)

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        keypoints, confidences = self.predict_step(batch)
        targets = transform(batch["keypoints"], batch["to_frame"])
        return {
            "keypoints_targ": targets,
            "keypoints_pred": keypoints,
            "confidences": confidences,
        }


class SemiSupervisedMapMeanTracker(SemiSupervisedTrackerMixin, MapMeanTracker):
    """The same, learning from unlabelled clips as well."""

    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> LossInputs:
        keypoints, confidences = self.predict_step(batch)
        return {"keypoints_pred": keypoints, "confidences": confidences}
