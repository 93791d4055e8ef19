"""The pixel error that a validation logs."""

import math

import pytest
import torch
from pytorch_lightning import Trainer
from torch.utils.data import DataLoader

from lp_core.losses.factory import LossFactory
from lp_core.registry import LOSSES, MODELS, load_plugin
from lp_core.testing.toy import ToyProblem

TOY = ToyProblem(image_size=(64, 64), keypoints=3, context_frames=1)


@pytest.fixture(scope="module")
def validate():
    """What a validation on some batches logs, by name without ``val_``."""
    kind = load_plugin(MODELS, "heatmap")
    options = kind.Options(
        keypoint_names=("a", "b", "c"),
        image_size=(64, 64),
        backbone="test_resnet",
        backbone_pretrained=False,
    )
    loss = load_plugin(LOSSES, "heatmap_mse")()
    tracker = kind(options, losses=LossFactory([loss], kind.labeled_outputs))
    trainer = Trainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
    )

    def error(*batches):
        loader = DataLoader(batches, batch_size=None)
        logged = trainer.validate(tracker, loader, verbose=False)[0]
        return {name.removeprefix("val_"): value for name, value in logged.items()}

    return error


def unlabeled(batch):
    """The same images without their labels."""
    keypoints = torch.full_like(batch["keypoints"], float("nan"))
    return {**batch, "keypoints": keypoints, "visibility": torch.zeros_like(batch["visibility"])}


def test_a_batch_without_labels_has_no_weight_but_is_logged(validate):
    batch = TOY.labeled(batch=2)
    both, one = validate(batch, unlabeled(batch)), validate(batch)
    assert both["pixel_error"] == pytest.approx(one["pixel_error"])
    assert math.isnan(validate(unlabeled(batch))["pixel_error"])


def test_guessed_positions_of_hidden_keypoints_are_no_errors(validate):
    """The RMSE has the meaning that it has in Lightning Pose, where visibility is not looked at."""
    batch = TOY.labeled(batch=2)
    visibility, keypoints = batch["visibility"].clone(), batch["keypoints"].clone()
    visibility[0, 1] = 1
    hidden = validate({**batch, "visibility": visibility})
    keypoints[0, 1] += 1000
    moved = validate({**batch, "visibility": visibility, "keypoints": keypoints})
    assert moved["pixel_error"] == pytest.approx(hidden["pixel_error"])
    assert moved["supervised_rmse"] > hidden["supervised_rmse"] + 100
    assert hidden["pixel_error"] != pytest.approx(validate(batch)["pixel_error"])
