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
    """The pixel error after a validation on some batches."""
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
        return trainer.validate(tracker, loader, verbose=False)[0]["val_pixel_error"]

    return error


def unlabeled(batch):
    """The same images without their labels."""
    keypoints = torch.full_like(batch["keypoints"], float("nan"))
    return {**batch, "keypoints": keypoints, "visibility": torch.zeros_like(batch["visibility"])}


def test_a_batch_without_labels_has_no_weight_but_is_logged(validate):
    batch = TOY.labeled(batch=2)
    assert validate(batch, unlabeled(batch)) == pytest.approx(validate(batch))
    assert math.isnan(validate(unlabeled(batch)))
