"""Values that cannot be right are told before training, each with its key, place and remedy."""

import pytest

from lp_pipeline.builders.labels import image_size
from lp_pipeline.config.load import load_config, save_config
from lp_pipeline.config.paths import csv_files, data_dir, video_dir
from lp_pipeline.config.paths import test_videos_directory as videos_to_predict
from lp_pipeline.errors import ConfigError

MULTISTEP = "{lr_scheduler_params: {multisteplr: "


def load(tmp_path, text="data: {}\n", *overrides, check_paths=False):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(path, overrides, check_paths=check_paths)


def refused(tmp_path, text, *overrides, check_paths=False):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *overrides, check_paths=check_paths)
    return str(caught.value)


@pytest.mark.parametrize(
    ("section", "key", "value", "words"),
    [
        ("training", "train_batch_size", "0", "at least 1"),
        ("training", "train_batch_size", "-3", "at least 1"),
        ("training", "train_batch_size", "2.5", "a whole number"),
        ("training", "train_batch_size", "many", "a whole number, got 'many'"),
        ("training", "train_batch_size", "[1]", "a whole number, got a list"),
        ("training", "train_batch_size", "true", "a whole number, got True"),
        ("training", "train_prob", "80", "share from 0 to 1"),
        ("training", "train_prob", "0", "above 0"),
        ("training", "train_prob", ".nan", "a number"),
        ("training", "val_prob", "-0.1", "from 0 to 1"),
        ("training", "train_frames", "75.5", "whole number"),
        ("training", "imgaug_hflip", "sometimes", "true or false"),
        ("training", "optimizer", "adam", "did you mean 'Adam'?"),
        ("training", "optimizer", "AdmW", "did you mean 'AdamW'?"),
        ("training", "lr_scheduler", "MultiStepLr", "did you mean 'multisteplr'?"),
        ("training", "precision", "fp16", "known: 32-true, bf16-mixed, 16-mixed"),
        ("training", "accelerator", "cuda", "known: auto, cpu, gpu, mps"),
        ("training", "profiler", "simpel", "did you mean 'simple'?"),
        ("training", "devices", "0", "a number above 0"),
        ("training", "devices", "some", "expected 'auto'"),
        ("training", "imgaug", "dcl", "did you mean 'dlc'?"),
        ("training", "imgaug", "null", "write none"),
        ("training", "imgaug", "{Afine: {p: 0.5}}", "Afine"),
        ("training", "rng_seed_data_pt", "-1", "from 0"),
        ("data", "downsample_factor", "4", "from 1 to 3, got 4"),
        ("data", "csv_file", "true", "a file or a list of files"),
        ("data", "csv_file", "[]", "a file or a list of files"),
        ("data", "keypoint_names", "[nose, nose]", "'nose' is named twice"),
        ("data", "keypoint_names", "[nose, no]", "put it in quotes"),
        ("data", "keypoint_names", "nose", "write [nose]"),
        ("data", "columns_for_singleview_pca", "[0, 0]", "given twice"),
        ("data", "columns_for_singleview_pca", "[-1, 0]", "no keypoint -1"),
        ("data", "mirrored_column_matches", "[0, 1]", "one list of keypoint indices per view"),
        ("data", "mirrored_column_matches", "[[0, 1]]", "one view"),
        ("data", "mirrored_column_matches", "[[0, 1], [2]]", "got [2, 1]"),
        ("data", "mirrored_column_matches", "[[0, 1], [1, 2]]", "given twice"),
        ("data", "mirrored_column_matches", "{a: [0]}", "one list of keypoint indices per view"),
        ("model", "model_type", "heatmapp", "did you mean 'heatmap'?"),
        ("model", "heatmap_loss_type", "ms", "did you mean 'mse'?"),
        ("model", "losses_to_use", "[temporl]", "did you mean 'temporal'?"),
        ("model", "losses_to_use", "temporal", "write [temporal]"),
        ("model", "losses_to_use", "[heatmap_mse]", "learns from labels"),
        ("dali", "reader", "pyva", "did you mean 'pyav'?"),
        ("eval", "colormap", "coool", "did you mean 'cool'?"),
        ("eval", "confidence_thresh_for_vid", "90", "share from 0 to 1"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(tmp_path, section, key, value, words):
    message = refused(tmp_path, f"{section}:\n  # a comment\n  {key}: {value}\n")
    assert message.startswith(f"{section}.{key}")
    assert words in message
    assert f"{tmp_path / 'c.yaml'}:3" in message


def test_a_wrong_item_of_a_list_is_told_with_its_own_line(tmp_path):
    message = refused(tmp_path, "data:\n  keypoint_names:\n    - nose\n    - off\n")
    assert message.startswith("data.keypoint_names.1")
    assert "c.yaml:4" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {train_prob: 0.8, val_prob: 0.3}", "train_prob 0.8 + val_prob 0.3 is 1.1"),
        ("training: {max_epochs: 5, max_steps: 5}", "training.max_steps: epochs are given too"),
        ("training: {min_epochs: 5, max_steps: 5}", "training.max_steps: epochs are given too"),
        ("training: {min_epochs: 9, max_epochs: 5}", "5 is below min_epochs, 9"),
        ("training: {min_steps: 9}", "training.max_steps is not set"),
        ("training: {unfreezing_epoch: 2, unfreezing_step: 9}", "unfreezing_epoch is given too"),
        (f"training: {MULTISTEP}{{milestones: [1], milestone_steps: [2]}}}}}}", "are given too"),
        (f"training: {MULTISTEP}{{milestones: [5, 3]}}}}}}", "whole numbers that rise"),
        ("training: {ckpt_every_n_epochs: 7}", "not a multiple of check_val_every_n_epoch, 5"),
        ("data: {csv_file: [a/C.csv, D.csv, b/C.csv]}", "same name, a/C.csv and b/C.csv"),
        ("data: {image_resize_dims: {height: 128}}", "width: not set, but height is"),
        ("data: {num_keypoints: 3, keypoint_names: [a, b]}", "3, but there are 2 keypoints"),
        ("data: {num_keypoints: 3, columns_for_singleview_pca: [3]}", "keypoints count 0 to 2"),
        ("data: {keypoint_names: [a, b], mirrored_column_matches: [[0], [2]]}", "no keypoint 2"),
    ],
)
def test_keys_that_disagree_are_told(tmp_path, text, words):
    message = refused(tmp_path, text + "\n")
    assert words in message
    assert "c.yaml:1" in message


def test_a_value_of_the_wrong_type_brings_no_second_complaint(tmp_path):
    message = refused(tmp_path, "training: {train_prob: most, val_prob: 0.9}\n")
    assert message.startswith("training.train_prob")


def test_shares_that_sum_to_one_in_decimals_are_right(tmp_path):
    config = load(tmp_path, "training: {train_prob: 0.9, val_prob: 0.1}\n").config
    assert config.training.train_prob == 0.9
    load(tmp_path, "training: {train_prob: 0.7, val_prob: 0.3}\n")


def test_training_lasts_300_epochs_where_nothing_says_how_long(tmp_path):
    assert load(tmp_path).config.training.max_epochs == 300


def test_steps_leave_no_epochs(tmp_path):
    training = load(tmp_path, "training: {max_steps: 500}\n").config.training
    assert (training.max_steps, training.max_epochs, training.min_epochs) == (500, None, None)


def test_an_unfreezing_step_takes_the_place_of_the_default_epoch(tmp_path):
    training = load(tmp_path, "training: {unfreezing_step: 400}\n").config.training
    assert (training.unfreezing_step, training.unfreezing_epoch) == (400, None)


def test_milestone_steps_take_the_place_of_the_default_milestones(tmp_path):
    text = "training: {lr_scheduler_params: {multisteplr: {milestone_steps: [200, 300]}}}\n"
    loaded = load(tmp_path, text)
    params = loaded.config.training.lr_scheduler_params.multisteplr
    assert (params.milestones, params.milestone_steps) == ([], [200, 300])
    save_config(loaded.config, tmp_path / "again.yaml")
    assert load_config(tmp_path / "again.yaml").config == loaded.config


@pytest.mark.parametrize(
    ("interval", "epochs", "expected"),
    [("50", "", None), ("0.5", "", 1), ("50", "2", 2), ("", "", 5)],
)
def test_validation_by_batches_takes_the_place_of_the_default_epochs(
    tmp_path, interval, epochs, expected
):
    overrides = [f"training.val_check_interval={interval}"]
    overrides += [f"training.check_val_every_n_epoch={epochs}"] if epochs else []
    loaded = load(tmp_path, "data: {}\n", *overrides)
    assert loaded.config.training.check_val_every_n_epoch == expected


def test_images_are_256_by_256_where_nothing_says_how_large(tmp_path):
    assert image_size(load(tmp_path).config) == (256, 256)


def test_early_stopping_that_cannot_act_is_noted(tmp_path):
    text = "training: {early_stopping: true, min_epochs: 9, max_epochs: 9}\n"
    (note,) = load(tmp_path, text).notes
    assert "training.early_stopping: without effect" in note


def test_paths_are_relative_to_the_project_or_absolute(tmp_path):
    text = f"data: {{data_dir: {tmp_path}, csv_file: [a.csv, /b.csv], video_dir: videos}}\n"
    config = load(tmp_path, text).config
    assert [str(path) for path in csv_files(config)] == [str(tmp_path / "a.csv"), "/b.csv"]
    assert video_dir(config) == videos_to_predict(config) == tmp_path / "videos"
    config.eval.test_videos_directory = "test"
    assert videos_to_predict(config) == tmp_path / "test"


def test_without_a_project_folder_nothing_is_found(tmp_path):
    config = load(tmp_path).config
    with pytest.raises(ConfigError, match=r"data\.data_dir is not set"):
        data_dir(config)
    assert video_dir(config) is None


def test_a_project_that_is_there_passes(tmp_path):
    (tmp_path / "videos").mkdir()
    (tmp_path / "CollectedData.csv").touch()
    text = (
        f"data: {{data_dir: {tmp_path}, video_dir: videos}}\nmodel: {{losses_to_use: [temporal]}}"
    )
    assert load(tmp_path, text, check_paths=True).config.model.losses_to_use == ["temporal"]


def test_missing_files_and_folders_are_told_together(tmp_path):
    (tmp_path / "Labels.csv").touch()
    text = (
        f"data:\n  data_dir: {tmp_path}\n  csv_file: labels.csv\n  video_dir: videos\n"
        "model:\n  backbone_checkpoint: weights.safetensors\n  checkpoint: run\n"
        "eval:\n  test_videos_directory: test\n"
    )
    message = refused(tmp_path, text, check_paths=True)
    for line, key in (
        (3, "data.csv_file"),
        (4, "data.video_dir"),
        (6, "model.backbone_checkpoint"),
        (7, "model.checkpoint"),
        (9, "eval.test_videos_directory"),
    ):
        assert f"c.yaml:{line}: {key}: there is no" in message
    assert "there are: Labels.csv" in message
    load(tmp_path, text)  # a model directory's config works on other machines


def test_an_absent_project_folder_is_told(tmp_path):
    message = refused(tmp_path, "data:\n  data_dir: /no/such\n", check_paths=True)
    assert message.startswith("data.data_dir: there is no folder /no/such")
    assert "c.yaml:2" in message
    assert "add data.data_dir=" in refused(tmp_path, "data: {}\n", check_paths=True)


def test_unsupervised_losses_need_videos(tmp_path):
    (tmp_path / "CollectedData.csv").touch()
    text = f"data: {{data_dir: {tmp_path}}}\nmodel: {{losses_to_use: [temporal]}}\n"
    message = refused(tmp_path, text, check_paths=True)
    assert (
        "data.video_dir: not set, but the losses temporal learn from unlabelled videos" in message
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("data.data_dir", "D:\\lab\\proj"),
        ("data.csv_file", "D:/lab/Collected.csv"),
        ("data.video_dir", "D:\\lab\\videos"),
        ("eval.test_videos_directory", "D:\\lab\\test"),
        ("model.checkpoint", "D:\\lab\\model"),
        ("model.backbone_checkpoint", "D:\\w.safetensors"),
    ],
)
def test_paths_of_windows_are_told_as_such(tmp_path, key, value):
    (tmp_path / "CollectedData.csv").touch()
    text = f"data: {{data_dir: {tmp_path}}}\n"
    message = refused(tmp_path, text, f"{key}={value}", check_paths=True)
    assert f" {value}" in message
    assert "this is a path of Windows; write where it is on this machine" in message


