"""Several animals from labels to named tracks: find them, look at each, follow them."""

import csv
import shutil
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
import yaml

from lp_core.poses import Animals, Content, confidence_of, read_pose_csv
from lp_data.video.open import open_video
from lp_io.checkpoint import annotate_model, read_manifest
from lp_io.model_directory import VIDEO_FOLDER, labeled_video_path, video_table
from lp_io.predictions import read_predictions, write_predictions
from lp_io.predictions.source import is_made_from
from lp_pipeline.config.load import load_config
from lp_pipeline.errors import PredictionError
from lp_pipeline.model import Model
from lp_pipeline.training.run import train

FRAMES = 16


def test_one_training_makes_both_stages(mice_model):
    manifest, detector = (read_manifest(mice_model / name) for name in ("", "detector"))
    known = manifest.extra["top_down"]
    assert (known["several"], known["count"]) == (True, 2)
    assert known["crop_size"] == [64, 64]
    assert len(known["limbs"]) == len(manifest.keypoint_names) - 1
    assert manifest.keypoint_names[0] == "nose"
    assert detector.keypoint_names == ("centroid",)
    assert 0.1 <= detector.extra["score_threshold"] <= 0.5
    assert manifest.split == detector.split


def test_keypoints_that_are_too_far_apart_are_not_believed(mice_model, mice, tmp_path):
    believed = []
    for number, factor in enumerate((100.0, 0.01)):
        folder = tmp_path / str(number)
        shutil.copytree(mice_model, folder)
        known = read_manifest(folder).extra["top_down"]
        limbs = [[one, other, factor * longest] for one, other, longest in known["limbs"]]
        annotate_model(folder, {"top_down": {**known, "limbs": limbs}})
        annotate_model(folder / "detector", {"score_threshold": 0.0})
        model = Model.from_dir(folder)
        _make_sure(model.animals.handler.tracker)
        table = model.predict_animals(mice.test_video)
        assert len(table)
        assert (confidence_of(table)[np.isnan(table.points[..., 0])] == 0).all()
        believed.append(table.has_position.sum(axis=1))
    assert (believed[0] > believed[1]).all()


def test_animals_of_which_one_keypoint_is_known_have_tracks(litpose, mice_model, mice, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(mice_model, model)
    known = read_manifest(model).extra["top_down"]
    limbs = [[one, other, 0.0] for one, other, _ in known["limbs"]]
    annotate_model(model, {"top_down": {**known, "limbs": limbs}})
    annotate_model(model / "detector", {"score_threshold": 0.0})
    outcome = litpose("predict", model, mice.test_video)
    assert outcome.code == 0, outcome.err
    written = read_predictions(video_table(model, mice.test_video), several=True)
    assert max(Counter(written.frame).values()) == known["count"]


def _make_sure(tracker):
    """Sharpen the heatmaps of a tracker that learned for too short a time to be sure of any."""
    *_, last = (part for part in tracker.head.modules() if hasattr(part, "weight"))
    with torch.no_grad():
        last.weight *= 1000


def test_a_wrong_key_of_the_detector_is_told(litpose, mice_config, tiny_training):
    wrong = "animals.detector={training: {max_epoch: 3}}"
    outcome = litpose("config", "check", mice_config, *tiny_training, wrong)
    assert outcome.code == 2
    assert "training.max_epoch: unknown key" in outcome.err
    assert "animals.detector" in outcome.err
    assert "did you mean 'training.max_epochs'?" in outcome.err


def test_the_whole_way_by_the_command(litpose, mice_model, mice, tmp_path):
    outcome = litpose("evaluate", mice_model)
    assert outcome.code == 0, outcome.err
    labelled = read_predictions(mice_model / "predictions.csv", several=True)
    assert set(labelled.individual) == {"mouse1", "mouse2"}
    outcome = litpose("predict", mice_model, mice.test_video, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    table = tmp_path / f"{mice.test_video.stem}.csv"
    assert set(read_predictions(table, several=True).frame) == set(range(FRAMES))
    assert is_made_from(table, mice.test_video, Model.from_dir(mice_model).handler.weights_digest)
    again = litpose("predict", mice_model, mice.test_video, "-o", tmp_path)
    assert "is there already" in again.out + again.err


def test_the_command_and_python_find_the_same_animals(litpose, mice_model, mice, tmp_path):
    """F35: the threshold is in one place, the model directory, whatever predicts."""
    counts = []
    for number, threshold in enumerate((0.0, 2.0)):
        model = tmp_path / str(number)
        shutil.copytree(mice_model, model)
        annotate_model(model / "detector", {"score_threshold": threshold})
        outcome = litpose("predict", model, mice.test_video)
        assert outcome.code == 0, outcome.err
        written = read_predictions(video_table(model, mice.test_video), several=True)
        table = Model.from_dir(model).predict_animals(mice.test_video)
        written = written.rows(np.flatnonzero(written.has_position.any(axis=1)))
        assert written.frame == table.frame
        both = (np.sort(each.points.mean(axis=(1, 2))) for each in (written, table))
        np.testing.assert_allclose(*both, atol=1e-3)
        counts.append(len(table))
    assert counts[0] > counts[1] == 0


def test_prediction_changes_nothing_in_project_and_model(litpose, mice_model, mice, tmp_path):
    """F42: jobs side by side share the project, so that none of them writes into it."""
    files = [path for folder in (mice_model, mice.folder) for path in folder.rglob("*")]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in files}
    outcome = litpose("predict", mice_model, mice.test_video, "-o", tmp_path / "out")
    assert outcome.code == 0, outcome.err
    now = [path for folder in (mice_model, mice.folder) for path in folder.rglob("*")]
    assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in now} == before


