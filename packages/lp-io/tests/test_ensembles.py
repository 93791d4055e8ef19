"""Which models an ensemble is of, as its directory says, and the covariances beside its tables."""

import json

import numpy as np
import pytest

from lp_core.errors import LPError
from lp_io.checkpoint import (
    COMBINATION,
    Ensemble,
    ensemble_of,
    load_model,
    member_folders,
    member_names,
    read_ensemble,
    read_manifest,
    save_model,
    write_ensemble,
)
from lp_io.checkpoint.loading import stored_weights_digest
from lp_io.predictions import PredictionCsvWriter
from lp_io.predictions.covariance import (
    CovarianceCsvWriter,
    covariance_path,
    read_covariance,
    write_covariance,
)
from lp_io.predictions.smoothed import EnsembleTable, holds_ensemble

SPLITS = (
    {"train": ("a.png", "b.png"), "validation": ("c.png",), "test": ("d.png",), "unused": ()},
    {"train": ("a.png",), "validation": ("b.png", "c.png"), "test": ("d.png",), "unused": ()},
)


@pytest.fixture
def ensemble(make_tracker, tmp_path):
    """The directory of an ensemble of two models, one of them elsewhere."""
    folder = tmp_path / "ensemble"
    models = [folder / "seed_0", tmp_path / "other"]
    for number, model in enumerate(models):
        model.mkdir(parents=True)
        extra = {"views": None, "confidence_calibration": {"of": number}}
        save_model(model, make_tracker(seed=number), split=SPLITS[number], extra=extra)
    write_ensemble(folder, ensemble_of(folder, models))
    return folder


def test_members_are_named_by_relative_paths(ensemble, tmp_path):
    said = read_ensemble(ensemble)
    assert said.members == ("seed_0", "../other")
    assert [path.resolve() for path in member_folders(ensemble, said)] == [
        ensemble / "seed_0",
        tmp_path / "other",
    ]
    assert member_names(said) == ("seed_0", "other")
    assert member_names(Ensemble(members=("../a/model", "../b/model"))) == ("a_model", "b_model")
    assert read_ensemble(tmp_path / "other") is None


def test_an_image_was_trained_on_where_it_was_for_any_member(ensemble):
    manifest = read_manifest(ensemble)
    assert manifest.split["train"] == ("a.png", "b.png")
    assert manifest.split["validation"] == ("c.png",)
    assert manifest.split["test"] == ("d.png",)
    assert "confidence_calibration" not in manifest.extra  # of a member, not of the ensemble


def test_the_digest_depends_on_all_weights_and_on_how_they_are_combined(
    ensemble, make_tracker, tmp_path
):
    first = stored_weights_digest(ensemble)
    said = read_ensemble(ensemble)
    write_ensemble(ensemble, said.model_copy(update={"extra": {COMBINATION: {"floor": 1.0}}}))
    second = stored_weights_digest(ensemble)
    save_model(tmp_path / "other", make_tracker(seed=7))
    third = stored_weights_digest(ensemble)
    assert len({first, second, third, None}) == 4
    (tmp_path / "other" / "model.safetensors").unlink()
    assert stored_weights_digest(ensemble) is None


def refused(folder):
    with pytest.raises(LPError) as caught:
        read_manifest(folder)
    return str(caught.value)


def test_a_missing_member_is_named(ensemble, tmp_path):
    (tmp_path / "other").rename(tmp_path / "moved")
    told = refused(ensemble)
    assert "the member 'other'" in told
    assert str(ensemble / "../other") in told
    assert "litpose ensemble" in told


def test_members_that_are_not_trained_are_named(ensemble):
    said = read_ensemble(ensemble)
    write_ensemble(ensemble, said.model_copy(update={"unfinished": said.members}))
    told = refused(ensemble)
    assert "0 of the 2 members of the ensemble are trained; not yet: seed_0, ../other" in told
    assert f"litpose train --resume {ensemble}" in told


def test_no_member_and_a_member_twice_are_refused(ensemble, tmp_path):
    with pytest.raises(LPError, match="at least one member"):
        ensemble_of(tmp_path, [])
    with pytest.raises(LPError, match="'other' is in the ensemble twice"):
        ensemble_of(tmp_path, [tmp_path / "other", tmp_path / "ensemble" / ".." / "other"])


