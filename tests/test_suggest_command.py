"""``litpose suggest``: frames to label next, with a model or without, and into the project."""

import csv
import shutil

import numpy as np
import pytest
import yaml

from lp_core.poses import Skeleton, write_pose_csv
from lp_data.labels import read_labels
from lp_data.testing.encoding import lengthen
from lp_io.predictions import read_predictions
from lp_io.predictions.covariance import read_covariance, write_covariance


@pytest.fixture
def mine(project, model_dir, tmp_path):
    """A copy of the project with its config, and of the model, that may be changed."""
    folder = tmp_path / "mine"
    shutil.copytree(project.folder, folder)
    config = tmp_path / "mine.yaml"
    config.write_text(yaml.safe_dump({"data": {"data_dir": str(folder)}}))
    shutil.copytree(model_dir, tmp_path / "model")
    return folder, config, tmp_path / "model"


def rows(path):
    with path.open() as file:
        return list(csv.DictReader(file))


def test_a_model_predicts_what_is_not_predicted_and_its_frames_come_with_reasons(litpose, mine):
    folder, _, model = mine
    video = folder / "videos_test/test.mp4"
    done = litpose("suggest", model, video, "--count", 3)
    assert done.code == 0, done.err
    assert (model / "video_preds/test.csv").is_file()
    found = rows(model / "suggested_frames.csv")
    assert [row["video"] for row in found] == [str(video)] * 3
    assert all(row["reason"] for row in found)
    again = litpose("suggest", model, video, "--count", 3)
    assert again.code == 2
    assert "--overwrite" in again.err
    assert litpose("suggest", model, video, "--count", 3, "--overwrite").code == 0
    assert rows(model / "suggested_frames.csv") == found


def test_labelled_frames_of_a_training_video_are_not_suggested(litpose, mine):
    folder, _, model = mine
    video = next((folder / "videos").glob("*.mp4"))
    labelled = {
        int(path.rpartition("img")[2].removesuffix(".png"))
        for path in read_labels(folder / "CollectedData.csv").image_paths
        if f"/{video.stem}/" in path
    }
    assert labelled
    assert litpose("suggest", model, video, "--count", 6, "--apart", 1).code == 0
    found = {int(row["frame"]) for row in rows(model / "suggested_frames.csv")}
    assert len(found) == 6
    assert not found & labelled


def test_extract_check_accept_and_suggest_again(litpose, mine):
    folder, config, model = mine
    video, labels = folder / "videos_test/test.mp4", folder / "CollectedData.csv"
    before = labels.read_text()
    more = ("--project", config, "--count", 3, "--apart", 1, "--overwrite")
    done = litpose("suggest", model, video, *more, "--extract")
    assert done.code == 0, done.err
    assert labels.read_text() == before
    guesses = read_predictions(folder / "CollectedData_suggested.csv")
    assert all((folder / name).is_file() for name in guesses.image_paths)
    predicted = read_predictions(model / "video_preds/test.csv")
    frames = [int(row["frame"]) for row in rows(model / "suggested_frames.csv")]
    np.testing.assert_allclose(guesses.points, predicted.points[frames], atol=1e-4)
    # a training does not see guesses
    assert len(read_labels(labels)) == 12
    checked = litpose("check", folder)
    assert checked.code == 0
    assert "no problem found" in checked.out
    accepted = litpose("suggest", "--project", config, "--accept",
                       folder / "CollectedData_suggested.csv")  # fmt: skip
    assert "3 images are labelled now" in accepted.out
    assert labels.read_text().startswith(before)
    assert len(read_labels(labels)) == 15
    assert litpose("suggest", model, video, *more).code == 0
    again = [int(row["frame"]) for row in rows(model / "suggested_frames.csv")]
    assert not set(again) & set(frames)


