"""The conformance kit, on a third party's query decoder: attention, and coordinates regressed."""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lp_core.batches import Prediction, images_of
from lp_core.geometry.affine import transform
from lp_core.losses.contract import Loss, LossValue
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker


class Distance(Loss):
    """In shares of the frame, with a confidence that learns where it is right."""

    name = "relative_distance"
    requires = frozenset({"keypoints_targ", "keypoints_pred", "confidences"})
    supervised = True

    def forward(self, inputs):
        targets = inputs["keypoints_targ"]
        labeled = targets.isfinite().all(dim=-1)
        errors = inputs["keypoints_pred"] - targets.nan_to_num()
        squares = torch.where(labeled, errors.square().sum(dim=-1) / 1000, 0.0)
        right = (squares.detach() < 0.1).float()
        unsure = torch.where(labeled, (inputs["confidences"] - right).square(), 0.0)
        return LossValue((squares + unsure).sum() / labeled.sum().clamp_min(1))


def positions(rows, columns, channels, device):
    """Sines and cosines of the place of each feature cell, (rows * columns, channels)."""
    rates = torch.arange(1, channels // 4 + 1, device=device)
    sides = (torch.arange(n, device=device) / n for n in (rows, columns))
    y, x = (side.unsqueeze(1) * rates for side in sides)
    y, x = (torch.cat([axis.sin(), axis.cos()], dim=1) for axis in (y, x))
    grid = [y.unsqueeze(1).expand(-1, columns, -1), x.unsqueeze(0).expand(rows, -1, -1)]
    return torch.cat(grid, dim=-1).flatten(0, 1)


class Queries(BaseSupervisedTracker):
    """One learned query per keypoint attends to the cells of three frames, with dropout."""

    target_kind = "keypoints"
    context_frames = 3
    supervised_losses = ("relative_distance",)
    labeled_outputs = frozenset({"keypoints_targ", "keypoints_pred", "confidences"})
    unlabeled_outputs = frozenset({"keypoints_pred", "confidences"})

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.width = 32
        self.project = nn.Conv2d(self.backbone.channels, self.width, 1)
        self.norm = nn.BatchNorm2d(self.width)
        self.queries = nn.Parameter(torch.randn(self.num_keypoints, self.width))
        self.attention = nn.MultiheadAttention(self.width, 2, dropout=0.1, batch_first=True)
        self.drop = nn.Dropout(0.1)
        self.hidden = nn.Linear(self.width * self.context_frames, self.width)
        self.point = nn.Linear(self.width, 2)
        self.trust = nn.Linear(self.width, 1)
        nn.init.zeros_(self.point.weight)

    @classmethod
    def semi_supervised_class(cls):
        return SemiQueries if cls is Queries else None

    def windows(self, images):
        return self.get_representations(images)

    def attend(self, frames):
        """(N, K, width) of feature maps (N, C, h, w)."""
        maps = self.norm(self.project(frames))
        tokens = maps.flatten(2).transpose(1, 2) + positions(
            *maps.shape[2:], self.width, maps.device
        )
        queries = self.queries.expand(len(tokens), -1, -1)
        return self.attention(queries, tokens, tokens, need_weights=False)[0]

    def see(self, images):
        """Keypoints (N, K, 2) in model px, and confidences."""
        windows = self.windows(images)
        seen = self.attend(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        hidden = self.drop(F.gelu(self.hidden(seen.transpose(1, 2).flatten(2)))).float()
        with torch.autocast("cpu", enabled=False):
            return self.place(self.point(hidden).sigmoid()), self.confidence(hidden)

    def confidence(self, hidden):
        return self.trust(hidden).squeeze(-1).sigmoid()

    def place(self, shares):
        height, width = self.options.image_size
        size = torch.cat([shares.new_full((1,), side) for side in (width, height)])
        return shares * size - 0.5

    def maps(self, batch):
        return batch["to_frame"][1:-1] if "frames" in batch else batch["to_frame"]

    def outputs(self, batch):
        keypoints, confidences = self.see(images_of(batch))
        return {
            "keypoints_pred": transform(keypoints, self.maps(batch)),
            "confidences": confidences,
        }

    def get_loss_inputs_labeled(self, batch):
        targets = transform(batch["keypoints"], batch["to_frame"])
        return {**self.outputs(batch), "keypoints_targ": targets}

    def predict_step(self, batch, batch_idx=0):
        outputs = self.outputs(batch)
        return Prediction(outputs["keypoints_pred"], outputs["confidences"])


class SemiQueries(SemiSupervisedTrackerMixin, Queries):
    def get_loss_inputs_unlabeled(self, batch):
        return self.outputs(batch)


MUTANTS = []


def mutant(check, message):
    def register(tracker):
        MUTANTS.append(pytest.param(tracker, check, message, id=tracker.__name__))
        return tracker

    return register


def in_model_px(batch):
    identity = torch.eye(3)[:2].repeat(len(batch["to_frame"]), 1, 1)
    return {**batch, "to_frame": identity}


@mutant("predicts_what_its_losses_see", "'nose' is where 'left_ear' should be")
class RolledAtPrediction(Queries):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = super().predict_step(batch)
        return Prediction(keypoints.roll(-1, dims=1), confidences)


@mutant("predicts_what_its_losses_see", r"they are shifted by \(4.00, 4.00\) model px")
class HalfACellAtPrediction(Queries):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = self.see(images_of(batch))
        return Prediction(transform(keypoints + 4, self.maps(batch)), confidences)


@mutant("predicts_what_its_losses_see", "x and y are exchanged")
class ExchangedAtPrediction(Queries):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = self.see(images_of(batch))
        return Prediction(transform(keypoints.flip(-1), self.maps(batch)), confidences)


@mutant("predicts_what_its_losses_see", "they are shifted by|they are scaled by")
class SquareAtPrediction(Queries):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = self.see(images_of(batch))
        squared = (keypoints + 0.5) * torch.tensor([48 / 64, 64 / 48]) - 0.5
        return Prediction(transform(squared, self.maps(batch)), confidences)


@mutant("predicts_each_image_alone", "depends on the other images")
class RowsAtPrediction(Queries):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = self.see(images_of(batch))
        order = torch.arange(len(keypoints)).roll(1) if "images" in batch else slice(None)
        return Prediction(transform(keypoints[order], self.maps(batch)), confidences)


@mutant("predicts_what_its_losses_see", "model px apart once it has learned|they are")
class SeesItsLabels(Queries):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        known = inputs["keypoints_targ"].nan_to_num()
        return {**inputs, "keypoints_pred": inputs["keypoints_pred"] * 0.02 + known * 0.98}


@mutant("keeps_confidences_in_range", "leave the range from 0 to 1")
class TooConfident(Queries):
    def confidence(self, hidden):
        return 1.02 * super().confidence(hidden)


@mutant("keeps_confidences_in_range", "leave the range from 0 to 1")
class NegativeConfidence(Queries):
    def confidence(self, hidden):
        return super().confidence(hidden) - 0.01


@mutant("predicts_each_image_alone", "depends on the other images")
class LeaksBetweenImages(Queries):
    def windows(self, images):
        windows = super().windows(images)
        return windows - 0.05 * windows.mean(dim=0, keepdim=True)


@mutant("predicts_each_image_alone", "depends on the other images")
class AlwaysOfTheBatch(Queries):
    def attend(self, frames):
        self.norm.train()
        return super().attend(frames)


@mutant("predicts_the_same_twice", "differently the second time")
class AlwaysDrops(Queries):
    def see(self, images):
        self.drop.train()
        return super().see(images)


@mutant("gives_differentiable_outputs", "keypoints_pred of an unlabelled clip is not differ")
class DetachedTwin(SemiQueries):
    def get_loss_inputs_unlabeled(self, batch):
        outputs = super().get_loss_inputs_unlabeled(batch)
        return {key: value.detach() for key, value in outputs.items()}


@mutant("gives_differentiable_outputs", "keypoints_pred of an unlabelled clip is not differ")
class TwinWithoutGradient(SemiQueries):
    @torch.no_grad()
    def get_loss_inputs_unlabeled(self, batch):
        return super().get_loss_inputs_unlabeled(batch)


@mutant("gives_differentiable_outputs", "no gradient reaches the backbone")
class FrozenBackbone(Queries):
    def windows(self, images):
        return super().windows(images).detach()


@mutant("marks_missing_labels", "keypoints_targ of a keypoint without a label are numbers")
class MissingAtTheOrigin(Queries):
    def get_loss_inputs_labeled(self, batch):
        known = {**batch, "keypoints": batch["keypoints"].nan_to_num()}
        return super().get_loss_inputs_labeled(known)


@mutant("marks_missing_labels", "a label that is missing makes keypoints_pred NaN")
class PoisonedByMissing(Queries):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        poisoned = inputs["keypoints_pred"] + 0 * inputs["keypoints_targ"]
        return {**inputs, "keypoints_pred": poisoned}


@mutant("leaves_its_batch_alone", "changes 'keypoints' of its batch")
class FillsMissingLabelsIn(Queries):
    def get_loss_inputs_labeled(self, batch):
        batch["keypoints"] += 0.5
        return super().get_loss_inputs_labeled(batch)


@mutant("leaves_its_batch_alone", "changes 'frames' of its batch")
class TurnsTheClip(SemiQueries):
    def get_loss_inputs_unlabeled(self, batch):
        batch["frames"] = batch["frames"].flip(-1)
        return super().get_loss_inputs_unlabeled(batch)


@mutant("looks_at_the_labeled_frame", "does not depend on the frame that has the label")
class FirstFrameOnly(Queries):
    def windows(self, images):
        windows = super().windows(images)
        return windows[:, :1].expand_as(windows)


@mutant("predicts_clips_as_images", "differently from the same image in a labelled batch")
class ClipBackwards(Queries):
    def windows(self, images):
        windows = super().windows(images)
        return windows.flip(1) if images.ndim == 4 else windows


@mutant("predicts_clips_as_images", "differently from the same image in a labelled batch")
class ReadsLabelsToPredict(Queries):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = super().predict_step(batch)
        if "keypoints" in batch:
            known = transform(batch["keypoints"], batch["to_frame"])
            keypoints = keypoints + 0.5 * (known - keypoints)
        return Prediction(keypoints, confidences)


@mutant("predicts_in_frame_px", "does not bring keypoints to frame px")
class MapsOfTheFirstFrames(Queries):
    def predict_step(self, batch, batch_idx=0):
        keypoints, confidences = self.see(images_of(batch))
        return Prediction(transform(keypoints, batch["to_frame"][: len(keypoints)]), confidences)


@mutant("predicts_every_form_of_batch", "raised IndexError: list index out of range")
class Crashes(Queries):
    def predict_step(self, batch, batch_idx=0):
        raise IndexError("list index out of range")


@mutant("teaches_every_parameter", "'trust.weight' never gets a gradient")
class UntaughtConfidence(Queries):
    def confidence(self, hidden):
        return super().confidence(hidden).detach()


@mutant("teaches_every_parameter", "its optimiser does not hold the parameter")
class ForgetsItsHead(Queries):
    def configure_optimizers(self):
        return {"optimizer": torch.optim.Adam(self.backbone.parameters(), lr=1e-3)}


@mutant("stays_on_its_device", "waits for the device to tell a value")
class LooksAtAValue(Queries):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        if inputs["confidences"].mean() > 2:
            raise ValueError("too confident")
        return inputs


@mutant("stays_on_its_device", "the shape of a result depends on values")
class IndexesByACondition(Queries):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        sure = inputs["confidences"][inputs["confidences"] > 0.5]
        return {**inputs, "confidences": inputs["confidences"] + 0 * sure.sum()}


@mutant("stays_on_its_device", "it logs 'mean_confidence' from elsewhere than its device")
class LogsANumber(Queries):
    def get_loss_inputs_labeled(self, batch):
        if self.training:
            self.log("mean_confidence", 0.5)
        return super().get_loss_inputs_labeled(batch)


@mutant("works_in_bfloat16", "rounded to bfloat16")
class CoarseCoordinates(Queries):
    def see(self, images):
        keypoints, confidences = super().see(images)
        if torch.is_autocast_enabled("cpu"):
            keypoints = keypoints.bfloat16().float()
        return keypoints, confidences


@pytest.mark.parametrize("tracker", [Queries, SemiQueries])
def test_the_sound_tracker_passes(tracker, verdict):
    assert verdict(tracker, [Distance]) == {}


@pytest.mark.parametrize(("tracker", "check", "message"), MUTANTS)
def test_each_mutant_is_named_by_one_check(tracker, check, message, verdict, every_check):
    found = verdict(tracker, [Distance], None if every_check else check)
    assert list(found) == [check], found
    assert re.search(message, found[check]), found[check]
