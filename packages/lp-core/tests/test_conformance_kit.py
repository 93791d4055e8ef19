"""The conformance kit passes a sound tracker, and names the defect of each broken one."""

from __future__ import annotations

import random
import time
from dataclasses import replace

import pytest
import torch
from torch import nn

from lp_core.batches import Prediction, images_of
from lp_core.geometry.affine import transform
from lp_core.losses.contract import Loss, LossValue
from lp_core.testing import CHECKS, ConformanceError, PremiseError, Subject, check_tracker
from lp_core.testing.toy import ToyProblem, frame_maps
from lp_core.trackers.options import TrackerOptions
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker


class Distance(Loss):
    name = "distance"
    requires = frozenset({"keypoints_targ", "keypoints_pred"})
    supervised = True

    def forward(self, inputs):
        targets = inputs["keypoints_targ"]
        labeled = targets.isfinite()
        errors = inputs["keypoints_pred"] - torch.where(labeled, targets, 0.0)
        total = torch.where(labeled, errors.square(), 0.0).sum()
        return LossValue(total / labeled.sum().clamp_min(1))


class Sound(BaseSupervisedTracker):
    """A little tracker on lp-core alone: the mean position under a map per keypoint."""

    target_kind = "keypoints"
    supervised_losses = ("distance",)
    labeled_outputs = frozenset({"keypoints_targ", "keypoints_pred"})
    unlabeled_outputs = frozenset({"keypoints_pred"})

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.maps = nn.Conv2d(self.backbone.channels, self.num_keypoints, 1)
        self.shift = nn.Linear(self.backbone.channels, 2 * self.num_keypoints)

    @classmethod
    def semi_supervised_class(cls):
        return SemiSound if cls is Sound else None

    def in_model_px(self, images):
        features = self.get_representations(images).float()
        with torch.autocast("cpu", enabled=False):
            weights = self.maps(features).flatten(2).softmax(2)
            rows, columns = features.shape[2:]
            axes = (torch.arange(n, device=features.device) for n in (columns, rows))
            grid = torch.stack(torch.meshgrid(*axes, indexing="xy"), dim=-1)
            means = (weights @ grid.reshape(-1, 2).float() + 0.5) * self.backbone.stride - 0.5
            shift = self.shift(features.mean(dim=(2, 3))).unflatten(1, (-1, 2))
        return means + 10 * shift

    def keypoints(self, batch):
        return transform(self.in_model_px(images_of(batch)), batch["to_frame"])

    def get_loss_inputs_labeled(self, batch):
        targets = transform(batch["keypoints"], batch["to_frame"])
        return {"keypoints_targ": targets, "keypoints_pred": self.keypoints(batch)}

    def predict_step(self, batch, batch_idx=0):
        keypoints = self.keypoints(batch)
        return Prediction(keypoints, torch.ones(keypoints.shape[:2]))


class SemiSound(SemiSupervisedTrackerMixin, Sound):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": self.keypoints(batch)}


class WrongShape(Sound):
    def predict_step(self, batch, batch_idx=0):
        prediction = super().predict_step(batch)
        return Prediction(prediction.keypoints.flatten(1), prediction.confidences)


class HardArgmax(Sound):
    def in_model_px(self, images):
        return super().in_model_px(images).round()


class Detached(SemiSound):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": self.keypoints(batch).detach()}


class DeadParameter(Sound):
    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.forgotten = nn.Linear(3, 3)


class MissingOutputKey(Sound):
    labeled_outputs = Sound.labeled_outputs | {"confidences"}


class NonDeterministic(Sound):
    def in_model_px(self, images):
        noise = random.Random(time.monotonic_ns()).gauss(0, 5)
        return super().in_model_px(images) + noise


class StateLost(Sound):
    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.offset = torch.zeros(())

    def in_model_px(self, images):
        if self.training:
            self.offset = self.offset + 1
        return super().in_model_px(images) + self.offset


class ModelPixels(Sound):
    def predict_step(self, batch, batch_idx=0):
        keypoints = self.in_model_px(images_of(batch))
        return Prediction(keypoints, torch.ones(keypoints.shape[:2]))


