"""The centroid tracker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.errors import TrackerError
from lp_core.geometry.affine import transform
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.heatmap.head import check_sizes
from lp_models.peaks import (
    Maps,
    PeakOptions,
    find_peaks,
    nearest_peaks,
    nearest_points,
    peak_head,
    peak_targets,
)


@dataclass(frozen=True, kw_only=True)
class CentroidOptions(PeakOptions):
    """Options of the centroid tracker: those of all that find peaks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_keypoints != 1:
            raise TrackerError(
                f"a centroid tracker finds one point of each animal, not {self.num_keypoints}",
                remedy="give it the centroids of lp_core.poses.centroids",
            )


class CentroidTracker(BaseSupervisedTracker):
    """Finds the centroid of every animal in an image, however many there are.

    It predicts ``max_animals`` rows for each image, those without a peak with the score 0: see
    `lp_core.batches.Prediction`.

    Args:
        options: The tracker's options.
        **keywords: ``losses`` and ``optimization``, as in `BaseSupervisedTracker`.

    Raises:
        TrackerError: The image size, the backbone and the downsample factor do not fit together.
    """

    Options = CentroidOptions
    options: CentroidOptions
    instances = "many"
    learns = "centroids"
    target_kind = "keypoints"
    supervised_losses = ("peaks",)
    labeled_outputs = frozenset({"peaks_targ", "peaks_pred", "keypoints_targ", "keypoints_pred"})

    def __init__(self, options: CentroidOptions, **keywords: Any) -> None:
        super().__init__(options, **keywords)
        doublings = check_sizes(options.image_size, self.backbone.stride, options.cell_size)
        self.head = peak_head(self.backbone.channels, doublings, peaks=1)

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the maps in cells."""
        height, width = self.options.image_size
        return height // self.options.cell_size, width // self.options.cell_size

    def forward(self, images: Tensor) -> Maps:
        """Logits (N, 1, h, w) of images (N, 3, H, W), uint8 or 0 to 255."""
        maps: Tensor = self.head(self.get_representations(images))
        return maps.float()

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Maps, and for each labelled row the peak that is nearest to it, in frame px."""
        logits, images = self(batch["images"]), batch["images"].shape[0]
        image = batch.get("image", torch.arange(images, device=logits.device))
        labels, size = batch["keypoints"], self.options.image_size
        near = nearest_points(labels, image, images, size, self.heatmap_size)
        points, _ = self._peaks(logits)
        maps = batch["to_frame"][image]
        return {
            "peaks_targ": peak_targets(near),
            "peaks_pred": logits,
            "keypoints_targ": transform(batch["keypoints"], maps),
            "keypoints_pred": transform(nearest_peaks(points[image], labels), maps),
        }

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Centroids (R, 1, 2) in frame px, ``max_animals`` of each image, with their scores."""
        points, scores = (found[:, 0] for found in self._peaks(self(images_of(batch))))
        points = transform(points, batch["to_frame"])
        image = torch.arange(points.shape[0], device=points.device).repeat_interleave(
            points.shape[1]
        )
        scores = scores.flatten()
        return Prediction(points.flatten(0, 1).unsqueeze(1), scores.unsqueeze(1), image, scores)

    def _peaks(self, logits: Maps) -> tuple[Tensor, Tensor]:
        options = self.options
        return find_peaks(logits, options.max_animals, options.min_distance, options.image_size)
