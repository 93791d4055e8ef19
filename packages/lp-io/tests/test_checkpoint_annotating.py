"""More can be said of a saved model, and its weights stay as they are."""

import os

import pytest

from lp_io.checkpoint import annotate_model, load_model, read_manifest, save_model
from lp_io.errors import CheckpointError


@pytest.fixture
def saved(make_tracker, tmp_path):
    save_model(tmp_path / "model", make_tracker(), extra={"note": "mine", "age": 1})
    return tmp_path / "model"


def test_values_are_added_and_replaced(saved):
    before = (saved / "model.safetensors").read_bytes()
    annotate_model(saved, {"age": 2, "curve": {"scores": [0.5, 1.0]}})
    manifest = read_manifest(saved)
    assert manifest.extra == {"note": "mine", "age": 2, "curve": {"scores": [0.5, 1.0]}}
    assert (saved / "model.safetensors").read_bytes() == before
    assert load_model(saved).manifest == manifest


def test_a_value_that_json_cannot_say_is_refused_and_changes_nothing(saved):
    before = (saved / "manifest.json").read_bytes()
    with pytest.raises(CheckpointError, match="cannot be written as JSON"):
        annotate_model(saved, {"curve": object()})
    assert (saved / "manifest.json").read_bytes() == before
    assert len(list(saved.iterdir())) == 2


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no saved model"):
        annotate_model(tmp_path, {"age": 1})


def test_a_damaged_manifest_is_refused(saved):
    text = (saved / "manifest.json").read_text()
    (saved / "manifest.json").write_text(text.replace("mine", "ours"))
    with pytest.raises(CheckpointError, match="changed or damaged"):
        annotate_model(saved, {"age": 2})


def test_a_write_that_fails_leaves_the_old_manifest(saved, monkeypatch):
    def full(*_):
        raise OSError(28, os.strerror(28))

    before = (saved / "manifest.json").read_bytes()
    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(CheckpointError, match="No space left"):
        annotate_model(saved, {"age": 2})
    assert (saved / "manifest.json").read_bytes() == before
    assert len(list(saved.iterdir())) == 2