class FirstMapForAll(Sound):
    def keypoints(self, batch):
        return transform(self.in_model_px(images_of(batch)), batch["to_frame"][0])


class CoarseUnderAutocast(Sound):
    def keypoints(self, batch):
        maps = batch["to_frame"]
        points = self.in_model_px(images_of(batch))
        return points @ maps[..., :2].transpose(1, 2) + maps[..., 2].unsqueeze(1)


class PoisonedByMissingLabels(Sound):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        centre = inputs["keypoints_targ"].mean(dim=1, keepdim=True)
        return {**inputs, "keypoints_pred": inputs["keypoints_pred"] + 0 * centre}


class LabelsAtTheOrigin(Sound):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        return {**inputs, "keypoints_targ": inputs["keypoints_targ"].nan_to_num()}


class ModelPixelsForLosses(Sound):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        return {**inputs, "keypoints_pred": self.in_model_px(batch["images"])}


class ModelPixelsOfClips(SemiSound):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": self.in_model_px(batch["frames"])}


class ChangesItsBatch(Sound):
    def keypoints(self, batch):
        batch["to_frame"] *= 1.001
        return super().keypoints(batch)


class NeverLearns(Sound):
    def configure_optimizers(self):
        return {"optimizer": torch.optim.SGD(self.parameters(), lr=0.0)}


class UndefinedPrediction(BaseSupervisedTracker):
    supervised_losses = ("distance",)

    def get_loss_inputs_labeled(self, batch):
        return {}


class UnknownOutput(Sound):
    labeled_outputs = Sound.labeled_outputs | {"keypoints_3d"}


class EvenContext(Sound):
    context_frames = 4


class MixinLast(Sound, SemiSupervisedTrackerMixin):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": self.keypoints(batch)}


class BadTwin(Sound):
    @classmethod
    def semi_supervised_class(cls):
        return MixinLast


class DropsFrames(SemiSound):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": self.keypoints(batch)[1:]}


class WholeBatchMatters(Sound):
    def in_model_px(self, images):
        points = super().in_model_px(images)
        return points - points.mean(dim=0)


class Crashes(Sound):
    def predict_step(self, batch, batch_idx=0):
        raise IndexError("list index out of range")


class Animals(Sound):
    """Two animals in every image; each labelled row learns from the nearer one."""

    instances = "many"

    def __init__(self, options, **keywords):
        super().__init__(options, **keywords)
        self.other = nn.Conv2d(self.backbone.channels, self.num_keypoints, 1)

    @classmethod
    def semi_supervised_class(cls):
        return SemiAnimals if cls is Animals else None

    def in_frame_px(self, images, to_frame):
        """Animals (N, 2, K, 2)."""
        first = self.in_model_px(images)
        mine, self.maps, self.other = self.maps, self.other, self.maps
        second = self.in_model_px(images)
        self.other, self.maps = self.maps, mine
        return transform(torch.stack([first, second], dim=1), to_frame.unsqueeze(1))

    def get_loss_inputs_labeled(self, batch):
        targets = transform(batch["keypoints"], batch["to_frame"][batch["image"]])
        animals = self.in_frame_px(batch["images"], batch["to_frame"])[batch["image"]]
        errors = (animals.detach() - targets.unsqueeze(1)).nan_to_num().square().sum(dim=(2, 3))
        nearer = errors.argmin(dim=1).view(-1, 1, 1, 1)
        chosen = animals.take_along_dim(nearer, dim=1).squeeze(1)
        return {"keypoints_targ": targets, "keypoints_pred": chosen}

    def rows(self, batch):
        animals = self.in_frame_px(images_of(batch), batch["to_frame"])
        numbers = torch.arange(len(animals), device=animals.device)
        return animals.flatten(0, 1), numbers.unsqueeze(1).expand(-1, 2).flatten()

    def predict_step(self, batch, batch_idx=0):
        keypoints, image = self.rows(batch)
        ones = torch.ones(keypoints.shape[:2])
        return Prediction(keypoints, ones, image, ones[:, 0])


