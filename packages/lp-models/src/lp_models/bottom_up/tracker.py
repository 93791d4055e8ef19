"""The bottom-up tracker."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray
from torch import Tensor

from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.geometry.affine import transform
from lp_core.geometry.targets import pixels_to_cells
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.bottom_up.grouping import LEAST_SCORE, Peaks, group, headings
from lp_models.bottom_up.options import BottomUpOptions
from lp_models.bottom_up.targets import make_targets
from lp_models.heatmap.head import check_sizes
from lp_models.peaks import between_cells, between_heights, find_peaks, nearest_peaks, peak_head

_SPARE = 2
"""Peaks per animal that are looked at, so that a second peak of one animal evicts no other."""


class Votes(NamedTuple):
    """The highest peaks of B images, in model px.

    Attributes:
        points: (B, K + 1, M, 2) peaks of each keypoint and, last, of the centres.
        scores: (B, K + 1, M) from 0 to 1.
        centres: (B, K, M, 2) what each peak of a keypoint votes for.
    """

    points: Float[Tensor, "images maps peaks 2"]
    scores: Float[Tensor, "images maps peaks"]
    centres: Float[Tensor, "images keypoints peaks 2"]


class BottomUpTracker(BaseSupervisedTracker):
    """Finds the keypoints of all animals of an image at once, and then which belong together.

    One map for each keypoint has a peak for each animal. At each cell, an offset points to the
    centre of the animal that the keypoint there is of; see `lp_models.bottom_up.grouping`. A
    keypoint that does not fit any animal is left out: NaN, with the confidence 0. The score of an
    animal is the mean confidence of its keypoints.

    Its ``keypoints_pred`` of labelled rows are the nearest peaks, for the pixel error that is
    logged; no loss may read them.

    Args:
        options: The tracker's options.
        **keywords: ``losses`` and ``optimization``, as in `BaseSupervisedTracker`.

    Raises:
        TrackerError: The image size, the backbone and the downsample factor do not fit together.
    """

    Options = BottomUpOptions
    options: BottomUpOptions
    instances = "many"
    target_kind = "keypoints"
    supervised_losses = ("peaks",)
    auxiliary_losses = ("offsets",)
    labeled_outputs = frozenset({"peaks_targ", "peaks_pred", "offsets_targ", "offsets_pred"})

    def __init__(self, options: BottomUpOptions, **keywords: Any) -> None:
        super().__init__(options, **keywords)
        doublings = check_sizes(options.image_size, self.backbone.stride, options.cell_size)
        K = self.num_keypoints
        self.head = peak_head(self.backbone.channels, doublings, peaks=K + 1, others=2 * K)

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(h, w) of the maps in cells."""
        height, width = self.options.image_size
        return height // self.options.cell_size, width // self.options.cell_size

    def forward(
        self, images: Tensor
    ) -> tuple[
        Float[Tensor, "images maps cells_y cells_x"],
        Float[Tensor, "images keypoints 2 cells_y cells_x"],
    ]:
        """Logits (N, K + 1, h, w) of peaks, and offsets in body lengths, of images (N, 3, H, W)."""
        maps = self.head(self.get_representations(images)).float()
        logits, offsets = maps.split([self.num_keypoints + 1, 2 * self.num_keypoints], dim=1)
        return logits, offsets.unflatten(1, (self.num_keypoints, 2))

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Maps, and for each labelled keypoint the peak that is nearest to it, in frame px."""
        logits, offsets = self(batch["images"])
        image = batch.get("image", torch.arange(len(logits), device=logits.device))
        targets = make_targets(batch, image, self.options)
        points = self._votes(logits, offsets).points[image, : self.num_keypoints]
        maps = batch["to_frame"][image]
        return {
            "peaks_targ": targets.peaks,
            "peaks_pred": logits,
            "offsets_targ": targets.offsets,
            "offsets_pred": offsets,
            "keypoints_targ": transform(batch["keypoints"], maps),
            "keypoints_pred": transform(nearest_peaks(points, batch["keypoints"]), maps),
        }

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """The animals of each image, the surest first: keypoints in frame px, confidences, scores.

        Animals are put together on the CPU.
        """
        logits, offsets = self(images_of(batch))
        votes = Votes(*(part.cpu() for part in self._votes(logits, offsets)))
        animals = [self._animals(*image) for image in zip(*votes, strict=True)]
        counts = torch.tensor([len(found) for found, _ in animals])
        image = torch.arange(len(animals)).repeat_interleave(counts).to(logits.device)
        points, confidences = (
            torch.from_numpy(np.concatenate(part)).to(logits.device)
            for part in zip(*animals, strict=True)
        )
        keypoints = transform(points, batch["to_frame"][image])
        return Prediction(keypoints, confidences, image, confidences.mean(dim=1))

    def _votes(self, logits: Tensor, offsets: Tensor) -> Votes:
        """The peaks of all maps, and what they vote for."""
        options, K = self.options, self.num_keypoints
        most, size = _SPARE * options.max_animals, options.image_size
        points, scores = find_peaks(logits, most, options.min_distance, size)
        cells = pixels_to_cells(points, size, self.heatmap_size)
        aims = between_cells(offsets.flatten(0, 1), cells[:, :K].flatten(0, 1))
        centres = points[:, :K] + options.body_length * aims.unflatten(0, (len(points), K))
        return Votes(points, between_heights(scores, cells), centres)

    def _animals(
        self,
        points: Float[Tensor, "maps peaks 2"],
        scores: Float[Tensor, "maps peaks"],
        centres: Float[Tensor, "keypoints peaks 2"],
    ) -> tuple[Float[ndarray, "animals keypoints 2"], Float[ndarray, "animals keypoints"]]:
        """The keypoints of the animals of an image in model px, and confidences."""
        options, K = self.options, self.num_keypoints
        places, heights = points.numpy(), scores.numpy()
        seen = heights >= LEAST_SCORE
        keypoint, peak = np.nonzero(seen[:K])
        votes, middles = (
            found.astype(np.float64) / options.body_length
            for found in (centres.numpy()[keypoint, peak], places[K, seen[K]])
        )
        aims = votes - places[keypoint, peak] / options.body_length
        told = None if options.shape is None else headings(aims, np.array(options.shape)[keypoint])
        peaks = Peaks(keypoint, votes, heights[keypoint, peak], told)
        chosen = group(
            peaks,
            middles,
            heights[K, seen[K]],
            keypoints=K,
            fewest=options.fewest_keypoints,
            most=options.max_animals,
        )
        missing = np.full((1, 2), np.nan, dtype=np.float32)  # number -1
        found = np.concatenate([places[keypoint, peak], missing])[chosen]
        return found, np.append(peaks.scores, np.float32(0))[chosen]