def test_outliers_tell_which_animal_looks_wrong(litpose, mice_model, mice, tmp_path):
    truth = read_pose_csv(mice.truth[mice.test_video.stem], Content.LABELS, Animals(several=True))
    frame = np.array([int(number) for number in truth.frame])
    other = {"mouse1": "mouse2", "mouse2": "mouse1"}
    names = tuple(
        other[name] if number >= 9 else name
        for name, number in zip(truth.individual, frame, strict=True)
    )
    sure = np.full(truth.points.shape[:2], 0.95)
    table = tmp_path / "exchanged.csv"
    write_predictions(replace(truth, visibility=None, confidence=sure, individual=names), table)
    arguments = ("outliers", mice_model, mice.test_video, "--predictions", table, "--length", 5)
    outcome = litpose(*arguments, "--count", 1, "-o", tmp_path / "found")
    assert outcome.code == 0, outcome.err
    found = list(csv.DictReader((tmp_path / "found" / "outliers.csv").open()))
    (leap,) = [row for row in found if row["metric"] == "temporal_norm"]
    assert leap["frame"] == "9"
    assert leap["individual"] in other
    with open_video(tmp_path / "found" / leap["clip"]) as clip:
        assert len(clip) >= 5


def test_predict_draws_a_labelled_video(litpose, mice_model, mice, tmp_path):
    outcome = litpose("predict", mice_model, mice.test_video, "-o", tmp_path, "--labeled-video")
    assert outcome.code == 0, outcome.err
    with open_video(labeled_video_path(tmp_path / f"{mice.test_video.stem}.csv")) as drawn:
        assert len(drawn) == FRAMES


def test_render_draws_all_animals_in_the_colours_that_are_asked_for(litpose, mice, tmp_path):
    truth = read_pose_csv(mice.truth[mice.test_video.stem], Content.LABELS, Animals(several=True))
    sure = np.ones(truth.points.shape[:2])
    table = tmp_path / "table.csv"
    write_predictions(replace(truth, visibility=None, confidence=sure), table)
    pictures = []
    for kind in ("individual", "keypoint"):
        path = tmp_path / f"{kind}.mp4"
        outcome = litpose("render", mice.test_video, table, "--color-by", kind, "-o", path)
        assert outcome.code == 0, outcome.err
        assert "drawn: 100 % of the keypoints" in " ".join(outcome.out.split())
        with open_video(path) as drawn:
            assert len(drawn) == FRAMES
            pictures.append(drawn.read(FRAMES - 1, FRAMES)[0])
    assert pictures[0].shape[1] < pictures[1].shape[1]  # keypoints are in the legend, too


