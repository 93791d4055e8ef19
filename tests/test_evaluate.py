"""``litpose evaluate``, ``compare``, ``outliers`` and ``render``, as a user calls them."""

import csv
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from lp_data.video.open import open_video
from lp_synthetic.project import mirrored_column_matches


@pytest.fixture
def model(model_dir, tmp_path):
    """A copy of the model directory, whose config asks for the multi-view PCA metric."""
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["data"]["mirrored_column_matches"] = mirrored_column_matches()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


def content(folder):
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def read_lightning_pose(folder):
    """What a script that was written for Lightning Pose's output reads of a model directory."""
    predictions = pd.read_csv(folder / "predictions.csv", header=[0, 1, 2], index_col=0)
    scorer = predictions.columns.get_level_values(0)[0]
    sets = predictions.iloc[:, -1]
    points = predictions[scorer].stack(level=0, future_stack=True)
    errors = {
        name: pd.read_csv(folder / f"predictions_{name}.csv", index_col=0)
        for name in ("pixel_error", "pca_multiview_error")
    }
    return scorer, sets, points, errors


def test_a_script_for_the_public_output_reads_ours(litpose, model, project):
    assert litpose("evaluate", model, "--device", "cpu").code == 0
    scorer, sets, points, errors = read_lightning_pose(model)
    assert scorer == "heatmap_tracker"
    assert sets.name[0] == "set"
    assert set(sets) == {"train", "validation", "test"}
    assert list(points.columns) == ["x", "y", "likelihood"]
    labels = pd.read_csv(project.label_file, header=[0, 1, 2], index_col=0)
    truth = labels[labels.columns[0][0]]
    held_out = errors["pixel_error"][errors["pixel_error"]["set"] == "validation"].drop(
        columns="set"
    )
    for image, row in held_out.iterrows():
        for name, error in row.items():
            gap = points.loc[(image, name)][["x", "y"]] - truth[name].loc[image][["x", "y"]]
            np.testing.assert_allclose(error, np.hypot(*gap), atol=1e-3)
    table = errors["pca_multiview_error"]
    assert list(table.columns) == [*held_out.columns, "set"]
    assert list(table.index) == list(sets.index)
    assert table.drop(columns="set").notna().all(axis=None)


def test_evaluating_again_writes_the_same_tables(litpose, model):
    before = content(model)
    outcome = litpose("evaluate", model, "--device", "cpu")
    assert outcome.code == 0, outcome.err
    after = content(model)
    assert {name: after[name] for name in before} == before
    added = {"predictions_pca_multiview_error.csv", "predictions_new_pca_multiview_error.csv"}
    assert set(after) - set(before) == added
    assert "report.html" in outcome.out


def test_without_the_images_the_metrics_come_from_the_predictions(litpose, model):
    before = content(model)
    for name in before:
        if name.startswith("predictions_") or "summary" in name:
            (model / name).unlink()
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["data"]["data_dir"] = str(model / "gone")
    (model / "config.yaml").write_text(yaml.safe_dump(config))
    outcome = litpose("evaluate", model)
    assert outcome.code == 0, outcome.err
    assert "--data-dir says where the images are" in outcome.out
    after = content(model)
    assert after["predictions.csv"] == before["predictions.csv"]
    name = "predictions_pixel_error.csv"
    ours, theirs = pd.read_csv(model / name, index_col=0), None
    (model / name).write_bytes(before[name])
    theirs = pd.read_csv(model / name, index_col=0)
    pd.testing.assert_frame_equal(ours, theirs, atol=1e-4)
    assert "predictions_pca_multiview_error.csv" in after
    assert (model / "report.html").stat().st_size > 0


def test_images_that_have_moved_are_found_by_data_dir(litpose, model, project, tmp_path):
    moved = tmp_path / "moved"
    shutil.copytree(project.folder, moved)
    config = yaml.safe_load((model / "config.yaml").read_text())
    config["data"]["data_dir"] = str(tmp_path / "gone")
    (model / "config.yaml").write_text(yaml.safe_dump(config))
    (model / "predictions.csv").unlink()
    outcome = litpose("evaluate", model)
    assert outcome.code == 2
    assert "--data-dir" in outcome.err
    outcome = litpose("evaluate", model, "--data-dir", moved)
    assert outcome.code == 0, outcome.err
    assert (model / "predictions.csv").is_file()


