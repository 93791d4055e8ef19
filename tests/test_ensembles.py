"""Ensembles as a user meets them: trained, made of models, predicted with, and gone on with."""

import json
import os
import shutil
import signal
from contextlib import contextmanager

import numpy as np
import pytest

from lp_analysis.prediction.videos import VideoPredictor
from lp_core.batches import Prediction
from lp_core.display import SILENT, Display
from lp_data.inference.ensemble import EnsembleHandler
from lp_data.inference.handler import PredictionHandler
from lp_io.checkpoint import load_model, read_manifest
from lp_io.predictions import read_predictions
from lp_io.predictions.covariance import read_covariance
from lp_models.heatmap.base import HeatmapOptions
from lp_models.heatmap.tracker import HeatmapTracker
from lp_models.mhcrnn.tracker import ContextOptions, MHCRNNTracker
from lp_pipeline.config.load import load_config
from lp_pipeline.evaluation.ensembles import train_ensemble
from lp_pipeline.model import Model


@pytest.fixture(scope="module")
def ensemble(config_file, tiny_training, tmp_path_factory):
    """An ensemble of two members after one epoch; what is in it stays."""
    folder = tmp_path_factory.mktemp("models") / "ensemble"
    loaded = load_config(config_file, tiny_training)
    train_ensemble(loaded, [0, 3], folder, overwrite=False, display=SILENT)
    return folder


@pytest.fixture(scope="module")
def predicted(ensemble, project, tmp_path_factory):
    """The tables of the test video by the ensemble, with those of its members."""
    folder = tmp_path_factory.mktemp("tables")
    predict(ensemble, project.test_video, folder / "test.csv", members=("seed_0", "seed_3"))
    return folder


def predict(model_dir, video, table, *, members=(), display=SILENT, resume=False):
    model = Model.from_dir(model_dir, chunk=4)
    known = {"calibration": model.calibration, "members": members, "display": display}
    return VideoPredictor(model.handler, model.scorer, **known).predict(video, table, resume=resume)


def test_a_member_is_what_training_with_its_seed_gives(
    litpose, ensemble, config_file, tiny_training, tmp_path
):
    seed = "training.rng_seed_model_pt=3"
    assert litpose("train", config_file, "-o", tmp_path / "m", *tiny_training, seed).code == 0
    other, own = load_model(tmp_path / "m").tracker, load_model(ensemble / "seed_3").tracker
    for name, value in own.state_dict().items():
        assert value.equal(other.state_dict()[name]), name


def test_members_have_one_split_and_see_other_images_in_another_order(
    ensemble, config_file, tiny_training
):
    from lp_pipeline.training.setup import set_up

    splits = [read_manifest(ensemble / name).split for name in ("seed_0", "seed_3")]
    assert splits[0] == splits[1] == read_manifest(ensemble).split
    epochs = []
    for seed in (0, 3):
        chosen = (*tiny_training, f"training.rng_seed_model_pt={seed}")
        data = set_up(load_config(config_file, chosen).config).data
        data.setup("fit")
        batches = list(data.train_dataloader())
        epochs.append([row for batch in batches for row in batch["table_row"].tolist()])
    assert epochs[0] != epochs[1]
    assert sorted(epochs[0]) == sorted(epochs[1])


def test_the_table_is_between_those_of_the_members(predicted):
    both = [read_predictions(predicted / f"members/{m}/test.csv") for m in ("seed_0", "seed_3")]
    together, points = read_predictions(predicted / "test.csv"), [own.points for own in both]
    assert len(together) == 16
    assert (together.points >= np.minimum(*points) - 1e-3).all()
    assert (together.points <= np.maximum(*points) + 1e-3).all()
    sure = np.stack([own.confidence for own in both])
    weights = sure / sure.sum(axis=0)
    mean = (weights[..., None] * np.stack(points)).sum(axis=0)
    np.testing.assert_allclose(together.points, mean, atol=0.05)


def test_a_member_predicts_as_it_would_alone(ensemble, predicted, project, tmp_path):
    predict(ensemble / "seed_3", project.test_video, tmp_path / "test.csv")
    alone = (tmp_path / "test.csv").read_bytes()
    assert (predicted / "members/seed_3/test.csv").read_bytes() == alone


def test_covariances_are_larger_where_members_disagree(predicted):
    covariance = np.concatenate(list(read_covariance(predicted / "test.csv")))
    assert covariance.shape == (16, 20, 2, 2)
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    both = [read_predictions(predicted / f"members/{m}/test.csv") for m in ("seed_0", "seed_3")]
    apart = np.linalg.norm(both[0].points - both[1].points, axis=-1)
    size = np.trace(covariance, axis1=-2, axis2=-1)
    within = [np.corrcoef(apart[:, k] ** 2, size[:, k])[0, 1] for k in range(20)]
    assert np.nanmedian(within) > 0.5


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def interrupt():
    raise KeyboardInterrupt


