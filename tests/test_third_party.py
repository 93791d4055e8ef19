"""A tracker of somebody else's distribution does all that ours do, with no line of ours changed."""

import json
from pathlib import Path

import pandas as pd
import pytest

from lp_data.video.open import open_video

pytestmark = pytest.mark.slow  # builds wheels and environments of their own

SOURCE = Path(__file__).parent / "third_party"
PLUGIN = SOURCE / "map-mean-tracker"


@pytest.fixture(scope="module")
def new_plugin(tmp_path_factory):
    """Where ``litpose new-model`` writes."""
    return tmp_path_factory.mktemp("plugins") / "grey-heron-tracker"


@pytest.fixture(scope="module")
def environment(fresh_environment, new_plugin):
    """All our wheels, the plug-in of the repository, and one that ``litpose`` wrote."""
    environment = fresh_environment("lp-pipeline")
    environment.run("litpose", "new-model", "grey_heron", "--folder", new_plugin)
    environment.install(PLUGIN, new_plugin, "pytest")
    return environment


@pytest.fixture(scope="module")
def made(environment, config_file, project, tiny_training, tmp_path_factory):
    """A folder with what ``litpose`` makes of the plug-ins: two models and the table of a video.

    One process does it all, as starting each costs more than its work.
    """
    folder = tmp_path_factory.mktemp("made")
    train = ["train", str(config_file), *tiny_training]
    semi = ["model.losses_to_use=[temporal,pca_singleview]", "model.hidden=16"]
    split = ["training.train_prob=0.85", "training.val_prob=0.1"]
    calls = [
        [*train, "-o", "map_mean", "model.model_type=map_mean", *semi, *split],
        ["predict", "map_mean", str(project.test_video), "-o", "tables"],
        [*train, "-o", "heron", "model.model_type=grey_heron", "model.hidden_channels=8"],
    ]
    environment.run("python", SOURCE / "calls.py", json.dumps(calls), cwd=folder)
    return folder


def test_it_trains_and_saves_by_its_model_type(made):
    manifest = json.loads((made / "map_mean" / "manifest.json").read_text())
    assert manifest["model_type"] == "map_mean"
    assert manifest["semi_supervised"] is True
    assert manifest["distribution"] == {"name": "map-mean-tracker", "version": "2.3.1"}
    assert manifest["options"]["hidden"] == 16
    assert [loss["name"] for loss in manifest["supervised_losses"]] == ["smooth_distance"]
    logged = pd.read_csv(made / "map_mean" / "csv_logs" / "metrics.csv").columns
    assert {"train_temporal_above_epsilon", "train_pca_singleview_above_epsilon"} <= set(logged)


def test_it_predicts_a_row_for_each_frame(made, project):
    table = pd.read_csv(made / "tables" / "test.csv", header=[0, 1, 2], index_col=0)
    with open_video(project.test_video) as source:
        assert list(table.index) == list(range(len(source)))
    assert table.columns[0][0] == "map_mean_tracker"
    assert table.notna().all(axis=None)


def test_it_loads_with_its_twin_and_its_losses(made):
    assert json.loads((made / "loaded.json").read_text()) == {
        "map_mean": ["SemiSupervisedMapMeanTracker", "smooth_distance"],
        "heron": ["GreyHeronTracker", "heatmap_mse"],
    }


def test_it_is_listed_with_its_distribution(environment):
    lines = [line.split() for line in environment.run("litpose", "list", "models").splitlines()]
    assert ["map_mean", "map-mean-tracker", "2.3.1"] in lines
    assert ["heatmap", "lp-models", "0.1.0"] in lines


def test_where_it_is_not_installed_its_model_says_what_to_install(made, litpose, project):
    outcome = litpose("predict", made / "map_mean", project.test_video)
    assert outcome.code == 2
    assert "pip install 'map-mean-tracker==2.3.1'" in outcome.err


def test_it_trains_in_a_plain_script_with_lp_core_and_lp_models(fresh_environment):
    environment = fresh_environment("lp-core", "lp-models")
    environment.install(PLUGIN)
    assert " px -> " in environment.run("python", SOURCE / "plain_script.py", "map_mean")


def test_a_new_model_passes_its_own_tests_and_trains(made, environment, new_plugin):
    # with the convolutional net only, to be quick
    environment.run("python", "-m", "pytest", "-q", "-k", "not test_vit", new_plugin)
    manifest = json.loads((made / "heron" / "manifest.json").read_text())
    assert manifest["model_type"] == "grey_heron"
    assert manifest["options"]["hidden_channels"] == 8
