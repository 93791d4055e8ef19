"""A config from file and overrides: what is read, where it came from, and what is written back."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_pipeline.config.load import load_config, save_config, show_config
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import ConfigError

PUBLIC = """\
# the form of a project's config of Lightning Pose
data:
  image_resize_dims:
    height: 256
    width: 256
  data_dir: /data/mouse
  video_dir: /data/mouse/videos
  csv_file: CollectedData.csv
  downsample_factor: 2
  num_keypoints: 4
  keypoint_names: [paw_top, nose_top, paw_bot, nose_bot]
  mirrored_column_matches:
    - [0, 1]
    - [2, 3]
  columns_for_singleview_pca: [0, 1, 2, 3]
training:
  imgaug: dlc
  train_batch_size: 16
  val_batch_size: 32
  test_batch_size: 32
  train_prob: 0.95
  val_prob: 0.05
  train_frames: 1
  num_gpus: 1
  num_workers: 4
  early_stopping: false
  unfreezing_epoch: 20
  min_epochs: 300
  max_epochs: 300
  log_every_n_steps: 10
  check_val_every_n_epoch: 5
  ckpt_every_n_epochs: null
  rng_seed_data_pt: 0
  rng_seed_model_pt: 0
  optimizer: Adam
  optimizer_params:
    learning_rate: 1e-3
  lr_scheduler: multisteplr
  lr_scheduler_params:
    multisteplr:
      milestones: [150, 200, 250]
      gamma: 0.5
  uniform_heatmaps_for_nan_keypoints: true
  accumulate_grad_batches: 1
model:
  losses_to_use: [pca_singleview, temporal]
  backbone: resnet50_animal_ap10k
  model_type: heatmap
  heatmap_loss_type: mse
  model_name: test
  head: heatmap_cnn
  checkpoint: null
dali:
  base:
    train: {sequence_length: 32}
    predict: {sequence_length: 96}
  context:
    train: {batch_size: 16}
    predict: {sequence_length: 96}
  general: {seed: 123456}
losses:
  pca_multiview: {log_weight: 11.0, components_to_keep: 3, epsilon: null}
  pca_singleview: {log_weight: 11.0, components_to_keep: 0.99, epsilon: null}
  temporal: {log_weight: 11.0, epsilon: 20.0, prob_threshold: 0.05}
  supervised_reprojection_heatmap_mse: {log_weight: 3.0}
eval:
  predict_vids_after_training: true
  test_videos_directory: ${data.video_dir}
  save_vids_after_training: false
  colormap: cool
  confidence_thresh_for_vid: 0.90
callbacks:
  anneal_weight:
    attr_name: total_unsupervised_importance
    init_val: 0.0
    increase_factor: 0.01
    final_val: 1.0
    freeze_until_epoch: 60
hydra:
  run:
    dir: outputs/${now:%Y-%m-%d}/${now:%H-%M-%S}
  sweep:
    dir: multirun/${now:%Y-%m-%d}
"""


def load(tmp_path, text="data: {}\n", *overrides, check_paths=False):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    return load_config(path, overrides, check_paths=check_paths)


def refused(tmp_path, text, *overrides, check_paths=False):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text, *overrides, check_paths=check_paths)
    return str(caught.value)


def test_a_public_config_loads_unchanged(tmp_path):
    config = load(tmp_path, PUBLIC).config
    assert config.training.optimizer_params.learning_rate == 1e-3
    assert config.data.mirrored_column_matches == [[0, 1], [2, 3]]
    assert config.model.losses_to_use == ["pca_singleview", "temporal"]
    assert config.losses["temporal"] == {
        "log_weight": 11.0,
        "epsilon": 20.0,
        "prob_threshold": 0.05,
    }
    assert config.losses["pca_singleview"]["epsilon"] is None
    assert config.eval.test_videos_directory == "/data/mouse/videos"
    assert config.dali.context.train.batch_size == 16
    assert config.hydra is None


def test_each_ignored_key_of_a_public_config_is_noted_with_line_and_reason(tmp_path):
    loaded = load(tmp_path, PUBLIC)
    lines = PUBLIC.splitlines()
    notes = {note.split(": ")[1]: note for note in loaded.notes}
    expected = {"hydra", "model.head", "losses.supervised_reprojection_heatmap_mse", "dali"}
    if not torch.cuda.is_available():
        expected.add("training.num_gpus")
    assert set(notes) == expected
    assert "calibrated cameras" in notes["losses.supervised_reprojection_heatmap_mse"]
    for key, note in notes.items():
        line = int(note.split(": ")[0].rsplit(":", 1)[1])
        assert lines[line - 1].strip().startswith(key.split(".")[-1] + ":")


def test_a_config_of_an_older_public_version_loads_with_notes(tmp_path):
    text = """\
