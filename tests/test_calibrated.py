"""Calibrated confidence: a model carries it, and every prediction comes with it."""

import shutil

import numpy as np
import pandas as pd
import pytest

from lp_analysis.confidence.stored import CALIBRATION, stated_radius, stored_calibration
from lp_analysis.labeled_predictions import calibrate_model
from lp_io.checkpoint import annotate_model, load_model, read_manifest, save_model
from lp_pipeline.errors import PredictionError
from lp_pipeline.model import Model


def table_of(path):
    return pd.read_csv(path, header=[0, 1, 2], index_col=0)


def likelihood_in(path):
    table = table_of(path)
    return table.loc[:, table.columns.get_level_values(2) == "likelihood"].to_numpy()


@pytest.fixture
def without(model_dir, tmp_path):
    """The same tracker, but with no calibration."""
    folder = tmp_path / "without"
    save_model(folder, load_model(model_dir).tracker)
    return folder


def test_training_calibrates_on_the_validation_labels_for_each_keypoint(model_dir, project):
    calibration = stored_calibration(read_manifest(model_dir))
    labels = pd.read_csv(project.label_file, header=[0, 1, 2], index_col=0)
    points = labels.loc[:, labels.columns.get_level_values(2).isin(["x", "y"])]
    points = points.to_numpy(float).reshape(len(labels), -1, 2)
    extent = np.nanmax(points, axis=1) - np.nanmin(points, axis=1)
    size = np.median(np.hypot(*extent.T))
    errors = pd.read_csv(model_dir / "predictions_pixel_error.csv", index_col=0)
    held_out = errors[errors["set"] == "validation"].drop(columns="set").to_numpy()
    assert calibration.points == np.isfinite(held_out).sum()
    radii = calibration.radii_of(held_out.shape[1])
    assert len(calibration.radii) == len(radii)
    assert (radii >= 0.01 * size - 1e-9).all()
    assert (radii <= 0.05 * size + 1e-9).all()
    # keypoints with larger errors do not count as right further away than 5 % of the animal
    worst, best = np.nanmedian(held_out, axis=0).argsort()[[-1, 0]]
    assert radii[worst] >= radii[best]


def test_labelled_frames_get_a_probability_beside_their_likelihood(model_dir):
    calibration = stored_calibration(read_manifest(model_dir))
    calibrated = pd.read_csv(model_dir / "predictions_calibrated_confidence.csv", index_col=0)
    predictions = table_of(model_dir / "predictions.csv")
    assert calibrated.index.name == stated_radius(calibration)
    assert list(calibrated.index) == list(predictions.index)
    assert list(calibrated["set"]) == list(predictions.iloc[:, -1])
    expected = calibration.probability(likelihood_in(model_dir / "predictions.csv"))
    found = calibrated.drop(columns="set").to_numpy()
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_video_gets_a_probability_for_each_row_also_elsewhere(
    litpose, model_dir, project, tmp_path
):
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in ("model.safetensors", "manifest.json"):
        shutil.copyfile(model_dir / name, alone / name)
    outcome = litpose("predict", alone, project.test_video, "-o", tmp_path)
    assert outcome.code == 0, outcome.err
    calibration = stored_calibration(read_manifest(model_dir))
    assert f"{stated_radius(calibration)} of the truth" in " ".join(outcome.out.split())
    found = pd.read_csv(tmp_path / "test_calibrated_confidence.csv", index_col=0)
    assert found.index.name == stated_radius(calibration)
    expected = calibration.probability(likelihood_in(tmp_path / "test.csv"))
    np.testing.assert_allclose(found.to_numpy(), expected, atol=1e-4)
    # the compatible table stays as it was
    coordinates = set(table_of(tmp_path / "test.csv").columns.get_level_values(2))
    assert coordinates == {"x", "y", "likelihood"}


def test_a_model_in_python_gives_probabilities(model_dir, project):
    model = Model.from_dir(model_dir)
    confidences = model.predict_video(project.test_video).confidences.numpy()
    expected = stored_calibration(read_manifest(model_dir)).probability(confidences)
    np.testing.assert_array_equal(model.calibrated(confidences), expected)


def test_a_model_without_calibration_predicts_and_says_why_it_has_none(
    litpose, without, project, tmp_path
):
    assert litpose("predict", without, project.test_video, "-o", tmp_path).code == 0
    assert not list(tmp_path.glob("*calibrated*"))
    model = Model.from_dir(without)
    assert model.calibration is None
    with pytest.raises(PredictionError, match="no calibration") as caught:
        model.calibrated(np.ones(3))
    assert "val_prob" in caught.value.remedy


def test_a_calibration_that_is_damaged_is_told(litpose, without, project):
    annotate_model(without, {CALIBRATION: {"format": 1, "radius": "far"}})
    outcome = litpose("predict", without, project.test_video)
    assert outcome.code == 2
    assert "confidence calibration is damaged" in outcome.err


def test_too_few_validation_labels_calibrate_nothing(without, model_dir, project):
    from lp_analysis.labeled_predictions import LabeledPrediction
    from lp_data.labels import read_labels

    table = read_labels(project.label_file)
    shape = table.points.shape[:2]
    points = np.full((*shape, 2), np.nan)
    points[0, :9] = table.points[0, :9] + [1.0, 0.0]
    sets = ("validation",) + ("train",) * (shape[0] - 1)
    result = LabeledPrediction.of(table, points, np.full(shape, 0.5), sets)
    assert calibrate_model(without, result) is None
    assert stored_calibration(read_manifest(without)) is None
    points[0, 9] = table.points[0, 9] + [1.0, 0.0]
    result = LabeledPrediction.of(table, points, np.full(shape, 0.5), sets)
    assert calibrate_model(without, result).points == 10
    assert stored_calibration(read_manifest(without)).points == 10