def test_the_report_tells_of_all_animals(litpose, mice_model, mice, tmp_path):
    """Those of labelled frames by their contact, and those that were found in videos."""
    model = tmp_path / "model"
    shutil.copytree(mice_model, model)
    video = next((mice.folder / "videos").iterdir())
    truth = read_pose_csv(mice.truth[mice.test_video.stem], Content.LABELS, Animals(several=True))
    sure = np.ones(truth.points.shape[:2])
    (model / VIDEO_FOLDER).mkdir(exist_ok=True)
    table = model / VIDEO_FOLDER / f"{video.stem}.csv"
    write_predictions(replace(truth, visibility=None, confidence=sure), table)
    outcome = litpose("evaluate", model)
    assert outcome.code == 0, outcome.err
    page = (model / "report.html").read_text()
    for part in ("Error by contact", "Animals in videos", "mouse2", "64×64 px", "at most 2"):
        assert part in page
    assert "detector's score threshold" in page.replace("&#39;", "'")
    assert "no section" not in outcome.out


def test_an_interrupted_prediction_goes_on_to_the_same_bytes(
    mice_model, mice, same_bytes_after_ctrl_c
):
    same_bytes_after_ctrl_c(mice_model, mice.test_video)


@pytest.fixture(scope="module")
def conditioned_model(mice_config, tiny_training, tmp_path_factory):
    """A model directory whose tracker is told where each animal was."""
    folder = tmp_path_factory.mktemp("models") / "conditioned"
    kind = "model.model_type=heatmap_conditioned"
    detector = "animals.detector={training: {max_epochs: 15}}"  # finds something
    longer = "training.max_epochs=4"
    train(load_config(mice_config, (*tiny_training, kind, detector, longer)), folder)
    return folder


def test_animals_are_followed_to_the_same_bytes_after_an_interruption(
    conditioned_model, mice, same_bytes_after_ctrl_c
):
    """What is looked at again depends on the two frames before, also across an interruption."""
    with open_video(mice.test_video) as source:
        animals = Model.from_dir(conditioned_model, chunk=4).animals
        links = np.concatenate([rows.link for _, rows in animals.predict_video(source)])
    assert (links >= 0).sum() > FRAMES / 2
    same_bytes_after_ctrl_c(conditioned_model, mice.test_video)


def test_a_training_that_was_stopped_in_its_first_stage_goes_on(
    litpose, mice_config, tiny_training, tmp_path
):
    """And one that was stopped in its second stage does not train the first again."""
    folder, settings = (
        tmp_path / "model",
        (*tiny_training, "eval.predict_vids_after_training=false"),
    )
    assert litpose("train", mice_config, "-o", folder, *settings).code == 0
    first = (folder / "detector" / "model.safetensors").read_bytes()
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").unlink()
    assert litpose("train", "--resume", folder).code == 0
    assert (folder / "detector" / "model.safetensors").read_bytes() == first
    assert (folder / "model.safetensors").is_file()