def test_a_label_file_is_evaluated_by_itself(litpose, model, project, tmp_path):
    new = project.label_file.with_name("CollectedData_new.csv")
    (model / "predictions_new.csv").unlink()
    assert litpose("evaluate", model, new).code == 0
    table = pd.read_csv(model / "predictions_new_pixel_error.csv", index_col=0)
    assert len(table) == len(pd.read_csv(new, header=[0, 1, 2], index_col=0))
    assert set(table["set"]) == {"test"}
    mine = tmp_path / "mine.csv"
    shutil.copyfile(project.label_file, mine)
    outcome = litpose("evaluate", model, mine, "--data-dir", project.folder)
    assert outcome.code == 0, outcome.err
    table = pd.read_csv(model / "image_preds" / "mine" / "predictions_pixel_error.csv", index_col=0)
    own = pd.read_csv(model / "predictions_pixel_error.csv", index_col=0)
    assert list(table["set"]) == list(own["set"])  # training frames are not passed off as new


def test_predicting_a_label_file_passes_no_training_frame_off_as_new(litpose, model, project):
    assert litpose("predict", model, project.label_file).code == 0
    folder = model / "image_preds" / project.label_file.stem
    table = pd.read_csv(folder / "predictions_pixel_error.csv", index_col=0)
    own = pd.read_csv(model / "predictions_pixel_error.csv", index_col=0)
    assert list(table["set"]) == list(own["set"])


def test_another_image_of_the_same_relative_path_is_new(litpose, model, project, tmp_path):
    own = pd.read_csv(model / "predictions_pixel_error.csv", index_col=0)["set"]
    copied, other = own[own == "train"].index[:2]
    elsewhere = tmp_path / "elsewhere"
    for image, source in ((copied, copied), (other, copied)):
        (elsewhere / image).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(project.folder / source, elsewhere / image)
    labels = pd.read_csv(project.label_file, header=[0, 1, 2], index_col=0)
    labels.loc[[copied, other]].to_csv(elsewhere / "mine.csv")
    assert litpose("evaluate", model, elsewhere / "mine.csv").code == 0
    table = pd.read_csv(model / "image_preds" / "mine" / "predictions_pixel_error.csv", index_col=0)
    assert table["set"].to_dict() == {copied: "train", other: "test"}


def test_label_files_of_one_name_are_refused(litpose, model, project, tmp_path):
    other = tmp_path / project.label_file.name
    shutil.copyfile(project.label_file, other)
    outcome = litpose("evaluate", model, project.label_file, other)
    assert outcome.code == 2
    assert "of the same name" in outcome.err
    assert not (model / "image_preds").exists()


def test_outliers_remove_only_their_own_earlier_clips(litpose, model, project, tmp_path):
    assert litpose("predict", model, project.test_video).code == 0
    arguments = ("outliers", model, project.test_video, "--threshold", 0, "-o", tmp_path / "clips")
    mine = tmp_path / "clips" / "frames_of_my_talk.mp4"
    mine.parent.mkdir()
    mine.write_bytes(b"a talk")
    (tmp_path / "clips" / "frames_0000000-0000001.mp4").write_bytes(b"a clip of mine")
    assert litpose(*arguments).code == 0
    made = set(mine.parent.glob("*.mp4"))
    assert {mine, tmp_path / "clips" / "frames_0000000-0000001.mp4"} < made
    assert litpose(*arguments, "--overwrite", "--no-clips").code == 0
    assert set(mine.parent.glob("*.mp4")) == {
        mine,
        tmp_path / "clips" / "frames_0000000-0000001.mp4",
    }


def test_a_video_gets_its_metrics_and_its_suspicious_frames(litpose, model, project, tmp_path):
    assert litpose("predict", model, project.test_video).code == 0
    folder = model / "video_preds"
    with open_video(project.test_video) as source:
        frames = len(source)
    errors = pd.read_csv(folder / "test_pca_multiview_error.csv", index_col=0)
    assert list(errors.index) == list(range(frames))
    norm = folder / "test_temporal_norm.csv"
    predicted = norm.read_bytes()
    norm.unlink()
    assert litpose("evaluate", model).code == 0  # makes it again, without the video
    assert norm.read_bytes() == predicted

    arguments = ("outliers", model, project.test_video, "--count", 2, "--length", 3)
    outcome = litpose(*arguments, "--threshold", 0)
    assert outcome.code == 0, outcome.err
    found = list(csv.DictReader((folder / "outliers" / "test" / "outliers.csv").open()))
    assert {row["metric"] for row in found} >= {"temporal_norm", "pca_multiview_error"}
    clips = {path.name for path in (folder / "outliers" / "test").glob("*.mp4")}
    assert {row["clip"] for row in found} == clips
    for name in clips:
        first, last = map(int, name.removesuffix(".mp4").removeprefix("frames_").split("-"))
        with open_video(folder / "outliers" / "test" / name) as clip:
            assert len(clip) == last - first + 1
    outcome = litpose(*arguments)
    assert outcome.code == 2
    assert "--overwrite" in outcome.err
    outcome = litpose(*arguments, "--overwrite", "--no-clips", "--threshold", 1)
    assert "those of at least 1 in " in outcome.out
    found = csv.DictReader((folder / "outliers" / "test" / "outliers.csv").open())
    assert {row["metric"] for row in found} == {"confidence_drop"}  # nothing is that sure
    assert not list((folder / "outliers" / "test").glob("*.mp4"))