class Stops(Display):
    """Stops when so much of the n-th piece of work of a name is done."""

    def __init__(self, name, done, stop):
        self.name, self.done, self.stop, self.met = name, done, stop, 0

    def task(self, name, total):
        @contextmanager
        def running():
            self.met += name == self.name[0]

            def update(done, *note):
                if (name, self.met) == self.name and done >= self.done:
                    self.stop()

            yield update

        return running()


def test_an_interrupted_video_becomes_the_same_bytes(ensemble, predicted, project, tmp_path):
    table, members = tmp_path / "test.csv", ("seed_0", "seed_3")
    stops = Stops((project.test_video.name, 1), 8, interrupt)
    with pytest.raises(KeyboardInterrupt):
        predict(ensemble, project.test_video, table, members=members, display=stops)
    assert not table.exists()
    done = predict(ensemble, project.test_video, table, members=members, resume=True)
    assert done.resumed == 8
    for path in predicted.rglob("*.*"):
        name = path.relative_to(predicted)
        assert (tmp_path / name).read_bytes() == path.read_bytes(), name
    assert not list(tmp_path.rglob("*.partial"))


def test_a_table_by_one_model_has_no_covariances_of_an_ensemble_before_it(
    ensemble, predicted, project, tmp_path
):
    shutil.copytree(predicted, tmp_path, dirs_exist_ok=True)
    assert (tmp_path / "test_covariance.csv").exists()
    predict(ensemble / "seed_0", project.test_video, tmp_path / "test.csv")
    assert not (tmp_path / "test_covariance.csv").exists()


def test_the_python_class_gives_covariances_and_members(ensemble, project, predicted):
    model = Model.from_dir(ensemble, chunk=4)
    found = model.predict_video(project.test_video)
    assert isinstance(model.handler, EnsembleHandler)
    assert found.covariance.shape == (16, 20, 2, 2)
    assert [own.keypoints.shape for own in found.members] == [(16, 20, 2)] * 2
    table = read_predictions(predicted / "test.csv")
    np.testing.assert_allclose(found.keypoints.numpy(), table.points, atol=1e-4)
    np.testing.assert_allclose(found.confidences.numpy(), table.confidence, atol=1e-6)


def test_every_command_takes_an_ensemble(litpose, ensemble, project, tmp_path):
    folder = tmp_path / "ensemble"
    shutil.copytree(ensemble, folder)
    told = litpose("inspect", folder)
    assert "ensemble of 2: seed_0, seed_3" in told.out, told.err
    assert "9 train, 2 validation, 1 test" in told.out
    (folder / "predictions.csv").unlink()
    assert litpose("evaluate", folder, "--device", "cpu").code == 0
    kept = read_predictions(ensemble / "predictions.csv")
    again = read_predictions(folder / "predictions.csv")
    np.testing.assert_allclose(again.points, kept.points, atol=1e-3)
    assert (folder / "predictions_covariance.csv").is_file()
    assert (folder / "report.html").is_file()
    labels, video = project.ood_label_file, project.ood_video
    done = litpose("predict", folder, video, labels, "--members")
    assert done.code == 0, done.err
    table = folder / "video_preds" / "ood.csv"
    assert (folder / "image_preds/CollectedData_new/predictions_covariance.csv").is_file()
    assert (folder / "video_preds/members/seed_3/ood.csv").is_file()
    chosen = litpose("suggest", folder, video, "--count", "3", "-o", tmp_path / "next.csv")
    assert chosen.code == 0, chosen.err
    assert len((tmp_path / "next.csv").read_text().splitlines()) == 4
    again = litpose("predict", folder, video)
    assert "is there already" in again.out, again.err
    smoothed = litpose("smooth", table)
    assert "the noise is known from the table, which states it" in smoothed.out, smoothed.err
    members = sorted(folder.glob("video_preds/members/*/ood.csv"))
    output = tmp_path / "s.csv"
    assert "members of the ensemble" in litpose("smooth", *members, "-o", output).out
    assert litpose("render", video, table, "--threshold", "0").code == 0
    assert litpose("outliers", folder, video, "--no-clips").code == 0


def test_models_are_made_an_ensemble_where_they_are(litpose, ensemble, tmp_path):
    folder = tmp_path / "both"
    done = litpose("ensemble", ensemble / "seed_0", ensemble / "seed_3", "-o", folder)
    assert done.code == 0, done.err
    for name in ("predictions.csv", "predictions_covariance.csv"):
        assert (folder / name).read_bytes() == (ensemble / name).read_bytes()
    said = json.loads((folder / "manifest.json").read_text())
    assert [(folder / own).resolve() for own in said["members"]] == [
        ensemble / "seed_0",
        ensemble / "seed_3",
    ]