data:
  image_orig_dims: {height: 406, width: 396}
  data_dir: ${LP_ROOT_PATH:}/data/mouse
  video_dir: ${data.data_dir}/videos
training: {gpu_id: 0, num_gpus: 0, dropout_rate: 0.1, limit_train_batches: null}
model: {losses_to_use: null, do_context: false}
dali:
  general: {num_threads: 4, device: gpu, seed: 1}
losses:
  temporal: {log_weight: 5.0, epsilon: [12.5, 3, 0.7]}
eval:
  hydra_paths: [" "]
  fiftyone: {dataset_name: test, port: 5151}
  video_file_to_plot: null
  test_videos_directory: ${data.video_dir}
"""
    message = refused(tmp_path, text)
    assert "c.yaml:3" in message
    assert "give data.data_dir=VALUE on the command line" in message
    loaded = load(tmp_path, text, "data.data_dir=/mice")
    assert loaded.config.eval.test_videos_directory == "/mice/videos"
    assert loaded.config.model.losses_to_use == []
    assert [note.split(": ")[1] for note in loaded.notes] == [
        "data.image_orig_dims",
        "training.gpu_id",
        "training.dropout_rate",
        "dali",
        "dali.general.device",
        "dali.general.num_threads",
        "eval.hydra_paths",
        "eval.fiftyone",
    ]


def test_a_key_that_would_change_the_tracker_is_not_ignored(tmp_path):
    assert "model.model_type" in refused(tmp_path, "model: {do_context: true}\n")


def test_null_for_multi_view_keys_is_nothing_to_tell(tmp_path):
    text = "data: {view_names: null, camera_params_file: null, bbox_file: null}\n"
    assert load(tmp_path, text + "training: {imgaug_3d: false, patch_mask: null}\n").notes == []


def test_one_view_or_none_is_a_project_of_one_camera(tmp_path):
    """`multiview_facts` 4: an empty list counted as several views in one place only."""
    assert load(tmp_path, "data: {view_names: []}\n").config.data.view_names is None
    loaded = load(tmp_path, "data: {view_names: [top]}\n")
    assert loaded.config.data.view_names is None
    assert "one view needs no name" in loaded.notes[0]


TWO = "data:\n  view_names: [left, right]\n  csv_file: [l.csv, r.csv]\n"


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        (
            "data:\n  view_name: [left, right]\n",
            "data.view_name",
            "did you mean 'data.view_names'?",
        ),
        ("data:\n  view_names: [left, left]\n  csv_file: [a, b]\n", "data.view_names", "twice"),
        ("data:\n  view_names: [left, right]\n", "data.csv_file", "2 views, but 1 files"),
        (TWO + "  bbox_file: [a.csv]\n", "data.bbox_file", "one for each of left, right"),
        (TWO + "  bbox_file: {left: a, rihgt: b}\n", "data.bbox_file", "did you mean 'right'?"),
        (TWO + "  mirrored_column_matches: [[0], [1]]\n", "data.mirrored", "images of their own"),
        ("data:\n  mirrored_column_matches: [0, 1]\n", "data.mirrored", "and there are none"),
    ],
)
def test_views_that_do_not_go_together_are_told(tmp_path, text, key, message):
    told = refused(tmp_path, text)
    assert key in told
    assert message in told
    assert "c.yaml:" in told


def test_keys_of_several_views_are_read(tmp_path):
    text = TWO + "  bbox_file: [a.csv, b.csv]\n  mirrored_column_matches: [0, 2]\n"
    data = load(tmp_path, text).config.data
    assert (data.view_names, data.csv_file) == (["left", "right"], ["l.csv", "r.csv"])
    assert data.mirrored_column_matches == [0, 2]


def test_keys_of_multi_view_training_are_noted(tmp_path):
    loaded = load(tmp_path, "training:\n  imgaug_3d: true\n  patch_mask: {init_epoch: 40}\n")
    assert [note.split(": ")[1] for note in loaded.notes] == [
        "training.imgaug_3d",
        "training.patch_mask",
    ]
    assert "without effect" in loaded.notes[-1]
    assert loaded.config.training.patch_mask == {"init_epoch": 40}


def test_an_empty_section_takes_all_defaults(tmp_path):
    assert load(tmp_path, "training:\ndali:\n").config.training.train_batch_size == 16


def test_null_takes_the_default_where_it_is_no_value(tmp_path):
    text = "training: {train_batch_size: null, accumulate_grad_batches: null}\n"
    config = load(tmp_path, text).config
    assert config.training.train_batch_size == 16
    assert config.training.accumulate_grad_batches == 1


def test_what_one_config_is_told_the_next_does_not_hear(tmp_path):
    text = "training: {lr_scheduler_params: {multisteplr: {milestones: null}}}\n"
    config = load(tmp_path, text).config
    config.losses["temporal"] = {}
    config.training.lr_scheduler_params.multisteplr.milestones.append(400)
    fresh = load(tmp_path).config
    assert fresh.losses == {}
    assert fresh.training.lr_scheduler_params.multisteplr.milestones == [150, 200, 250]


def test_a_name_elsewhere_is_the_best_guess(tmp_path):
    message = refused(tmp_path, "data:\n  imgaug: dlc\n")
    assert "data.imgaug: unknown key" in message
    assert "did you mean 'training.imgaug'?" in message


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("trainig: {}\n", "training"),
        ("training: {max_epoch: 3}\n", "training.max_epochs"),
        ("training: {optimizer_params: {learning_rat: 3}}\n", "optimizer_params.learning_rate"),
        ("training: {learning_rat: 3}\n", "training.optimizer_params.learning_rate"),
    ],
)
def test_an_unknown_key_names_the_nearest(tmp_path, text, guess):
    message = refused(tmp_path, text)
    assert "unknown key" in message
    assert guess in message
    assert "c.yaml:1" in message


def test_a_section_takes_no_value(tmp_path):
    assert "training: a section" in refused(tmp_path, "training: 5\n")


def test_all_problems_are_told_at_once_in_the_order_of_the_file(tmp_path):
    text = "training:\n  max_epoch: 3\n  train_batch_size: many\nmodel:\n  model_type: heatmapp\n"
    message = refused(tmp_path, text, "training.optimizer=SGD")
    path = tmp_path / "c.yaml"
    starts = [line.split(": ")[0].strip() for line in message.splitlines()[1:]]
    assert starts == [f"{path}:2", f"{path}:3", f"{path}:5", "override 'training.optimizer=SGD'"]


def test_overrides_win_and_later_ones_over_earlier(tmp_path):
    loaded = load(
        tmp_path,
        "training: {max_epochs: 3}\n",
        "training.max_epochs=4",
        "training.max_epochs=5",
        "data.keypoint_names=[nose, tail]",
        "model.model_name=a=b",
    )
    assert loaded.config.training.max_epochs == 5
    assert loaded.config.data.keypoint_names == ["nose", "tail"]
    assert loaded.config.model.model_name == "a=b"


def test_an_override_of_a_section_merges(tmp_path):
    text = "losses: {temporal: {log_weight: 5.0, epsilon: 3.0}}\n"
    loaded = load(tmp_path, text, "losses.temporal={epsilon: 4.0}", "losses.pca_singleview={}")
    assert loaded.config.losses["temporal"] == {"log_weight": 5.0, "epsilon": 4.0}
    assert loaded.origins["losses.temporal.epsilon"] == "override"
    assert loaded.origins["losses.temporal.log_weight"].endswith("c.yaml:1")


def test_an_override_mends_a_wrong_value_of_the_file(tmp_path):
    text = "training: {max_epochs: many}\n"
    assert load(tmp_path, text, "training.max_epochs=5").config.training.max_epochs == 5


def test_an_override_mends_a_key_that_yaml_cannot_read(tmp_path):
    text = "training: {max_epochs: !!int many}\n"
    assert "is no int" in refused(tmp_path, text)
    assert load(tmp_path, text, "training.max_epochs=5").config.training.max_epochs == 5


def test_an_override_without_a_value_is_null(tmp_path):
    text = "training: {gradient_clip_val: 5}\n"
    assert (
        load(tmp_path, text, "training.gradient_clip_val=").config.training.gradient_clip_val
        is None
    )


@pytest.mark.parametrize(
    "override",
    [
        "training.max_epochs",
        "=5",
        "training..max_epochs=5",
        "--max_epochs=5",
        "+training.x=5",
        "~x",
    ],
)
def test_a_malformed_override_is_told(tmp_path, override):
    message = refused(tmp_path, "data: {}\n", override)
    assert "key=value" in message
    assert f"override '{override}'" in message


def test_an_unknown_key_of_an_override_names_the_nearest(tmp_path):
    message = refused(tmp_path, "data: {}\n", "training.max_epoch=5")
    assert "did you mean 'training.max_epochs'?" in message
    assert "override 'training.max_epoch=5'" in message


def test_an_override_that_is_no_yaml_is_told(tmp_path):
    message = refused(tmp_path, "data: {}\n", "data.keypoint_names=[a, b")
    assert "not valid YAML" in message
    assert "override 'data.keypoint_names=[a, b'" in message


def test_an_override_inside_a_value_is_told(tmp_path):
    assert "has no keys inside" in refused(
        tmp_path, "training: {max_epochs: 3}\n", "training.max_epochs.a=5"
    )


def test_an_interpolation_follows_an_override(tmp_path):
    text = "data: {data_dir: /a, video_dir: '${data.data_dir}/videos'}\n"
    assert load(tmp_path, text, "data.data_dir=/b").config.data.video_dir == "/b/videos"


@pytest.mark.parametrize(
    "value", ["${data.absent}", "${data.video_dir", "${nothing:1}", "${" * 500 + "a" + "}" * 500]
)
def test_an_interpolation_of_nothing_is_told_with_its_line(tmp_path, value):
    message = refused(tmp_path, f"data:\n  csv_file: '{value}'\n")
    assert "data.csv_file" in message
    assert "c.yaml:2" in message


def test_interpolations_in_a_circle_are_told(tmp_path):
    message = refused(
        tmp_path, "data: {data_dir: '${data.video_dir}', video_dir: '${data.data_dir}'}"
    )
    assert "data.data_dir" in message


def test_origins_tell_default_file_and_override(tmp_path):
    loaded = load(tmp_path, "training:\n  imgaug: none\n", "training.max_epochs=3")
    path = tmp_path / "c.yaml"
    assert loaded.origins["training.imgaug"] == f"{path}:2"
    assert loaded.origins["training.max_epochs"] == "override"
    assert loaded.origins["training.optimizer"] == "default"


def test_show_tells_every_value_with_its_origin_and_reads_back(tmp_path):
    loaded = load(tmp_path, PUBLIC, "training.max_epochs=400")
    shown = show_config(loaded)
    (line,) = [line for line in shown.splitlines() if "max_epochs" in line]
    assert line.split("#")[0].split() == ["max_epochs:", "400"]
    assert line.split("# ")[1] == "override"
    assert load(tmp_path, shown).config == loaded.config


def test_a_saved_config_reads_back_as_the_same(tmp_path):
    loaded = load(tmp_path, PUBLIC)
    save_config(loaded.config, tmp_path / "run" / "config.yaml")
    again = load_config(tmp_path / "run" / "config.yaml")
    assert again.config == loaded.config
    assert again.notes == [note for note in again.notes if ": hydra" not in note]


def test_a_saved_config_spells_out_what_the_file_repeats_by_an_alias(tmp_path):
    text = "data: {keypoint_names: &names [nose, tail]}\ncreation_datetime: today\n"
    text += (
        "losses: {temporal: {epsilon: &eps [1.0, 2.0]}, temporal_heatmap_mse: {epsilon: *eps}}\n"
    )
    save_config(load(tmp_path, text).config, tmp_path / "saved.yaml")
    assert "*" not in (tmp_path / "saved.yaml").read_text()


@settings(deadline=None, max_examples=25)
@given(
    name=st.text(alphabet="$\\{}ab:#'\"\n 1e-.é", min_size=1).filter(lambda text: text != "???"),
    rate=st.floats(1e-12, 1e3),
    options=st.dictionaries(st.sampled_from(["rotate", "no", "1e3", "p"]), st.floats(0, 1)),
)
def test_any_value_survives_saving(tmp_path_factory, name, rate, options):
    config = Config()
    config.training.max_epochs = 300
    config.model.model_name = name
    config.training.optimizer_params.learning_rate = rate
    config.creation_datetime = str(options)
    path = tmp_path_factory.mktemp("saved") / "config.yaml"
    save_config(config, path)
    loaded = load_config(path)
    assert loaded.config == config
    path.write_text(show_config(loaded))
    assert load_config(path).config == config


def test_show_gives_each_value_one_line(tmp_path):
    shown = show_config(load(tmp_path, 'model: {model_name: "two\\nlines"}\n'))
    (line,) = [line for line in shown.splitlines() if "model_name" in line]
    assert '"two\\nlines"' in line
    assert line.endswith("c.yaml:1")


def test_a_failed_save_leaves_the_old_file(tmp_path):
    config = Config()
    path = tmp_path / "config.yaml"
    save_config(config, path)
    before = path.read_text()
    config.losses = {"temporal": object()}
    with pytest.raises(Exception, match="represent"):
        save_config(config, path)
    assert path.read_text() == before
    assert [item.name for item in tmp_path.iterdir()] == ["config.yaml"]


def test_a_relative_project_is_found_from_here_first_then_beside_the_config(tmp_path, monkeypatch):
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home / "project", elsewhere / "project", home / "only_home"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert load(home, "data: {data_dir: project}\n").config.data.data_dir == str(
        elsewhere / "project"
    )
    loaded = load(home, "data: {data_dir: only_home}\n")
    assert loaded.config.data.data_dir == str(home / "only_home")
    loaded = load(home, "data: {data_dir: nowhere}\n")
    assert loaded.config.data.data_dir == str(elsewhere / "nowhere")


def test_reading_a_plain_config_imports_nothing_heavy(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("data: {data_dir: /tmp}\ntraining: {max_epochs: 3}\n")
    code = (
        "import sys; from pathlib import Path; from lp_pipeline.config.load import load_config; "
        "import lp_pipeline.config.load, lp_pipeline.config.json_schema; "
        f"load_config(Path({str(path)!r})); "
        "print(sorted({'torch', 'matplotlib', 'pandas', 'timm'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