@pytest.mark.parametrize(
    ("skeleton", "words"),
    [
        ("[[nose, tail, ear]]", "is not a pair of different keypoints"),
        ("[[nose, nose]]", "is not a pair of different keypoints"),
        ("[nose, tail]", "expected a list"),
        ("[[nose, tial]]", "there is no keypoint 'tial'"),
    ],
)
def test_a_skeleton_joins_pairs_of_keypoints(tmp_path, skeleton, words):
    data = "data: {keypoint_names: [nose, tail, ear], skeleton: %s}\n"
    message = refused(tmp_path, data % skeleton)
    assert "data.skeleton" in message
    assert words in message
    good = load(tmp_path, data % "[[nose, tail], [tail, ear]]").config
    assert good.data.skeleton == [["nose", "tail"], ["tail", "ear"]]


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        ("[[nose, nose]]", "is not a pair of different keypoints"),
        ("[[nose, tail], [ear, nose]]", "'nose' is in two pairs"),
        ("[[nose, tial]]", "there is no keypoint 'tial'"),
    ],
)
def test_left_and_right_are_pairs_of_keypoints(tmp_path, pairs, words):
    data = "data: {keypoint_names: [nose, tail, ear], left_right: %s}\n"
    message = refused(tmp_path, data % pairs)
    assert "data.left_right" in message
    assert words in message
    assert load(tmp_path, data % "[[tail, ear]]").config.data.left_right == [["tail", "ear"]]


def test_backslashes_in_a_relative_path_are_told(tmp_path):
    (tmp_path / "CollectedData.csv").touch()
    text = f"data: {{data_dir: {tmp_path}, video_dir: 'videos\\new'}}\n"
    message = refused(tmp_path, text, check_paths=True)
    assert f"write '{tmp_path}/videos/new'" in message
