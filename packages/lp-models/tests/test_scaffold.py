"""A plug-in to begin with: names, folders, and what is written."""

from __future__ import annotations

import sys
import tomllib

import pytest

from lp_core.testing import CHECKS, check_tracker
from lp_models.scaffold import PluginNames, ScaffoldError, checked_names, write_plugin


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """A plug-in's folder, its package importable."""
    write_plugin(checked_names("grey_heron"), tmp_path / "plugin")
    monkeypatch.syspath_prepend(str(tmp_path / "plugin" / "src"))
    yield tmp_path / "plugin"
    for name in [name for name in sys.modules if name.startswith("grey_heron_tracker")]:
        del sys.modules[name]


def test_what_is_written_declares_and_gives_what_the_contract_asks(plugin):
    from grey_heron_tracker.tracker import GreyHeronTracker

    quick = CHECKS[:12]  # its own tests, run by those of its wheel, make all of them
    check_tracker(GreyHeronTracker, checks=quick)


def test_a_head_that_does_not_fit_the_image_says_so(plugin):
    from grey_heron_tracker.tracker import GreyHeronOptions, GreyHeronTracker

    options = GreyHeronOptions(
        keypoint_names=("nose",),
        image_size=(64, 64),
        backbone="resnet10t",
        backbone_pretrained=False,
        feature_stride=4,
        downsample_factor=3,
    )
    with pytest.raises(Exception, match="no whole number of heatmap cells"):
        GreyHeronTracker(options)


def test_the_distribution_declares_the_tracker_and_the_installed_versions(plugin):
    project = tomllib.loads((plugin / "pyproject.toml").read_text())["project"]
    assert project["name"] == "grey-heron-tracker"
    assert project["entry-points"] == {
        "lp.models": {"grey_heron": "grey_heron_tracker.tracker:GreyHeronTracker"}
    }
    assert project["dependencies"][:2] == ["lp-core>=0.1,<0.2", "lp-models>=0.1,<0.2"]
    files = {str(path.relative_to(plugin)) for path in plugin.rglob("*") if path.is_file()}
    assert {"README.md", "tests/test_grey_heron_tracker.py"} <= files
    for path in files:
        assert "$" not in (plugin / path).read_text(), path


@pytest.mark.parametrize(
    ("name", "module", "title"),
    [
        ("heron", "heron_tracker", "Heron"),
        ("heron_tracker", "heron_tracker", "Heron"),
        ("heron_v2", "heron_v2_tracker", "HeronV2"),
    ],
)
def test_names_follow_from_the_model_type(name, module, title):
    names = checked_names(name)
    assert (names.name, names.module, names.title) == (name, module, title)
    assert names.distribution == module.replace("_", "-")


@pytest.mark.parametrize(
    ("name", "guess"),
    [
        ("Grey Heron", "grey_heron"),
        ("GreyHeron", "grey_heron"),
        ("grey-heron", "grey_heron"),
        ("3d_pose", "d_pose"),
        ("class", "class_model"),
        ("../heron", "heron"),
        ("_heron_", "heron"),
    ],
)
def test_a_name_that_cannot_be_one_gets_a_better_one(name, guess):
    with pytest.raises(ScaffoldError, match="lower-case letters") as caught:
        checked_names(name)
    assert caught.value.remedy == f"litpose new-model {guess}"


@pytest.mark.parametrize("name", ["", "é", "123"])
def test_a_name_that_gives_no_guess_is_refused(name):
    with pytest.raises(ScaffoldError, match="lower-case letters") as caught:
        checked_names(name)
    assert caught.value.remedy is None


def test_a_name_that_is_taken_tells_by_whom():
    with pytest.raises(ScaffoldError, match="'heatmap' already, of lp-models"):
        checked_names("heatmap")


def test_what_is_there_stays(tmp_path):
    (tmp_path / "plugin").mkdir()
    (tmp_path / "plugin" / "mine.txt").write_text("mine")
    with pytest.raises(ScaffoldError, match="something already"):
        write_plugin(PluginNames("heron"), tmp_path / "plugin")
    assert [path.name for path in tmp_path.rglob("*")] == ["plugin", "mine.txt"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "plugin").mkdir()
    write_plugin(PluginNames("heron"), tmp_path / "plugin")
    assert (tmp_path / "plugin" / "pyproject.toml").is_file()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_below_a_file_is_refused_and_nothing_is_left(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ScaffoldError, match="cannot be written"):
        write_plugin(PluginNames("heron"), tmp_path / "file" / "plugin")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
