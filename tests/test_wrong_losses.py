"""Losses that cannot do what the config asks are refused before training, in one clear message."""

import shutil

import pytest
import yaml

SOUND = (
    "training.train_prob=0.85",
    "training.val_prob=0.1",
    "dali.base.train.sequence_length=8",
    "callbacks.anneal_weight.freeze_until_epoch=0",
    "callbacks.anneal_weight.init_val=1",
)


@pytest.fixture
def train(litpose, config_file, tiny_training, tmp_path):
    """Tries to train; the model directory must not be there afterwards."""

    def call(*overrides, config=config_file):
        out = tmp_path / "models" / "model"
        outcome = litpose("train", config, "-o", out, *tiny_training, *SOUND, *overrides)
        assert not out.parent.exists(), "a refused training left its folder behind"
        return outcome

    return call


def check(outcome, *expected):
    """One message of a few lines, with what is wrong, where, and what to do."""
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 4
    for text in expected:
        assert text in outcome.err


def use(*names):
    return f"model.losses_to_use=[{','.join(names)}]"


@pytest.mark.parametrize("loss", ["temporal_heatmap_mse", "temporal_heatmap_kl", "unimodal_mse"])
def test_a_loss_of_heatmaps_for_a_tracker_without_any(train, loss):
    outcome = train("model.model_type=regression", use(loss))
    check(outcome, f"the loss '{loss}' cannot run with the tracker 'regression'", "heatmaps_pred")


def test_an_unknown_loss(train):
    check(train(use("temporl")), "unknown loss 'temporl'", "did you mean 'temporal'?")


def test_an_unknown_loss_among_the_options(train):
    check(train("losses.pca_singlevew.log_weight=5"), "pca_singlevew", "'pca_singleview'")


def test_a_loss_that_learns_from_labels_among_those_that_do_not(train):
    check(train(use("heatmap_kl")), "'heatmap_kl' learns from labels", "heatmap_loss_type")


def test_the_same_loss_twice(train):
    check(train(use("temporal", "temporal")), "the loss 'temporal' is given twice")


def test_too_few_labels_for_pca(train):
    outcome = train(use("pca_singleview"), "training.train_frames=5")
    check(outcome, "too few labels for PCA: 5 poses", "losses.pca_singleview", "label more frames")


def test_more_components_than_the_labels_determine(train):
    outcome = train(use("pca_singleview"), "losses.pca_singleview.components_to_keep=11")
    check(outcome, "too few labels for PCA", "cannot determine 11 components")


def test_views_that_are_not_told(train):
    check(train(use("pca_multiview")), "at least two views", "data.mirrored_column_matches")


def test_no_video_to_learn_from(train, project, tmp_path):
    content = {"data": {"data_dir": str(project.folder)}, "model": {"model_type": "heatmap"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    outcome = train(use("temporal"), config=tmp_path / "config.yaml")
    check(outcome, "data.video_dir")


def test_a_folder_of_videos_without_any(train, project, tmp_path):
    copy = shutil.copytree(project.folder, tmp_path / "project")
    for video in (copy / "videos").iterdir():
        video.unlink()
    check(train(use("temporal"), f"data.data_dir={copy}"), "no video", "videos end in")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("temporal.epsilon=-20", "ε cannot be negative"),
        ("temporal.epsilon=0.05", "finer than any label: is it a share of something?"),
        ("temporal.epsilon=5000", "tolerates everything: no error can exceed"),
        ("temporal.epsilon=[20,20]", "2 values of ε for 20 keypoints"),
        ("temporal.prob_threshold=5", "a confidence from 0 to 1"),
        ("temporal.epsilon=large", "epsilon"),
        ("temporal_heatmap_mse.epsilon=20", "no error can exceed 2 squared difference of heatmaps"),
        ("temporal_heatmap_kl.epsilon=30", "no error can exceed 23.03 nats"),
        ("unimodal_mse.epsilon=20", "no error can exceed 2 squared difference of heatmaps"),
        ("pca_singleview.epsilon=-1", "cannot be negative"),
        ("pca_singleview.epsilon=0.01", "finer than any label"),
        ("pca_singleview.epsilon=5000", "no error can exceed"),
        ("pca_singleview.empirical_epsilon_percentile=0.99", "looks like a fraction"),
        ("pca_singleview.empirical_epsilon_percentile=101", "from 0 to 100"),
        ("pca_singleview.empirical_epsilon_multiplier=0", "multiplier"),
        ("pca_singleview.components_to_keep=99.0", "a share such as 0.99"),
        ("pca_singleview.components_to_keep=99", "99 components cannot be kept of 40 dimensions"),
        ("pca_singleview.centering_method=middle", "expected 'mean', 'median' or null"),
    ],
)
def test_an_option_of_the_wrong_unit_or_size(train, option, expected):
    loss = option.partition(".")[0]
    check(train(use(loss), f"losses.{option}"), expected, f"losses.{loss}")


def test_losses_that_are_never_given_weight_are_noted(litpose, config_file, tiny_training):
    many = ("training.max_epochs=61", "dali.base.train.sequence_length=4", use("temporal"))
    outcome = litpose("config", "check", config_file, *tiny_training, *many)
    assert "the unsupervised losses have no weight in any of the 61 epochs" in outcome.out
    for change in ("training.max_epochs=62", "callbacks.anneal_weight.init_val=0.1"):
        outcome = litpose("config", "check", config_file, *tiny_training, *many, change)
        assert "no weight" not in outcome.out


def test_epochs_of_a_training_counted_in_steps_are_those_that_are_annealed(
    litpose, config_file, tiny_training
):
    """`multiview_facts` 34: annealing counts epochs, so that short trainings never came to it."""
    steps = ("training.max_epochs=null", "training.steps_per_epoch=10")
    clips = (*steps, "dali.base.train.sequence_length=4", use("temporal"))
    check = ("config", "check", config_file, *tiny_training, *clips)
    outcome = litpose(*check, "training.max_steps=610")
    assert "the unsupervised losses have no weight in any of the 61 epochs" in outcome.out
    assert "no weight" not in litpose(*check, "training.max_steps=611").out


def test_a_supervised_loss_that_the_tracker_does_not_list(litpose, train, monkeypatch, config_file):
    from lp_core.registry import MODELS, load_plugin

    kind = load_plugin(MODELS, "heatmap")
    monkeypatch.setattr(kind, "supervised_losses", ("heatmap_mse", "heatmap_kl"))
    check(train("model.heatmap_loss_type=js"), "'heatmap' does not learn by heatmap_js", "mse, kl")
    outcome = litpose("config", "check", config_file, "model.heatmap_loss_type=js")
    check(outcome, "model.heatmap_loss_type")


def test_keys_that_a_tracker_does_not_declare_are_noted(litpose, config_file, tiny_training):
    given = ("model.model_type=regression", "model.feature_stride=null", "data.downsample_factor=3")
    loss = "model.heatmap_loss_type=kl"
    outcome = litpose("config", "check", config_file, *tiny_training, *given, loss)
    assert outcome.code == 0, outcome.err
    for key in ("data.downsample_factor", "model.heatmap_loss_type"):
        assert f"{key}: without effect" in outcome.out
