"""The centroid tracker."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.geometry.affine import transform
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.centroid.options import CentroidOptions
from lp_models.centroid.peaks import Maps, find_peaks, peak_targets
from lp_models.heatmap.head import check_sizes

_WIDTH = 64
_FIRST_SCORE = 0.05
"""Scores of an untrained tracker: most of a frame shows no animal, and a start at one half would
spend the first steps on learning that."""


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
        self.head = _head(self.backbone.channels, doublings)

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the maps in cells."""
        height, width = self.options.image_size
        return height // self.options.cell_size, width // self.options.cell_size

    def forward(self, images: Tensor) -> Maps:
        """Logits (N, h, w) of images (N, 3, H, W), uint8 or 0 to 255."""
        maps: Tensor = self.head(self.get_representations(images))
        return maps.float().squeeze(1)

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Maps, and for each labelled row the peak that is nearest to it, in frame px."""
        logits, images = self(batch["images"]), len(batch["images"])
        image = batch.get("image", torch.arange(images, device=logits.device))
        labels = batch["keypoints"][:, 0]
        size = self.options.image_size
        targets = peak_targets(labels, image, images, size, self.heatmap_size)
        points, _ = self._peaks(logits)
        distance = torch.linalg.vector_norm(points[image] - labels.unsqueeze(1), dim=-1)
        nearest = distance.detach().nan_to_num().argmin(dim=1)
        chosen = points[image].take_along_dim(nearest[:, None, None], dim=1)
        maps = batch["to_frame"][image]
        return {
            "peaks_targ": targets,
            "peaks_pred": logits,
            "keypoints_targ": transform(batch["keypoints"], maps),
            "keypoints_pred": transform(chosen, maps),
        }

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Centroids (R, 1, 2) in frame px, ``max_animals`` of each image, with their scores."""
        points, scores = self._peaks(self(images_of(batch)))
        points = transform(points, batch["to_frame"])
        image = torch.arange(len(points), device=points.device).repeat_interleave(points.shape[1])
        scores = scores.flatten()
        return Prediction(points.flatten(0, 1).unsqueeze(1), scores.unsqueeze(1), image, scores)

    def _peaks(self, logits: Maps) -> tuple[Tensor, Tensor]:
        options = self.options
        return find_peaks(logits, options.max_animals, options.min_distance, options.image_size)


def _head(channels: int, doublings: int) -> nn.Sequential:
    """From features (B, C, rows, columns) to logits (B, 1, h, w), by doubling their size."""
    layers: list[nn.Module] = [nn.Conv2d(channels, _WIDTH, 3, padding=1), nn.ReLU()]
    for _ in range(doublings):
        layers += [nn.Conv2d(_WIDTH, 4 * _WIDTH, 1), nn.PixelShuffle(2), nn.ReLU()]
    last = nn.Conv2d(_WIDTH, 1, 3, padding=1)
    nn.init.constant_(last.bias, math.log(_FIRST_SCORE / (1 - _FIRST_SCORE)))  # type: ignore[arg-type]
    return nn.Sequential(*layers, last)