def test_a_member_of_an_ensemble_adds_its_disagreement(litpose, mine, tmp_path):
    folder, _, model = mine
    video, other = folder / "videos_test/test.mp4", tmp_path / "other"
    shutil.copytree(model, other)
    assert litpose("predict", other, video).code == 0
    table = read_predictions(other / "video_preds/test.csv")
    table.points[7, 3] += 500.0
    write_pose_csv(table, other / "video_preds/test.csv")
    done = litpose("suggest", model, video, "--member", other, "--count", 3, "--apart", 1)
    assert done.code == 0, done.err
    (row,) = [row for row in rows(model / "suggested_frames.csv") if row["frame"] == "7"]
    assert f"the models disagree on {table.keypoint_names[3]}, by 500.0 px" in row["reason"]


def test_an_ensemble_says_where_its_members_disagree(litpose, mine, tmp_path):
    folder, _, model = mine
    video, ensemble = folder / "videos_test/test.mp4", tmp_path / "ensemble"
    shutil.copytree(model, tmp_path / "other")
    made = litpose("ensemble", model, tmp_path / "other", "-o", ensemble)
    assert made.code == 0, made.err
    assert litpose("predict", ensemble, video).code == 0
    table = ensemble / "video_preds/test.csv"
    (covariance,) = read_covariance(table)
    covariance[9, 4] *= 400
    names = read_predictions(table).keypoint_names
    write_covariance(table, names, list(map(str, range(16))), covariance)
    done = litpose("suggest", ensemble, video, "--count", 3, "--apart", 1)
    assert done.code == 0, done.err
    (row,) = [row for row in rows(ensemble / "suggested_frames.csv") if row["frame"] == "9"]
    assert f"the models disagree on {names[4]}" in row["reason"]


def test_without_a_model_in_a_folder_of_labels(litpose, mine, tmp_path, monkeypatch):
    folder, _, _ = mine
    monkeypatch.chdir(tmp_path)
    done = litpose("suggest", "--project", folder, folder / "videos", "--count", 4, "--extract")
    assert done.code == 0, done.err
    assert len(rows(tmp_path / "suggested_frames.csv")) == 4
    guesses = read_predictions(folder / "CollectedData_suggested.csv")
    assert len(guesses) == 4
    assert not guesses.has_position.any()


def test_wrong_inputs_are_told(litpose, mine, tmp_path, monkeypatch):
    folder, _, model = mine
    monkeypatch.chdir(tmp_path)
    video = folder / "videos_test/test.mp4"
    none = litpose("suggest", model)
    assert (none.code, "no video is given" in none.err) == (2, True)
    many = litpose("suggest", model, video, "--count", 999)
    assert "999 frames were asked for" in many.err
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"not a video")
    for arguments in ((model, broken), (broken,)):
        told = litpose("suggest", *arguments)
        assert told.code == 2
        assert str(broken) in told.err
    nowhere = litpose("suggest", video, "--extract")
    assert "--project" in nowhere.err
    unknown = litpose("suggest", "--accept", broken)
    assert "--project" in unknown.err


def test_a_model_of_other_keypoints_than_the_project(litpose, mine, tmp_path):
    folder, _, model = mine
    labels = read_labels(folder / "CollectedData.csv")
    names = tuple(f"part{number}" for number in range(len(labels.skeleton)))
    other = tmp_path / "other"
    other.mkdir()
    renamed = type(labels)(Skeleton(names), labels.points, labels.frame)
    write_pose_csv(renamed, other / "CollectedData.csv")
    done = litpose("suggest", model, folder / "videos_test/test.mp4", "--project", other)
    assert done.code == 2
    assert "keypoints that the project does not have" in done.err
    assert not (model / "video_preds/test.csv").exists()


@pytest.mark.slow
def test_memory_does_not_grow_with_the_video(litpose, project, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    import resource

    long = lengthen(project.test_video, 20_000, tmp_path / "long.mp4")
    assert litpose("suggest", project.test_video, "--count", 2, "--apart", 1).code == 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert litpose("suggest", long, "--count", 2, "--overwrite").code == 0
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 150 * 1024  # kB; as frames, 20,000 would be 550 MB
