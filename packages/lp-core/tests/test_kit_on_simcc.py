"""The conformance kit, on a third party's tracker that classifies x and y apart (SimCC)."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

from lp_core.batches import Prediction, images_of
from lp_core.geometry.affine import transform
from lp_core.geometry.targets import cells_to_pixels
from lp_core.testing.losses import TargetHeatmapLoss
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker

BINS = 2  # model px per bin


class SimCC(BaseSupervisedTracker):
    """One classification over columns and one over rows; the heatmap is their product.

    Its losses read the mean of the bins, its predictions are the middle of the best bin.
    """

    target_kind = "heatmaps"
    supervised_losses = ("target_heatmap",)
    labeled_outputs = frozenset(
        {"heatmaps_targ", "heatmaps_pred", "keypoints_targ", "keypoints_pred", "confidences"}
    )
    unlabeled_outputs = frozenset({"heatmaps_pred", "keypoints_pred", "confidences"})

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        rows, columns = (side // self.backbone.stride for side in options.image_size)
        height, width = self.heatmap_size
        self.mix = nn.Conv2d(self.backbone.channels, 8 * self.num_keypoints, 1)
        self.x = nn.Linear(8 * rows * columns, width)
        self.y = nn.Linear(8 * rows * columns, height)

    @classmethod
    def semi_supervised_class(cls):
        return SemiSimCC if cls is SimCC else None

    @property
    def heatmap_size(self):
        height, width = self.options.image_size
        return height // BINS, width // BINS

    def features(self, images):
        return self.get_representations(images)

    def profiles(self, images):
        features = self.mix(self.features(images)).unflatten(1, (self.num_keypoints, 8)).flatten(2)
        return self.x(features).float().softmax(-1), self.y(features).float().softmax(-1)

    def to_pixels(self, bins):
        return cells_to_pixels(bins, self.heatmap_size, self.options.image_size)

    def mean_bins(self, x, y):
        means = [(p * torch.arange(p.shape[-1], device=p.device)).sum(dim=-1) for p in (x, y)]
        return torch.stack(means, dim=-1)

    def best_bins(self, x, y):
        return torch.stack([x.argmax(dim=-1), y.argmax(dim=-1)], dim=-1).float()

    def confidence(self, x, y):
        return x.amax(dim=-1) * y.amax(dim=-1)

    def outputs(self, images, to_frame):
        x, y = self.profiles(images)
        return {
            "heatmaps_pred": y.unsqueeze(-1) * x.unsqueeze(-2),
            "keypoints_pred": transform(self.to_pixels(self.mean_bins(x, y)), to_frame),
            "confidences": self.confidence(x, y),
        }

    def get_loss_inputs_labeled(self, batch):
        return {
            **self.outputs(batch["images"], batch["to_frame"]),
            "heatmaps_targ": batch["heatmaps"],
            "keypoints_targ": transform(batch["keypoints"], batch["to_frame"]),
        }

    def predict_step(self, batch, batch_idx=0):
        x, y = self.profiles(images_of(batch))
        pixels = self.to_pixels(self.best_bins(x, y))
        return Prediction(transform(pixels, batch["to_frame"]), self.confidence(x, y))


class SemiSimCC(SemiSupervisedTrackerMixin, SimCC):
    def get_loss_inputs_unlabeled(self, batch):
        return self.outputs(batch["frames"], batch["to_frame"])


MUTANTS = []


def mutant(check, message):
    def register(tracker):
        MUTANTS.append(pytest.param(tracker, check, message, id=tracker.__name__))
        return tracker

    return register


@mutant("predicts_what_its_losses_see", "'nose' is where 'left_ear' should be")
class RolledAtPrediction(SimCC):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = super().predict_step(batch)
        return Prediction(keypoints.roll(-1, dims=1), confidences)


@mutant("predicts_what_its_losses_see", "they are shifted by")
class HalfABinAtPrediction(SimCC):
    def best_bins(self, x, y):
        return super().best_bins(x, y) + 0.5


@mutant("predicts_what_its_losses_see", "x and y are exchanged")
class ExchangedAtPrediction(SimCC):
    def best_bins(self, x, y):
        return super().best_bins(x, y).flip(-1)


@mutant("predicts_what_its_losses_see", "they are scaled by|model px apart")
class BinsAtPrediction(SimCC):
    def predict_step(self, batch, batch_idx=0):
        x, y = self.profiles(images_of(batch))
        return Prediction(transform(self.best_bins(x, y), batch["to_frame"]), self.confidence(x, y))


@mutant("reads_its_heatmaps_as_its_targets", "they are shifted by")
class HalfABinEverywhere(SimCC):
    def to_pixels(self, bins):
        return bins * BINS


@mutant("reads_its_heatmaps_as_its_targets", "they are scaled by")
class BinsEverywhere(SimCC):
    def to_pixels(self, bins):
        return bins


@mutant("reads_its_heatmaps_as_its_targets", "heatmaps_pred peak once it has learned: they are")
class TransposedForTheLoss(SimCC):
    def outputs(self, images, to_frame):
        outputs = super().outputs(images, to_frame)
        maps = nn.functional.interpolate(
            outputs["heatmaps_pred"].transpose(2, 3), self.heatmap_size, mode="nearest"
        )
        maps = maps / maps.sum(dim=(2, 3), keepdim=True)
        return {**outputs, "heatmaps_pred": maps}


@mutant("gives_its_labeled_outputs", r"shape \(3, 3, 32, 24\), not \(3, 3, 24, 32\)")
class ColumnsFirst(SimCC):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        return {**inputs, "heatmaps_pred": inputs["heatmaps_pred"].transpose(2, 3)}


@mutant("aims_its_heatmaps_at_its_labels", "heatmaps_targ do not peak at the labels: 'nose'")
class RolledTargets(SimCC):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        return {**inputs, "heatmaps_targ": inputs["heatmaps_targ"].roll(1, dims=1)}


@mutant("reads_its_heatmaps_as_its_targets", "heatmaps_pred peak.* is where")
class RolledForTheLoss(SimCC):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        return {**inputs, "heatmaps_pred": inputs["heatmaps_pred"].roll(1, dims=1)}


@mutant("keeps_confidences_in_range", "leave the range from 0 to 1 when it is sure")
class TooConfident(SimCC):
    def confidence(self, x, y):
        return 1.02 * super().confidence(x, y)


@mutant("keeps_confidences_in_range", "of predict_step leave the range")
class TooConfidentAtPrediction(SimCC):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = super().predict_step(batch)
        return Prediction(keypoints, confidences * 1.02)


@mutant("predicts_each_image_alone", "depends on the other images")
class LeaksBetweenImages(SimCC):
    def features(self, images):
        features = super().features(images)
        return features - 0.05 * features.mean(dim=0, keepdim=True)


@mutant("predicts_each_image_alone", "depends on the other images")
class RelativeConfidence(SimCC):
    def confidence(self, x, y):
        confidence = super().confidence(x, y)
        return confidence / confidence.amax(dim=0, keepdim=True).clamp_min(1e-9)


@mutant("marks_missing_labels", "keypoints_targ of a keypoint without a label are numbers")
class MissingAtTheOrigin(SimCC):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        return {**inputs, "keypoints_targ": inputs["keypoints_targ"].nan_to_num()}


@mutant("marks_missing_labels", "heatmaps_targ of a keypoint without a label are not 0")
class MissingHasATarget(SimCC):
    def add_targets(self, batch):
        known = {**batch, "keypoints": batch["keypoints"].nan_to_num()}
        known["visibility"] = torch.full_like(batch["visibility"], 2)
        return {**super().add_targets(known), "keypoints": batch["keypoints"]}


@mutant("gives_its_labeled_outputs", "each map of heatmaps_pred .* must sum to 1")
class Logits(SimCC):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        return {**inputs, "heatmaps_pred": 10 * inputs["heatmaps_pred"]}


@mutant("leaves_its_batch_alone", "changes 'to_frame' of its batch")
class WritesIntoTheBatch(SimCC):
    def predict_step(self, batch, batch_idx=0):
        batch["to_frame"][..., 2] += 1
        return super().predict_step(batch)


@mutant("leaves_its_batch_alone", "changes 'extra' of its batch")
class AddsToTheBatch(SimCC):
    def predict_step(self, batch, batch_idx=0):
        batch["extra"] = images_of(batch).float()
        return super().predict_step(batch)


@mutant("leaves_its_batch_alone", "changes 'images' of its batch")
class ReplacesTheImages(SimCC):
    def get_loss_inputs_labeled(self, batch):
        batch["images"].fill_(0)
        return super().get_loss_inputs_labeled(batch)


@mutant("stays_on_its_device", "mixes tensors of two devices")
class BinsOnTheCPU(SimCC):
    def mean_bins(self, x, y):
        means = [(p * torch.arange(p.shape[-1])).sum(dim=-1) for p in (x, y)]
        return torch.stack(means, dim=-1)


@mutant("stays_on_its_device", "copies a tensor of shape .* from the CPU")
class BinsFromTheCPU(SimCC):
    def mean_bins(self, x, y):
        means = [(p * torch.arange(p.shape[-1]).to(p)).sum(dim=-1) for p in (x, y)]
        return torch.stack(means, dim=-1)


@mutant("gives_differentiable_outputs", "keypoints_pred of an unlabelled clip is not differ")
class DetachedTwin(SemiSimCC):
    def get_loss_inputs_unlabeled(self, batch):
        outputs = super().get_loss_inputs_unlabeled(batch)
        return {key: value.detach() for key, value in outputs.items()}


@mutant("gives_differentiable_outputs", "of an unlabelled clip is not differentiable: no gradient")
class FrozenFeaturesInTheTwin(SemiSimCC):
    def get_loss_inputs_unlabeled(self, batch):
        whole = self.features
        self.features = lambda images: whole(images).detach()
        try:
            return super().get_loss_inputs_unlabeled(batch)
        finally:
            del self.features


@mutant("gives_differentiable_outputs", "keypoints_pred of a labelled batch is not differentiable")
class HardBinsForTheLoss(SimCC):
    def mean_bins(self, x, y):
        return self.best_bins(x, y)


@mutant("gives_clips_what_it_gives_images", "'nose' is where 'left_ear' should be")
class RolledInTheTwin(SemiSimCC):
    def get_loss_inputs_unlabeled(self, batch):
        outputs = super().get_loss_inputs_unlabeled(batch)
        return {**outputs, "keypoints_pred": outputs["keypoints_pred"].roll(-1, dims=1)}


@mutant("gives_its_losses_frame_px", "not in frame px")
class ReversedTwin(SemiSimCC):
    def get_loss_inputs_unlabeled(self, batch):
        return self.outputs(batch["frames"].flip(0), batch["to_frame"].flip(0))


@mutant("gives_clips_what_it_gives_images", "row 0 has the keypoints of row")
class ReversedFrames(SemiSimCC):
    def get_loss_inputs_unlabeled(self, batch):
        return self.outputs(batch["frames"].flip(0), batch["to_frame"])


@pytest.mark.parametrize("tracker", [SimCC, SemiSimCC])
def test_the_sound_tracker_passes(tracker, verdict):
    assert verdict(tracker, [TargetHeatmapLoss]) == {}


@pytest.mark.parametrize(("tracker", "check", "message"), MUTANTS)
def test_each_mutant_is_named_by_one_check(tracker, check, message, verdict, every_check):
    found = verdict(tracker, [TargetHeatmapLoss], None if every_check else check)
    assert list(found) == [check], found
    assert re.search(message, found[check]), found[check]