class SemiAnimals(SemiSupervisedTrackerMixin, Animals):
    def get_loss_inputs_unlabeled(self, batch):
        keypoints, image = self.rows(batch)
        individual = torch.arange(len(image), device=image.device) % 2
        return {"keypoints_pred": keypoints, "image": image, "individual": individual}


class ManyAsOne(Animals):
    instances = "one"


class SeveralAnimals(Animals):
    instances = "several"


class WithoutImages(Animals):
    def predict_step(self, batch, batch_idx=0):
        return Prediction(*super().predict_step(batch))


class ImagesFromOne(Animals):
    def predict_step(self, batch, batch_idx=0):
        found = super().predict_step(batch)
        return replace(found, image=found.image + 1)


class OtherImages(Animals):
    def predict_step(self, batch, batch_idx=0):
        found = super().predict_step(batch)
        return replace(found, image=found.image.flip(0))


class BoldScores(Animals):
    def predict_step(self, batch, batch_idx=0):
        found = super().predict_step(batch)
        return replace(found, scores=2 * found.scores)


class RowPerImage(Animals):
    def get_loss_inputs_labeled(self, batch):
        first = {**batch, "image": torch.arange(len(batch["images"]))}
        first["keypoints"] = batch["keypoints"][:1].expand(len(batch["images"]), -1, -1)
        return super().get_loss_inputs_labeled(first)


class FirstMapsForRows(Animals):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        maps = batch["to_frame"][0]
        return {**inputs, "keypoints_targ": transform(batch["keypoints"], maps)}


class OtherAnimals(Animals):
    def predict_step(self, batch, batch_idx=0):
        found = super().predict_step(batch)
        return replace(found, keypoints=found.keypoints.flip(1))


class ClipsWithoutImages(SemiAnimals):
    def get_loss_inputs_unlabeled(self, batch):
        return {"keypoints_pred": super().get_loss_inputs_unlabeled(batch)["keypoints_pred"]}


class FailsWithoutRows(Animals):
    def get_loss_inputs_labeled(self, batch):
        inputs = super().get_loss_inputs_labeled(batch)
        shift = 0 * inputs["keypoints_pred"].amax()
        return {**inputs, "keypoints_pred": inputs["keypoints_pred"] + shift}


BROKEN = [
    (WrongShape, r"shape \(3, 6\), not \(3, 3, 2\)"),
    (
        HardArgmax,
        "of a labelled batch is not differentiable: no gradient reaches the backbone",
    ),
    (
        Detached,
        "of an unlabelled clip is not differentiable: it carries no gradient",
    ),
    (DeadParameter, "'forgotten.weight' never gets a gradient: it is dead"),
    (MissingOutputKey, "declares 'confidences' of a labelled batch, but does not give it"),
    (NonDeterministic, "predicts the same clip differently|does not bring keypoints to frame px"),
    (StateLost, "its state is lost: restored from its state dict"),
    (ModelPixels, "does not bring keypoints to frame px"),
    (FirstMapForAll, "keypoints to frame px by each row's to_frame"),
    (CoarseUnderAutocast, "lose their precision under bfloat16 autocast"),
    (PoisonedByMissingLabels, "a label that is missing makes keypoints_pred NaN"),
    (LabelsAtTheOrigin, "keypoints_targ of a keypoint without a label are numbers"),
    (ModelPixelsForLosses, "keypoints_pred that its losses read are not in frame px"),
    (ModelPixelsOfClips, "keypoints_pred that its losses read are not in frame px"),
    (ChangesItsBatch, "changes 'to_frame' of its batch"),
    (NeverLearns, "its loss does not fall"),
    (UndefinedPrediction, "does not define predict_step"),
    (UnknownOutput, "names 'keypoints_3d', which no loss knows"),
    (EvenContext, "context_frames must be odd, not 4"),
    (BadTwin, "is not its subclass"),
    (DropsFrames, r"'keypoints_pred' of an unlabelled clip has shape \(3, 3, 2\), not \(4, 3, 2\)"),
    (WholeBatchMatters, "depends on the other images of its batch"),
    (Crashes, "raised IndexError: list index out of range"),
    (ManyAsOne, "says which image each row is on"),
    (SeveralAnimals, "instances is 'several'"),
    (WithoutImages, "does not say which image each row of predict_step on a labelled batch is on"),
    (ImagesFromOne, "names image 3, but they count from 0 to 2"),
    (OtherImages, "does not bring keypoints to frame px"),
    (BoldScores, "scores of predict_step on a labelled batch leaves the range from 0 to 1"),
    (RowPerImage, r"has shape \(3, 3, 2\), not \(4, 3, 2\)"),
    (FirstMapsForRows, "keypoints_targ is not in frame px"),
    (OtherAnimals, "no predicted row has the keypoints of a labelled one"),
    (ClipsWithoutImages, "does not say which image each row of an unlabelled clip is on"),
    (FailsWithoutRows, "checking 'bears_images_without_rows' it raised"),
]


