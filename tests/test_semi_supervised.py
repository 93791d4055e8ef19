"""Training on unlabelled video: every loss runs, and in the pixels that it is meant for."""

import pandas as pd
import pytest
import torch

from lp_io.checkpoint import load_model, read_manifest
from lp_pipeline.config.load import load_config
from lp_pipeline.training.run import train
from lp_pipeline.training.setup import set_up

LOSSES = ("temporal", "pca_singleview", "pca_multiview")
SETTINGS = (
    f"model.losses_to_use=[{','.join(LOSSES)}]",
    "data.mirrored_column_matches=[[0,1,2,3,4,5,6,7,8,9],[10,11,12,13,14,15,16,17,18,19]]",
    "losses.temporal.epsilon=0",
    "losses.temporal.prob_threshold=0",
    "dali.base.train.sequence_length=8",
    "training.train_prob=0.85",
    "training.val_prob=0.1",
    "callbacks.anneal_weight.init_val=0.5",
    "callbacks.anneal_weight.freeze_until_epoch=0",
    "training.log_every_n_steps=1",
)


@pytest.fixture(scope="module")
def trained(config_file, tiny_training, tmp_path_factory):
    """A model directory, and what it was trained from."""
    folder = tmp_path_factory.mktemp("semi") / "model"
    loaded = load_config(config_file, (*tiny_training, *SETTINGS))
    return folder, train(loaded, folder), loaded.config


def test_every_loss_that_is_configured_is_computed_weighted_and_logged(trained):
    folder, _, _ = trained
    logged = pd.read_csv(folder / "csv_logs" / "metrics.csv")
    for loss in LOSSES:
        values = logged[f"train_{loss}_loss"].dropna()
        weighted = logged[f"train_{loss}_loss_weighted"].dropna()
        assert (values > 0).all(), f"{loss} never acted"
        importance = logged[f"{loss}_weight"].dropna().iloc[0] * 0.5
        assert weighted.iloc[0] == pytest.approx(values.iloc[0] * importance, rel=1e-3)
        assert logged[f"train_{loss}_above_epsilon"].dropna().between(0, 1).all()
    assert logged["total_unsupervised_importance"].dropna().iloc[0] == 0.5
    assert {loss.name for loss in read_manifest(folder).unsupervised_losses} == set(LOSSES)


def test_the_labels_themselves_lie_below_epsilon(trained):
    # the public system learns in resized px, and measures in frame px: there the truth is far off
    folder, setup, _ = trained
    rows = list(setup.data.split.train)
    labels = torch.from_numpy(setup.data.dataset.table.keypoints[rows]).float()
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
    labels = torch.from_numpy(setup.data.dataset.table.keypoints)[batch["indices"]]
    seen = (batch["visibility"] == 2) & batch["keypoints"].isfinite().all(dim=-1)
    assert seen.sum() > 20
    found, targets = outputs["keypoints_pred"], outputs["keypoints_targ"]
    assert (found - targets).norm(dim=-1)[seen].max() < 0.05
    # the elastic effect moves keypoints by less than a pixel, and is not undone
    assert (targets - labels).norm(dim=-1)[seen].median() < 0.5