def test_an_ensemble_is_no_model(ensemble):
    with pytest.raises(LPError, match="this is an ensemble, and one model is needed"):
        load_model(ensemble)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format_version": 9}, "format 9"),
        ({"members": []}, "at least one member"),
        ({"members": "seed_0"}, "members"),
        ({"more": 1}, "more"),
    ],
)
def test_a_damaged_ensemble_is_told(ensemble, change, told):
    path = ensemble / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    message = refused(ensemble)
    assert told in message
    assert str(path) in message


def covariances(rows):
    roots = np.random.default_rng(0).normal(size=(rows, 2, 2, 2)).astype(np.float32)
    found = roots @ roots.swapaxes(-1, -2)
    found[1, 0] = np.nan
    return found


def test_covariances_are_read_back_as_they_were(tmp_path):
    table, given = tmp_path / "video.csv", covariances(7)
    with CovarianceCsvWriter(table, ("nose", "tail_tip")) as writer:
        writer.append(given[:3])
        writer.append(given[3:])
    parts = list(read_covariance(table, 4))
    assert [len(part) for part in parts] == [4, 3]
    np.testing.assert_array_equal(np.concatenate(parts).astype(np.float32), given)
    first = covariance_path(table).read_text().splitlines()[0]
    assert first == ",nose_xx,nose_xy,nose_yy,tail_tip_xx,tail_tip_xy,tail_tip_yy"
    write_covariance(table, ("nose", "tail_tip"), ["a, b.png", *"cdefgh"], given)
    np.testing.assert_array_equal(np.concatenate([*read_covariance(table)]).astype("f4"), given)


def test_an_interrupted_table_of_covariances_is_gone_on_with(tmp_path):
    table, given = tmp_path / "video.csv", covariances(6)
    names = ("nose", "tail_tip")

    def interrupted():
        with CovarianceCsvWriter(table, names, identity="x") as writer:
            writer.append(given[:4])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not covariance_path(table).exists()
    with CovarianceCsvWriter(table, names, identity="x", resume=True) as writer:
        assert writer.complete_rows == 4
        writer.go_back(2)
        writer.append(given[2:])
    np.testing.assert_array_equal(np.concatenate([*read_covariance(table)]).astype("f4"), given)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,b\n0,1\n", "not a table of covariances"),
        (",n_xx,n_xy,n_yy\n0,1,2\n", "line 2: the line has 3 cells"),
        (",n_xx,n_xy,n_yy\n0,1,2,x\n", "not a number"),
    ],
)
def test_a_damaged_table_of_covariances_is_told(tmp_path, text, told):
    covariance_path(tmp_path / "v.csv").write_text(text)
    with pytest.raises(LPError) as caught:
        list(read_covariance(tmp_path / "v.csv"))
    assert told.split(": ")[-1] in str(caught.value)


def test_a_table_with_covariances_states_its_variances(tmp_path):
    table, given = tmp_path / "video.csv", covariances(5)
    points = np.random.default_rng(1).uniform(0, 90, (5, 2, 2)).astype(np.float32)
    with PredictionCsvWriter(table, ("nose", "tail"), scorer="s") as writer:
        writer.append(points, np.full((5, 2), 0.5, np.float32))
    assert not holds_ensemble(table)
    write_covariance(table, ("nose", "tail"), [*"01234"], given)
    assert holds_ensemble(table)
    (frames, found, variance, sure), _ = EnsembleTable(table).parts(4)
    assert frames == range(4)
    np.testing.assert_array_equal(found[:, 0].astype("f4"), points[:4])
    stated = np.diagonal(given, axis1=-2, axis2=-1)[:4]
    np.testing.assert_array_equal(variance[:, 0].astype("f4"), stated)
    assert (sure == 0.5).all()
    write_covariance(table, ("nose", "tail"), [*"0123"], given[:4])
    with pytest.raises(LPError, match="other rows than the predictions"):
        list(EnsembleTable(table).parts(4))