def test_one_animal_that_is_small_in_the_frame(litpose, project, tiny_training, tmp_path):
    """Its table has no individuals, and a row for every frame."""
    config, folder = tmp_path / "config.yaml", tmp_path / "model"
    config.write_text(yaml.safe_dump({"data": {"data_dir": str(project.folder)}}))
    settings = (*tiny_training, "animals.top_down=true", "animals.crop_size=64")
    assert litpose("train", config, "-o", folder, *settings).code == 0
    outcome = litpose("predict", folder, project.test_video, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    table = read_predictions(tmp_path / f"{project.test_video.stem}.csv")
    assert table.individual is None
    assert len(table) == 16
    model = Model.from_dir(folder)
    np.testing.assert_allclose(model.predict_video(project.test_video).keypoints, table.points)
    with open_video(project.test_video) as source:
        frame = source.read(3, 4)[0]
    np.testing.assert_allclose(model.predict_frame(frame)[0], table.points[3], atol=1e-2)
    assert np.isfinite(table.points).all()
    assert (tmp_path / f"{project.test_video.stem}_temporal_norm.csv").is_file()


def test_hidden_keypoints_with_a_position_are_learned_where_animals_hide_each_other(mice_model):
    assert "occluded_targets: position" in (mice_model / "config.yaml").read_text()


def test_the_animals_of_a_video_from_python(mice_model, mice, tmp_path):
    model = Model.from_dir(mice_model)
    table = model.predict_animals(mice.test_video)
    assert table.keypoint_names == model.keypoint_names
    assert set(table.individual) <= {"track_0", "track_1", None}
    with pytest.raises(PredictionError, match="several animals"):
        model.predict_video(mice.test_video)


@pytest.mark.parametrize(
    "model", ["heatmap", "regression", "heatmap_mhcrnn", "heatmap_conditioned"]
)
def test_every_kind_of_tracker_looks_at_crops(litpose, mice_config, tiny_training, tmp_path, model):
    """Also from unlabelled video, whose animals the detector finds, and with context."""
    folder = tmp_path / "model"
    lengths = ("dali.base.train.sequence_length=4", "dali.context.train.batch_size=6")
    stride = "model.feature_stride=null"
    settings = (f"model.model_type={model}", "model.losses_to_use=[temporal]", *lengths, stride)
    detector = "animals.detector={training: {max_epochs: 15}}"  # finds something
    outcome = litpose("train", mice_config, "-o", folder, *tiny_training, *settings, detector)
    assert outcome.code == 0, outcome.err
    log = (folder / "csv_logs" / "metrics.csv").read_text()
    assert "train_temporal_loss" in log.splitlines()[0]
    assert "mouse1" in (folder / "predictions.csv").read_text()


def test_boxes_of_several_animals_are_refused_with_what_to_do(litpose, mice_model, mice, tmp_path):
    rows = [
        f"{frame},{x},10,32,32,{name}"
        for frame in range(FRAMES)
        for x, name in ((5, "mouse1"), (50, "mouse2"))
    ]
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("\n".join(["frame,x,y,h,w,individual", *rows]) + "\n")
    outcome = litpose("predict", mice_model, mice.test_video, "--boxes", boxes, "-o", tmp_path)
    assert outcome.code == 2
    assert "the boxes are of several individuals: mouse1, mouse2" in outcome.err
    assert f"in: {boxes}" in outcome.err


def test_what_finds_animals_trains_by_itself(litpose, mice_config, tiny_training, tmp_path):
    """What cannot be made of it afterwards is told."""
    stride, folder = "model.feature_stride=null", tmp_path / "model"
    settings = (*tiny_training, stride, "model.model_type=centroid")
    outcome = litpose("train", mice_config, "-o", folder, *settings)
    assert outcome.code == 0, outcome.err
    assert read_manifest(folder).keypoint_names == ("centroid",)
    assert "finds several animals per image" in outcome.out


def test_the_preview_shows_animals_that_training_pastes(
    litpose, mice_config, tiny_training, tmp_path
):
    sheets = []
    for share in (0.0, 1.0):
        sheet = tmp_path / f"{share}.png"
        keys = (*tiny_training, f"animals.copy_paste={share}")
        outcome = litpose("preview", mice_config, "-o", sheet, *keys)
        assert outcome.code == 0, outcome.err
        sheets.append(cv2.imread(str(sheet)).astype(int))
    column = sheets[0].shape[1] // 5
    assert (sheets[0][:, :column] == sheets[1][:, :column]).all()  # as they are
    assert (np.abs(sheets[0] - sheets[1])[:, column:] > 30).any()
