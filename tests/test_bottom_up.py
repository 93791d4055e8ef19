"""Several animals found at once in the whole frame: from labels to named tracks, in one stage."""

import numpy as np
import pytest
import yaml

from lp_io.checkpoint import read_manifest
from lp_io.predictions import read_predictions
from lp_pipeline.config.load import load_config
from lp_pipeline.errors import PredictionError
from lp_pipeline.model import Model
from lp_pipeline.training.run import train
from lp_synthetic import SyntheticSettings, generate_project

FRAMES = 16
SETTINGS = ("model.model_type=bottom_up", "training.max_epochs=12", "model.feature_stride=8")


@pytest.fixture(scope="module")
def mice(tmp_path_factory):
    """A project with two mice."""
    settings = SyntheticSettings(
        seed=3, animals=2, height=96, width=96, labeled_frames=10, sessions=2, train_videos=1,
        frames_per_video=24, test_frames=FRAMES, ood_frames=12, ood_labeled_frames=2,
        crossings=0.0, touches=0.0, absences=0.0,
    )  # fmt: skip
    return generate_project(tmp_path_factory.mktemp("mice") / "project", settings)


@pytest.fixture(scope="module")
def mice_config(mice, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    content = {"data": {"data_dir": str(mice.folder), "video_dir": "videos"}}
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def mice_model(mice_config, tiny_training, tmp_path_factory):
    """A model directory after some epochs, in which the mice are found somehow."""
    folder = tmp_path_factory.mktemp("models") / "mice"
    train(load_config(mice_config, (*tiny_training, *SETTINGS, "animals.count=2")), folder)
    return folder


def test_one_training_makes_one_stage(mice_model):
    manifest = read_manifest(mice_model)
    assert not (mice_model / "detector").exists()
    assert (manifest.model_type, manifest.keypoint_names[0]) == ("bottom_up", "nose")
    known = manifest.extra["whole_frame"]
    assert (known["several"], known["count"]) == (True, 2)
    assert 0.1 <= manifest.extra["score_threshold"] <= 0.5


def test_the_unit_of_votes_is_a_body_length_as_the_network_sees_it(mice_model):
    manifest = read_manifest(mice_model)
    height, _ = manifest.options["image_size"]
    expected = manifest.extra["whole_frame"]["body_length"] * height / 96
    assert manifest.options["body_length"] == pytest.approx(expected)
    assert "body_length" in (mice_model / "config.yaml").read_text()


def test_the_usual_shape_of_the_labelled_animals_tells_headings(mice_model):
    shape = np.array(read_manifest(mice_model).options["shape"])
    nose, tail = (read_manifest(mice_model).keypoint_names.index(n) for n in ("nose", "tail_base"))
    assert shape[nose] @ shape[tail] < 0


def test_the_whole_way_by_the_command(litpose, mice_model, mice, tmp_path):
    outcome = litpose("evaluate", mice_model)
    assert outcome.code == 0, outcome.err
    assert "labelled animals were found" in outcome.out
    labelled = read_predictions(mice_model / "predictions.csv", several=True)
    assert set(labelled.individual) == {"mouse1", "mouse2"}
    assert np.isfinite(labelled.points).any()
    page = (mice_model / "report.html").read_text()
    assert "at most 2" in page
    assert "score threshold" in page
    outcome = litpose("predict", mice_model, mice.test_video, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    found = read_predictions(tmp_path / f"{mice.test_video.stem}.csv", several=True)
    assert set(found.frame) <= set(range(FRAMES))
    assert np.isfinite(found.points).any()
    outcome = litpose("predict", mice_model, mice.folder / "CollectedData.csv", "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    again = read_predictions(tmp_path / "CollectedData" / "predictions.csv", several=True)
    np.testing.assert_allclose(again.points, labelled.points, atol=1e-3)


def test_an_interrupted_prediction_goes_on_to_the_same_bytes(
    mice_model, mice, same_bytes_after_ctrl_c
):
    same_bytes_after_ctrl_c(mice_model, mice.test_video)


def test_the_number_of_frames_at_once_changes_nothing(mice_model, mice):
    """F19: frames are predicted alone, whatever is beside them in a batch."""
    tables = [
        Model.from_dir(mice_model, chunk=chunk).predict_animals(mice.test_video)
        for chunk in (1, 5, 16)
    ]
    for table in tables[1:]:
        assert table.frame == tables[0].frame
        np.testing.assert_allclose(table.points, tables[0].points, atol=0.01)
    assert set(tables[0].individual) <= {"track_0", "track_1", None}
    with pytest.raises(PredictionError, match="several animals"):
        Model.from_dir(mice_model).predict_video(mice.test_video)


def test_a_training_goes_on(litpose, mice_config, tiny_training, tmp_path):
    settings = (*tiny_training, *SETTINGS, "eval.predict_vids_after_training=false")
    settings = (*settings, "training.max_epochs=1")
    outcome = litpose("train", mice_config, "-o", tmp_path / "m", *settings)
    assert outcome.code == 0, outcome.err
    outcome = litpose("train", "--resume", tmp_path / "m", "training.max_epochs=2")
    assert outcome.code == 0, outcome.err
    assert "score_threshold" in read_manifest(tmp_path / "m").extra


@pytest.mark.parametrize(
    ("setting", "problem", "remedy"),
    [
        (
            "model.losses_to_use=[temporal]",
            "cannot learn from unlabelled video",
            "leave model.losses",
        ),
        (
            "data.bbox_file=CollectedData_boxes.csv",
            "finds all animals of the whole",
            "leave it out",
        ),
        ("animals.top_down=true", "finds several animals itself", "leave it out"),
    ],
)
def test_what_it_cannot_do_is_told(
    litpose, mice_config, tiny_training, tmp_path, setting, problem, remedy
):
    folder = tmp_path / "model"
    outcome = litpose("train", mice_config, "-o", folder, *tiny_training, *SETTINGS, setting)
    assert outcome.code == 2
    assert f"'bottom_up' {problem}" in " ".join(outcome.err.split())
    assert remedy in outcome.err
    assert not folder.exists()


def test_a_project_of_one_animal_gets_a_row_for_every_frame(
    litpose, project, tiny_training, tmp_path
):
    config, folder = tmp_path / "config.yaml", tmp_path / "model"
    config.write_text(yaml.safe_dump({"data": {"data_dir": str(project.folder)}}))
    assert litpose("train", config, "-o", folder, *tiny_training, *SETTINGS).code == 0
    outcome = litpose("predict", folder, project.test_video, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    table = read_predictions(tmp_path / f"{project.test_video.stem}.csv")
    assert (table.individual, len(table)) == (None, 16)
    model = Model.from_dir(folder)
    np.testing.assert_allclose(model.predict_video(project.test_video).keypoints, table.points)
