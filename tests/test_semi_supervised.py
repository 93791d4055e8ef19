"""Training on unlabelled video: every loss runs, and in the pixels that it is meant for."""

import math

import pandas as pd
import pytest
import torch

from lp_core.trackers.weights import weights_digest
from lp_io.checkpoint import load_model, read_manifest
from lp_pipeline.config.load import load_config
from lp_pipeline.training.run import train
from lp_pipeline.training.setup import set_up

KEYPOINT_LOSSES = ("temporal", "pca_singleview", "pca_multiview")
HEATMAP_LOSSES = ("unimodal_mse", "temporal_heatmap_mse")
PUBLIC_WEIGHT = 1 / (2 * math.exp(5))
TRACKERS = {
    "heatmap": (
        (*KEYPOINT_LOSSES, *HEATMAP_LOSSES),
        (
            "model.model_type=heatmap",
            *(f"losses.{name}.log_weight=5" for name in HEATMAP_LOSSES),
            "losses.temporal_heatmap_mse.prob_threshold=0",
        ),
    ),
    "fusion": (KEYPOINT_LOSSES, ("model.model_type=heatmap_mhcrnn", "model.context_head=fusion")),
    "regression": (KEYPOINT_LOSSES, ("model.model_type=regression",)),
}
SETTINGS = (
    "data.mirrored_column_matches=[[0,1,2,3,4,5,6,7,8,9],[10,11,12,13,14,15,16,17,18,19]]",
    "losses.temporal.epsilon=0",
    "losses.temporal.prob_threshold=0",
    "dali.base.train.sequence_length=6",
    "dali.context.train.batch_size=6",
    "training.train_prob=0.85",
    "training.val_prob=0.1",
    "training.max_epochs=2",
    "training.steps_per_epoch=3",
    "training.log_every_n_steps=1",
    "callbacks.anneal_weight.init_val=0.5",
    "callbacks.anneal_weight.increase_factor=0.25",
    "callbacks.anneal_weight.freeze_until_epoch=0",
)


@pytest.fixture(scope="module", params=TRACKERS)
def chosen(request):
    """The names of a tracker's losses, and its settings."""
    return TRACKERS[request.param]


@pytest.fixture(scope="module")
def losses(chosen):
    """The names of the losses on unlabelled video."""
    return chosen[0]


@pytest.fixture(scope="module")
def trained(chosen, config_file, tiny_training, tmp_path_factory):
    """The model directory of a tracker, and what it was trained from."""
    losses, settings = chosen
    folder = tmp_path_factory.mktemp("semi") / "model"
    used = f"model.losses_to_use=[{','.join(losses)}]"
    loaded = load_config(config_file, (*tiny_training, *SETTINGS, used, *settings))
    return folder, train(loaded, folder)


@pytest.fixture(scope="module")
def logged(trained):
    """One row per step of what was logged."""
    table = pd.read_csv(trained[0] / "csv_logs" / "metrics.csv")
    return table[table["train_unsupervised_loss"].notna()]


def test_every_loss_is_logged_with_its_weight_and_the_share_above_epsilon(trained, losses, logged):
    importance = logged["total_unsupervised_importance"]
    assert importance.tolist() == [0.5] * 3 + [0.75] * 3
    for loss in losses:
        values, weighted = logged[f"train_{loss}_loss"], logged[f"train_{loss}_loss_weighted"]
        assert (values > 0).all(), f"{loss} never acted"
        assert logged[f"{loss}_weight"].tolist() == pytest.approx([PUBLIC_WEIGHT] * 6)
        expected = (values * PUBLIC_WEIGHT * importance).tolist()
        assert weighted.tolist() == pytest.approx(expected, rel=1e-4)
        assert logged[f"train_{loss}_above_epsilon"].between(0, 1).all()
    assert {loss.name for loss in read_manifest(trained[0]).unsupervised_losses} == set(losses)


def test_the_total_is_the_sum_of_its_parts(losses, logged):
    parts = sum(logged[f"train_{name}_loss_weighted"] for name in losses)
    assert logged["train_unsupervised_loss"].tolist() == pytest.approx(parts.tolist(), rel=1e-4)
    total = logged["train_supervised_loss"] + logged["train_unsupervised_loss"]
    assert logged["total_loss"].tolist() == pytest.approx(total.tolist(), rel=1e-4)


def test_what_training_predicts_counts_as_of_the_saved_model(trained):
    # the one tracker still has its losses
    folder, setup = trained
    loaded = load_model(folder).tracker
    assert weights_digest(setup.tracker) == weights_digest(loaded)
    with torch.no_grad():
        next(loaded.parameters()).add_(1e-3)
    assert weights_digest(setup.tracker) != weights_digest(loaded)


def test_the_labels_themselves_lie_below_epsilon(trained):
    # Lightning Pose learns in resized px, and measures in frame px: there the truth is far off
    folder, setup = trained
    rows = list(setup.data.split.train)
    labels = torch.from_numpy(setup.data.dataset.table.points[rows]).float()
    in_model_px = labels * (64 / 96)  # what the images were resized by
    tracker = load_model(folder, with_losses=True).tracker
    for name in ("pca_singleview", "pca_multiview"):
        loss = tracker.unsupervised_losses.losses[name]
        errors = loss.reprojection_error(labels)
        known = errors.isfinite()
        assert known.any()
        assert (errors[known] <= loss.space.epsilon).float().mean() > 0.95
    pose = tracker.unsupervised_losses.losses["pca_singleview"]
    misplaced = pose.reprojection_error(in_model_px)
    assert misplaced[misplaced.isfinite()].median() > pose.space.epsilon


@pytest.mark.parametrize("factor", [1, 2, 3])
def test_perfect_heatmaps_are_at_home_in_frame_px(factor, config_file, tiny_training):
    # from the label file through resizing, augmentation, target and decoding, and back
    overrides = (*tiny_training, f"data.downsample_factor={factor}")
    setup = set_up(load_config(config_file, overrides).config)
    setup.data.setup("fit")
    batch = setup.tracker.add_targets(next(iter(setup.data.train_dataloader())))
    outputs = setup.tracker.labeled_inputs(batch["heatmaps"], batch)
    labels = torch.from_numpy(setup.data.dataset.table.points)[batch["table_row"]]
    seen = (batch["visibility"] == 2) & batch["keypoints"].isfinite().all(dim=-1)
    assert seen.sum() > 20
    found, targets = outputs["keypoints_pred"], outputs["keypoints_targ"]
    assert (found - targets).norm(dim=-1)[seen].max() < 0.05
    # the elastic effect moves keypoints by less than a pixel, and is not undone
    assert (targets - labels).norm(dim=-1)[seen].median() < 0.5
