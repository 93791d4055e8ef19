"""The conformance kit, on a third party's convolutional heatmap head with batch normalisation."""

from __future__ import annotations

import random
import re

import pytest
import torch
from torch import nn

from lp_core.batches import Prediction, images_of
from lp_core.geometry.affine import transform
from lp_core.geometry.decoding import decode_heatmaps
from lp_core.testing.losses import TargetHeatmapLoss
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker

CELL = 4


class Maps(BaseSupervisedTracker):
    """Two heads, of which the more confident one predicts; the second one drops out."""

    target_kind = "heatmaps"
    supervised_losses = ("target_heatmap",)
    labeled_outputs = frozenset(
        {"heatmaps_targ", "heatmaps_pred", "keypoints_targ", "keypoints_pred", "confidences"}
    )
    unlabeled_outputs = frozenset({"heatmaps_pred", "keypoints_pred", "confidences"})

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.cells = self.backbone.stride // CELL
        self.heads = nn.ModuleList([self.head(0.0), self.head(0.2)])

    def head(self, dropped):
        return nn.Sequential(
            nn.Conv2d(self.backbone.channels, 48, 3, padding=1),
            nn.BatchNorm2d(48),
            nn.GELU(),
            nn.Dropout2d(dropped),
            nn.Conv2d(48, self.num_keypoints * self.cells**2, 1),
            nn.PixelShuffle(self.cells),
        )

    @classmethod
    def semi_supervised_class(cls):
        return SemiMaps if cls is Maps else None

    @property
    def heatmap_size(self):
        height, width = self.options.image_size
        return height // CELL, width // CELL

    def heatmaps(self, images):
        features = self.get_representations(images)
        return [head(features).float().flatten(2).softmax(-1) for head in self.heads]

    def decode(self, maps):
        return decode_heatmaps(maps, self.options.image_size)

    def outputs(self, images, to_frame):
        heads = []
        for flat in self.heatmaps(images):
            maps = flat.unflatten(2, self.heatmap_size)
            keypoints, confidences = self.decode(maps)
            heads.append(
                {
                    "heatmaps_pred": maps,
                    "keypoints_pred": transform(keypoints, to_frame),
                    "confidences": confidences,
                }
            )
        return heads

    def get_loss_inputs_labeled(self, batch):
        targets = transform(batch["keypoints"], batch["to_frame"])
        both = {"heatmaps_targ": batch["heatmaps"], "keypoints_targ": targets}
        return [{**head, **both} for head in self.outputs(batch["images"], batch["to_frame"])]

    def predict_step(self, batch, batch_idx=0):
        one, two = self.outputs(images_of(batch), batch["to_frame"])
        better = one["confidences"] > two["confidences"]
        return Prediction(
            torch.where(better[..., None], one["keypoints_pred"], two["keypoints_pred"]),
            torch.where(better, one["confidences"], two["confidences"]),
        )


class SemiMaps(SemiSupervisedTrackerMixin, Maps):
    def get_loss_inputs_unlabeled(self, batch):
        return self.outputs(batch["frames"], batch["to_frame"])


MUTANTS = []


def mutant(check, message):
    def register(tracker):
        MUTANTS.append(pytest.param(tracker, check, message, id=tracker.__name__))
        return tracker

    return register


@mutant("predicts_what_its_losses_see", "'nose' is where 'left_ear' should be")
class RolledAtPrediction(Maps):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = super().predict_step(batch)
        return Prediction(keypoints.roll(-1, dims=1), confidences)


@mutant("reads_its_heatmaps_as_its_targets", r"they are shifted by \(2.\d+, 2.\d+\)|\(1.9\d*, ")
class CentresAreCorners(Maps):
    def decode(self, maps):
        keypoints, confidences = super().decode(maps)
        return keypoints + CELL / 2, confidences


@mutant("reads_its_heatmaps_as_its_targets", "heatmaps_pred peak once it has learned: ")
class TransposedForTheLoss(Maps):
    def get_loss_inputs_labeled(self, batch):
        heads = super().get_loss_inputs_labeled(batch)
        for head in heads:
            maps = head["heatmaps_pred"]
            head["heatmaps_pred"] = maps.flatten(2).unflatten(2, maps.shape[:1:-1]).transpose(2, 3)
        return heads


@mutant("reads_its_heatmaps_as_its_targets", "heatmaps_pred peak once it has learned: 'nose'")
class RolledForTheLoss(Maps):
    def get_loss_inputs_labeled(self, batch):
        heads = super().get_loss_inputs_labeled(batch)
        return [{**head, "heatmaps_pred": head["heatmaps_pred"].roll(1, dims=1)} for head in heads]


@mutant("aims_its_heatmaps_at_its_labels", "heatmaps_targ do not peak at the labels")
class TargetsOfOtherRows(Maps):
    def get_loss_inputs_labeled(self, batch):
        heads = super().get_loss_inputs_labeled(batch)
        return [{**head, "heatmaps_targ": head["heatmaps_targ"].roll(1, dims=0)} for head in heads]


@mutant("gives_its_labeled_outputs", "keypoints_targ is not in frame px")
class TargetsInModelPx(Maps):
    def get_loss_inputs_labeled(self, batch):
        heads = super().get_loss_inputs_labeled(batch)
        return [{**head, "keypoints_targ": batch["keypoints"]} for head in heads]


@mutant("predicts_each_image_alone", "depends on the other images")
class StandardisedOverTheBatch(Maps):
    def get_representations(self, images):
        features = super().get_representations(images)
        return features / features.std(dim=(0, 2, 3), keepdim=True)


@mutant("repeats_itself", "two runs with one seed differ")
class OwnGenerator(Maps):
    seeds = iter(range(10_000))

    def heatmaps(self, images):
        maps = super().heatmaps(images)
        if not self.training:
            return maps
        power = 1 + random.Random(next(self.seeds)).random()
        return [(flat**power) / (flat**power).sum(dim=-1, keepdim=True) for flat in maps]


@mutant("keeps_its_state", "its state is lost")
class StateLost(Maps):
    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.steps = 0

    def decode(self, maps):
        self.steps += self.training
        keypoints, confidences = super().decode(maps)
        return keypoints, confidences / (1 + self.steps)


@mutant("lowers_its_loss", "its loss does not fall")
class NeverLearns(Maps):
    def configure_optimizers(self):
        return {"optimizer": torch.optim.SGD(self.parameters(), lr=0.0)}


@pytest.mark.parametrize("tracker", [Maps, SemiMaps])
def test_the_sound_tracker_passes(tracker, verdict):
    assert verdict(tracker, [TargetHeatmapLoss]) == {}


@pytest.mark.parametrize(("tracker", "check", "message"), MUTANTS)
def test_each_mutant_is_named_by_one_check(tracker, check, message, verdict, every_check):
    found = verdict(tracker, [TargetHeatmapLoss], None if every_check else check)
    assert list(found) == [check], found
    assert re.search(message, found[check]), found[check]
