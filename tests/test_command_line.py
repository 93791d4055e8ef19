"""``litpose`` from training to a labelled video, as a user calls it."""

import logging
import shutil
import subprocess
import sys

import pandas as pd
import pytest

from lp_data.video.open import open_video


def test_training_leaves_the_public_files(model_dir, project):
    predictions = pd.read_csv(model_dir / "predictions.csv", header=[0, 1, 2], index_col=0)
    labels = pd.read_csv(project.label_file, header=[0, 1, 2], index_col=0)
    assert list(predictions.index) == list(labels.index)
    assert predictions.columns[-1][0] == "set"
    assert set(predictions.iloc[:, -1]) <= {"train", "validation", "test", "unused"}
    names = list(dict.fromkeys(labels.columns.get_level_values(1)))
    coordinates = predictions.iloc[:, :-1]
    assert list(dict.fromkeys(coordinates.columns.get_level_values(1))) == names
    assert list(coordinates.columns.get_level_values(2)[:3]) == ["x", "y", "likelihood"]
    errors = pd.read_csv(model_dir / "predictions_pixel_error.csv", index_col=0)
    assert list(errors.columns) == [*names, "set"]
    made = ("config.yaml", "model.safetensors", "manifest.json", "error_plot.png", "report.html")
    for name in made:
        assert (model_dir / name).stat().st_size > 0
    # the frames of another look are evaluated by themselves
    assert (model_dir / "predictions_new_pixel_error.csv").is_file()


def test_a_video_is_predicted_row_for_frame_and_drawn(litpose, model_dir, project, tmp_path):
    outcome = litpose(
        "predict",
        model_dir,
        project.test_video,
        "-o",
        tmp_path,
        "--labeled-video",
        "--device",
        "cpu",
    )
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(tmp_path / "test.csv", header=[0, 1, 2], index_col=0)
    with open_video(project.test_video) as source:
        frames = len(source)
    assert list(table.index) == list(range(frames))
    norm = pd.read_csv(tmp_path / "test_temporal_norm.csv", index_col=0)
    assert len(norm) == frames
    assert norm.iloc[0].isna().all()
    with open_video(tmp_path / "labeled_videos" / "test_labeled.mp4") as drawn:
        assert len(drawn) == frames


def test_what_is_done_is_not_done_again_without_being_asked(litpose, model_dir, project, tmp_path):
    arguments = ("predict", model_dir, project.test_video, "-o", tmp_path, "--device", "cpu")
    assert litpose(*arguments).code == 0
    before = (tmp_path / "test.csv").stat().st_mtime_ns
    outcome = litpose(*arguments)
    assert "--overwrite predicts it again" in outcome.out
    assert (tmp_path / "test.csv").stat().st_mtime_ns == before
    assert litpose(*arguments, "--overwrite").code == 0
    assert (tmp_path / "test.csv").stat().st_mtime_ns > before


def test_a_label_file_and_a_folder_of_images_are_predicted(litpose, model_dir, project, tmp_path):
    images = next((project.folder / "labeled-data").iterdir())
    outcome = litpose("predict", model_dir, project.label_file, images, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    assert (tmp_path / project.label_file.stem / "predictions_pixel_error.csv").is_file()
    table = pd.read_csv(tmp_path / f"{images.name}.csv", header=[0, 1, 2], index_col=0)
    assert len(table) == len(list(images.glob("*.png")))


def test_a_model_directory_alone_predicts(litpose, model_dir, project, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("model.safetensors", "manifest.json"):
        (alone / name).write_bytes((model_dir / name).read_bytes())
    assert litpose("predict", alone, project.test_video).code == 0
    assert (alone / "video_preds" / "test.csv").is_file()


def test_the_same_seed_trains_the_same_weights(
    litpose, config_file, model_dir, tiny_training, tmp_path
):
    outcome = litpose("train", config_file, "-o", tmp_path / "again", *tiny_training)
    assert outcome.code == 0, outcome.err
    first, again = (folder / "model.safetensors" for folder in (model_dir, tmp_path / "again"))
    assert first.read_bytes() == again.read_bytes()


def test_an_earlier_model_is_only_replaced_when_asked(
    litpose, config_file, model_dir, tiny_training
):
    before = (model_dir / "model.safetensors").read_bytes()
    outcome = litpose("train", config_file, "-o", model_dir, *tiny_training)
    assert outcome.code == 2
    assert "--overwrite" in outcome.err
    assert (model_dir / "model.safetensors").read_bytes() == before


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; sys.argv = ['litpose', '--help']\n"
        "from lp_pipeline.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'timm', 'cv2', 'av', 'pytorch_lightning'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "predict" in done.stdout


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("data.mirrored_column_matches=[[0,1],[99,3]]", "no keypoint 99"),
        ("data.columns_for_singleview_pca=[0,1,20]", "no keypoint 20"),
        ("data.image_resize_dims.height=100", "multiples of"),
        ("model.backbone=resnet19", "did you mean 'resnet18'?"),
    ],
)
def test_a_check_refuses_what_training_would(litpose, config_file, tiny_training, override, told):
    assert litpose("config", "check", config_file, *tiny_training).code == 0
    outcome = litpose("config", "check", config_file, *tiny_training, override)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())


