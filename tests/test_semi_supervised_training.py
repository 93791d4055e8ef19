"""Semi-supervised training of a tracker with context, without a GPU, with every loss at once."""

import pandas as pd
import pytest

LOSSES = ("pca_singleview", "pca_multiview", "temporal")


@pytest.fixture(scope="module")
def model_dir(project, config_file, tiny_training, tmp_path_factory):
    """The model directory of a short semi-supervised training."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("semi") / "model"
    overrides = [
        *tiny_training,
        "model.model_type=heatmap_mhcrnn",
        "model.context_head=fusion",
        f"model.losses_to_use={list(LOSSES)}",
        f"data.mirrored_column_matches={project.mirrored_column_matches}",
        # a pose of six coordinates: few enough for ten labels
        "data.columns_for_singleview_pca=[0, 1, 7]",
        "training.train_prob=0.85",
        "training.val_prob=0.1",
        "training.max_epochs=2",
        "training.steps_per_epoch=3",
        "training.log_every_n_steps=1",
        "training.accelerator=cpu",
        "dali.base.train.sequence_length=6",
        "dali.context.train.batch_size=6",
        "losses.pca_singleview.components_to_keep=2",
        "losses.temporal.epsilon=0.0",
        "losses.temporal.prob_threshold=0.0",
        "callbacks.anneal_weight.init_val=0.5",
        "callbacks.anneal_weight.increase_factor=0.25",
        "callbacks.anneal_weight.freeze_until_epoch=0",
    ]
    train(load_config(config_file, overrides), folder)
    return folder


@pytest.fixture(scope="module")
def logged(model_dir):
    """One row per step of what was logged."""
    table = pd.read_csv(model_dir / "csv_logs" / "metrics.csv")
    return table[table["train_unsupervised_loss"].notna()]


def test_each_loss_is_logged_with_its_weight_and_the_share_above_epsilon(logged):
    weight = 1 / (2 * 2.718281828**5)
    importance = logged["total_unsupervised_importance"]
    assert len(logged) == 6
    assert importance.tolist() == [0.5] * 3 + [0.75] * 3
    for name in LOSSES:
        value, weighted = logged[f"train_{name}_loss"], logged[f"train_{name}_loss_weighted"]
        assert (value > 0).any(), name
        assert weighted.tolist() == pytest.approx((value * weight * importance).tolist(), rel=1e-4)
        assert logged[f"train_{name}_above_epsilon"].between(0, 1).all()


def test_the_total_is_the_sum_of_its_parts(logged):
    parts = sum(logged[f"train_{name}_loss_weighted"] for name in LOSSES)
    assert logged["train_unsupervised_loss"].tolist() == pytest.approx(parts.tolist(), rel=1e-4)
    total = logged["train_supervised_loss"] + logged["train_unsupervised_loss"]
    assert logged["total_loss"].tolist() == pytest.approx(total.tolist(), rel=1e-4)


def test_an_unsupervised_loss_weighs_as_in_the_public_app_unless_told_otherwise(logged):
    for name in LOSSES:
        assert logged[f"{name}_weight"].iloc[0] == pytest.approx(1 / (2 * 2.718281828**5))