@pytest.mark.parametrize("check", CHECKS, ids=str)
@pytest.mark.parametrize("tracker", [Sound, SemiSound, Animals, SemiAnimals])
def test_a_sound_tracker_passes_on_lp_core_alone(tracker, check):
    check(Subject(tracker, loss_classes=[Distance]))


@pytest.mark.parametrize(
    ("tracker", "defect"), BROKEN, ids=lambda item: getattr(item, "__name__", "")
)
def test_a_broken_tracker_is_told_its_defect(tracker, defect):
    with pytest.raises(ConformanceError, match=defect) as caught:
        check_tracker(tracker, loss_classes=[Distance])
    assert caught.value.where == tracker.__name__


def test_a_check_is_skipped_where_one_that_it_relies_on_fails():
    bfloat16 = next(check for check in CHECKS if check.name == "works_in_bfloat16")
    with pytest.raises(PremiseError, match="relies on what fails: predict_step does not bring"):
        bfloat16(Subject(ModelPixels, loss_classes=[Distance]))
    with pytest.raises(ConformanceError, match="does not bring keypoints to frame px"):
        check_tracker(ModelPixels, loss_classes=[Distance], checks=[bfloat16])


def test_randomness_in_training_alone_is_found():
    repeats = next(check for check in CHECKS if check.name == "repeats_itself")

    class Unseeded(Sound):
        def get_loss_inputs_labeled(self, batch):
            inputs = super().get_loss_inputs_labeled(batch)
            noise = random.Random(time.monotonic_ns()).gauss(0, 5)
            return {**inputs, "keypoints_pred": inputs["keypoints_pred"] + noise}

    with pytest.raises(ConformanceError, match="two runs with one seed differ"):
        repeats(Subject(Unseeded, loss_classes=[Distance]))


def test_a_twin_with_the_mixin_last_is_told():
    twin = next(check for check in CHECKS if check.name == "has_a_proper_twin")

    class Late(Sound):
        @classmethod
        def semi_supervised_class(cls):
            return LateTwin

    class LateTwin(Late, SemiSupervisedTrackerMixin):
        pass

    with pytest.raises(ConformanceError, match="names the mixin last"):
        twin(Subject(Late, loss_classes=[Distance]))


def test_a_loss_that_nobody_registers_is_told():
    with pytest.raises(ConformanceError, match="no installed distribution registers"):
        check_tracker(Sound)


def test_options_that_are_no_dataclass_are_told():
    class Odd(Sound):
        Options = dict

    with pytest.raises(ConformanceError, match="dataclass"):
        check_tracker(Odd, loss_classes=[Distance])


def test_checking_leaves_random_numbers_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    threads = torch.get_num_threads()
    check = next(check for check in CHECKS if check.name == "predicts_every_form_of_batch")
    check(Subject(Sound, loss_classes=[Distance]))
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(3), expected)


def test_the_toy_shows_each_keypoint_where_its_label_says():
    toy = ToyProblem(image_size=(48, 64), keypoints=1, context_frames=3)
    batch = toy.labeled(batch=2)
    red = batch["images"][:, 1, 0].float()
    brightest = red.flatten(1).argmax(dim=1)
    found = torch.stack([brightest % 64, brightest // 64], dim=1)
    assert (found - batch["keypoints"][:, 0]).abs().max() < 2
    assert len({str(row) for row in frame_maps(4)}) == 4
    assert isinstance(TrackerOptions(keypoint_names=("a",)), TrackerOptions)