def test_only_a_model_directory_is_replaced_and_none_that_holds_data(
    litpose, config_file, project, tiny_training, tmp_path
):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "config.yaml").write_text("Task: of another program\n")
    arguments = ("train", config_file, *tiny_training, "--overwrite", "-o")
    outcome = litpose(*arguments, mine)
    assert outcome.code == 2
    assert "is not a model directory" in outcome.err
    assert [path.name for path in mine.iterdir()] == ["config.yaml"]
    copy = tmp_path / "copy"
    shutil.copytree(project.folder, copy)
    for name in ("config.yaml", "progress.json"):  # as if a training had gone there
        (copy / name).touch()
    before = sorted(copy.rglob("*"))
    outcome = litpose(*arguments, copy, f"data.data_dir={copy}")
    assert outcome.code == 2
    assert "lies in the folder that is to be replaced" in outcome.err
    assert sorted(copy.rglob("*")) == before


def test_a_place_that_cannot_be_written_is_told_without_a_traceback(
    litpose, model_dir, config_file, project, tmp_path
):
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "out.png"  # a file cannot hold another
    table = tmp_path / f"{project.test_video.stem}.csv"
    litpose("predict", model_dir, project.test_video, "-o", tmp_path)
    for arguments in (
        ("preview", config_file, "-o", below),
        ("render", project.test_video, table, "-o", below.with_suffix(".mp4")),
        ("outliers", model_dir, project.test_video, "--predictions", table, "-o", below),
    ):
        outcome = litpose(*arguments)
        assert outcome.code == 2, outcome
        assert str(tmp_path / "file") in outcome.err
        assert "Traceback" not in outcome.err


def test_the_video_reader_is_told(litpose, model_dir, project, tmp_path, monkeypatch):
    logger = logging.getLogger("lp_data")
    monkeypatch.setattr(logger, "handlers", [])  # what an earlier call has shown
    outcome = litpose("predict", model_dir, project.test_video, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    assert f"note: {project.test_video}: read with 'pyav'" in outcome.out
    assert outcome.out.count("read with") == 1


def test_names_with_brackets_are_printed_as_they_are(litpose, model_dir, project, tmp_path):
    video, folder = tmp_path / "mouse[left].mp4", tmp_path / "[/x]" / ":dog:"
    shutil.copy(project.test_video, video)
    table = folder / "mouse[left].csv"
    for arguments, told in (
        (("predict", model_dir, video, "-o", folder, "--labeled-video"), table),
        (("render", video, table, "-o", folder / "[b].mp4"), folder / "[b].mp4"),
        (("outliers", model_dir, video, "--predictions", table), folder / "outliers"),
    ):
        outcome = litpose(*arguments)
        assert outcome.code == 0, outcome.err
        assert str(told) in outcome.out


def test_help_shows_whole_sentences_by_what_commands_are_for(litpose, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = litpose("--help").out
    assert "..." not in shown.partition("Train and predict:")[2]
    assert "Train and predict:" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert "Find frames of a video whose predictions look wrong, and cut clips of them." in (
        " ".join(shown.split())
    )