def test_outliers_of_an_unpredicted_video_say_how_to_predict_it(litpose, model, project):
    outcome = litpose("outliers", model, project.test_video)
    assert outcome.code == 2
    assert f"litpose predict {model} {project.test_video}" in outcome.err


def test_predictions_are_rendered_frame_for_frame(litpose, model, project, tmp_path):
    assert litpose("predict", model, project.test_video, "-o", tmp_path).code == 0
    table = tmp_path / "test.csv"
    names = list(
        dict.fromkeys(pd.read_csv(table, header=[0, 1, 2]).columns.get_level_values(1)[1:])
    )
    arguments = ("render", project.test_video, table, "--skeleton", f"{names[0]}-{names[1]}")
    outcome = litpose(*arguments, "--trail", 3, "--legend", "--colormap", "turbo")
    assert outcome.code == 0, outcome.err
    with (
        open_video(project.test_video) as source,
        open_video(tmp_path / "labeled_videos" / "test_labeled.mp4") as drawn,
    ):
        assert (len(drawn), drawn.fps) == (len(source), source.fps)
    assert "--overwrite" in litpose(*arguments).err
    clip = tmp_path / "clip.mp4"
    assert (
        litpose("render", project.test_video, table, "-o", clip, "--first", 5, "--last", 8).code
        == 0
    )
    with open_video(clip) as drawn:
        assert len(drawn) == 4
    outcome = litpose(*arguments[:-1], f"{names[0]}-nosuch", "--overwrite")
    assert outcome.code == 2
    assert "does not join two keypoints" in outcome.err
    outcome = litpose(
        "render", project.test_video, table, "-o", clip, "--first", 500, "--overwrite"
    )
    assert outcome.code == 2


def test_rendering_never_replaces_the_recording_or_its_table(litpose, model, project, tmp_path):
    video = tmp_path / "cam.mp4"
    shutil.copyfile(project.test_video, video)
    assert litpose("predict", model, video, "-o", tmp_path).code == 0
    table, before = tmp_path / "cam.csv", video.read_bytes()
    for output in (video, table):
        outcome = litpose("render", video, table, "-o", output, "--overwrite")
        assert outcome.code == 2
        assert "would replace what it is made from" in outcome.err
    assert video.read_bytes() == before
    outcome = litpose("render", video, table, "--first", 5000)
    assert outcome.code == 2
    assert "there is no frame 5000" in outcome.err


def test_a_model_directory_is_no_input(litpose, model):
    outcome = litpose("predict", model, model)
    assert outcome.code == 2
    assert "is a model directory" in outcome.err


def test_two_models_are_compared(litpose, model, model_dir, tmp_path):
    outputs = ("-o", tmp_path / "c.csv", "-o", tmp_path / "c.png", "--resamples", 200)
    outcome = litpose("compare", "--group", f"one={model_dir}", model, *outputs)
    assert outcome.code == 0, outcome.err
    assert "one" in outcome.out
    rows = list(csv.DictReader((tmp_path / "c.csv").open()))
    assert {row["group"] for row in rows} == {"one", "model"}
    errors = pd.read_csv(model_dir / "predictions_pixel_error.csv", index_col=0)
    held_out = errors[errors["set"].isin(["validation", "test"])].drop(columns="set")
    overall = [float(row["mean"]) for row in rows if row["keypoint"] == "all keypoints"]
    assert overall == pytest.approx([np.nanmean(held_out.to_numpy())] * 2, abs=1e-3)
    assert (tmp_path / "c.png").stat().st_size > 0
    assert litpose("compare", model_dir, model, "--labels", "new").code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("compare",), "which models?"),
        (("compare", "nowhere"), "no such model directory"),
        (("compare", "MODEL", "--frames", "tests"), "did you mean 'test'?"),
        (("compare", "MODEL", "-o", "c.pdf"), "ends in .csv or .png"),
        (("compare", "MODEL", "--group", "MODEL"), "write NAME=DIR,DIR"),
        (("evaluate", "nowhere"), "there is no such model directory"),
        (("evaluate", "MODEL", "nothing.csv"), "no such label file"),
        (("evaluate", "MODEL", "--data-dir", "nowhere"), "no such folder"),
        (("outliers", "MODEL", "gone.mp4"), "no such video"),
    ],
)
def test_wrong_use_is_answered_with_one_helpful_message(litpose, model_dir, arguments, told):
    outcome = litpose(*(model_dir if text == "MODEL" else text for text in arguments))
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err