def test_a_training_that_was_stopped_goes_on_and_keeps_what_is_trained(
    litpose, ensemble, config_file, tiny_training, project, tmp_path
):
    folder, stops = tmp_path / "ensemble", Stops(("training", 2), 1, ctrl_c)
    loaded = load_config(config_file, tiny_training)
    with pytest.raises(Exception, match="the training was stopped") as caught:
        train_ensemble(loaded, [0, 3], folder, overwrite=False, display=stops)
    assert f"litpose train --resume {folder}" in str(caught.value)
    told = litpose("predict", folder, project.test_video)
    assert told.code == 2
    assert "1 of the 2 members of the ensemble are trained; not yet: seed_3" in told.err
    kept = (folder / "seed_0" / "model.safetensors").stat().st_mtime_ns
    done = litpose("train", "--resume", folder)
    assert done.code == 0, done.err
    assert (folder / "seed_0" / "model.safetensors").stat().st_mtime_ns == kept
    for name in ("predictions.csv", "predictions_covariance.csv"):
        assert (folder / name).read_bytes() == (ensemble / name).read_bytes()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--seeds", "0"], "an ensemble of no members"),
        (["--seeds", "1,2,1"], "the seed 1 is given twice"),
        (["--seeds", "two"], "'two' names no seeds"),
        (["--seeds", "2", "training.rng_seed_model_pt=4"], "those of --seeds"),
    ],
)
def test_wrong_seeds_are_told(litpose, config_file, tiny_training, tmp_path, arguments, told):
    done = litpose("train", config_file, "-o", tmp_path / "m", *tiny_training, *arguments)
    assert done.code == 2
    assert told in done.err
    assert "try:" in done.err
    assert not (tmp_path / "m").exists()


def test_several_animals_are_refused(litpose, mice_model, mice_config, tiny_training, tmp_path):
    done = litpose("ensemble", mice_model, "-o", tmp_path / "e")
    assert "cannot be a member of an ensemble" in done.err
    assert str(mice_model) in done.err
    chosen = (*tiny_training, "animals.count=2", "--seeds", "2")
    done = litpose("train", mice_config, "-o", tmp_path / "e", *chosen)
    assert "cannot be a member of an ensemble" in done.err
    assert not (tmp_path / "e").exists()


def test_models_that_do_not_go_together_are_told(litpose, ensemble, tmp_path):
    from lp_io.checkpoint import save_model

    other = tmp_path / "other"
    other.mkdir()
    options = HeatmapOptions(
        keypoint_names=("nose", "tail"),
        image_size=(64, 64),
        backbone="resnet10t",
        backbone_pretrained=False,
    )
    save_model(other, HeatmapTracker(options))
    done = litpose("ensemble", ensemble / "seed_0", other, "-o", tmp_path / "e")
    assert done.code == 2
    assert "have the same keypoints in the same order; this has nose, tail" in done.err
    assert str(other) in done.err
    assert "at least one member" in litpose("ensemble", "-o", tmp_path / "e").err
    assert "no saved model" in litpose("ensemble", tmp_path / "no", "-o", tmp_path / "e").err
    assert not (tmp_path / "e").exists()
    one = litpose("predict", other, ensemble, "--members")
    assert one.code == 2


def test_members_of_other_sizes_and_contexts_predict_together():
    names = ("nose", "tail")

    def handler(kind, options, size):
        known = {"backbone": "resnet10t", "backbone_pretrained": False}
        tracker = kind(options(keypoint_names=names, image_size=size, **known))
        return PredictionHandler(tracker, device="cpu", chunk=8)

    members = [
        handler(HeatmapTracker, HeatmapOptions, (64, 64)),
        handler(MHCRNNTracker, ContextOptions, (64, 64)),
        handler(HeatmapTracker, HeatmapOptions, (128, 128)),
    ]
    kept: list[list[Prediction]] = []

    def combine(parts):
        kept.append(list(parts))
        return parts[0]

    ensemble = EnsembleHandler(members, combine)
    assert ensemble.read_size == (128, 128)
    from lp_data.images import resize

    frames = np.random.default_rng(0).integers(0, 255, (20, 16, 16, 3), dtype=np.uint8)
    frames = np.stack([resize(frame, (256, 256)) for frame in frames])
    large = np.stack([resize(frame, (128, 128)) for frame in frames])
    small = np.stack([resize(frame, (64, 64)) for frame in large])
    size = (256, 256)
    assert len(Prediction.joined(list(ensemble.predict_frames([large], size))).keypoints) == 20
    for number, (member, own) in enumerate(zip(members, (small, small, large), strict=True)):
        alone = Prediction.joined(list(member.predict_frames([own], size)))
        together = Prediction.joined([parts[number] for parts in kept])
        np.testing.assert_allclose(together.keypoints, alone.keypoints, atol=0.02)
        np.testing.assert_allclose(together.confidences, alone.confidences, atol=1e-3)
