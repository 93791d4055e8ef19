"""A mirror's two views as two cameras: labels, training, metrics and predictions of each."""

import csv
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from lp_core.regions import Box
from lp_data.labels import read_labels
from lp_data.sessions import ViewNames

ROOT = Path(__file__).parents[1]
VIEWS = {"top": Box(0, 0, 96, 46), "bot": Box(0, 46, 96, 50)}


@pytest.fixture(scope="session")
def cut_views():
    """The tool that cuts a project into its views."""
    spec = importlib.util.spec_from_file_location("cut_views", ROOT / "tools" / "cut_views.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.cut_views


@pytest.fixture(scope="session")
def two_views(project, cut_views, tmp_path_factory):
    """The synthetic project, cut into two cameras; not to be changed."""
    folder = tmp_path_factory.mktemp("views") / "project"
    cut_views(project.folder, folder, VIEWS)
    return folder


def config_of(folder, **data):
    """A config of Lightning Pose's form for several views."""
    path = folder.parent / "config.yaml"
    named = {
        "data_dir": str(folder),
        "video_dir": "videos",
        "view_names": list(VIEWS),
        "csv_file": [f"CollectedData_{view}.csv" for view in VIEWS],
        **data,
    }
    path.write_text(yaml.safe_dump({"data": named, "model": {"model_type": "heatmap"}}))
    return path


@pytest.fixture(scope="session")
def config(two_views):
    return config_of(two_views)


@pytest.fixture(scope="session")
def two_view_model(config, tiny_training, tmp_path_factory):
    """A tracker of two views after one epoch, in its model directory, not to be changed."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("models") / "two_views"
    loaded = load_config(config, tiny_training)
    setup = train(loaded, folder)
    evaluate_training(setup, loaded.config, folder)
    return folder


def rows_of(path):
    """The rows of a table below its header, by their first cell."""
    with path.open(newline="") as file:
        return {row[0]: row for row in csv.reader(file) if row[0].startswith("labeled-data")}


def test_a_project_of_two_views_trains_and_each_view_has_its_tables(two_view_model):
    """`multiview_facts` 1.13: tables of each view under Lightning Pose's names."""
    split = {}
    for view in VIEWS:
        labels = read_labels(two_view_model / f"CollectedData_{view}.csv")
        predicted = rows_of(two_view_model / f"predictions_{view}.csv")
        errors = rows_of(two_view_model / f"predictions_{view}_pixel_error.csv")
        assert set(predicted) == set(errors) == set(labels.image_paths)
        split[view] = {path.replace(f"_{view}/", "/"): row[-1] for path, row in predicted.items()}
        assert (two_view_model / f"predictions_{view}_new_pixel_error.csv").is_file()
        assert (two_view_model / f"pixel_error_summary_{view}.csv").is_file()
    assert split["top"] == split["bot"]  # the views of a frame are in one part
    assert set(split["top"].values()) == {"train", "validation", "test"}


def test_predictions_of_each_view_are_in_px_of_its_own_frames(two_view_model):
    for view in VIEWS:
        rows = rows_of(two_view_model / f"predictions_{view}.csv").values()
        y = np.array([[float(cell) for cell in row[2:-1:3]] for row in rows])
        assert y.min() > -1
        assert y.max() < VIEWS[view].height + 1


def test_rows_in_another_order_and_absent_views_train_alike(two_views, tmp_path, tiny_training):
    """`multiview_facts` 1: labels are joined by session and frame, not by position."""
    from lp_pipeline.builders.labels import get_labels
    from lp_pipeline.config.load import load_config

    folder = shutil.copytree(two_views, tmp_path / "project")
    before = get_labels(load_config(config_of(folder), tiny_training).config)
    path = folder / "CollectedData_bot.csv"
    header, rows = path.read_text().splitlines()[:3], path.read_text().splitlines()[3:]
    path.write_text("\n".join([*header, *rows[:0:-1]]) + "\n")
    table = get_labels(load_config(config_of(folder), tiny_training).config)
    assert len(table) == len(before) - 1
    lost = rows[0].split(",")[0]
    kept = [row for row, image in enumerate(before.image_paths) if image != lost]
    assert table.image_paths == before.rows(kept).image_paths
    np.testing.assert_array_equal(table.points, before.points[kept])
    assert len(set(ViewNames(tuple(VIEWS)).moments(table))) == len(before) // 2


def test_two_label_files_of_one_name_keep_their_copies(two_views, tmp_path, tiny_training):
    """`multiview_facts` 50: tables of two views whose files had one name replaced each other."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.model_project import ModelProject
    from lp_pipeline.training.run import train

    folder = shutil.copytree(two_views, tmp_path / "project")
    for view in VIEWS:
        (folder / view).mkdir()
        shutil.move(folder / f"CollectedData_{view}.csv", folder / view / "labels.csv")
    files = [f"{view}/labels.csv" for view in VIEWS]
    loaded = load_config(config_of(folder, csv_file=files), tiny_training)
    train(loaded, tmp_path / "model")
    for view in VIEWS:
        copy = tmp_path / "model" / f"labels_{view}.csv"
        assert copy.read_bytes() == (folder / view / "labels.csv").read_bytes()
    labels = ModelProject.from_dir(tmp_path / "model").labels
    assert set(labels.view) == set(VIEWS)


SEMI = (
    "model.losses_to_use=[pca_multiview,temporal]",
    "losses.pca_multiview.log_weight=5.0",
    "dali.base.train.sequence_length=4",
    "callbacks.anneal_weight.init_val=1.0",
)


@pytest.mark.parametrize("columns", [None, [0, 1, 7]])
def test_unlabelled_sessions_are_learnt_from_across_views(
    two_views, tmp_path, tiny_training, columns
):
    """`multiview_facts` 41 to 43: keypoints in frame px, views in step, on the CPU."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.training.setup import set_up

    path = config_of(two_views, mirrored_column_matches=columns)
    setup = set_up(load_config(path, (*tiny_training, *SEMI)).config)
    clip = setup.data.clips[0]
    assert clip["views"] == 2
    assert clip["frames"].shape[0] == 8
    pca = setup.tracker.unsupervised_losses.losses["pca_multiview"]
    assert pca.space.layout.shape == (2, 10 if columns is None else 3)
    assert 0.01 < pca.space.epsilon < 20  # frame px
    value = setup.tracker.evaluate_unlabeled(clip)
    assert value > 0
    value.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in setup.tracker.parameters())


def test_a_semi_supervised_training_of_two_views_runs_and_predicts_its_labels(
    config, tmp_path, tiny_training
):
    """`multiview_facts` 51: without a GPU, and without DALI."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    loaded = load_config(config, (*tiny_training, *SEMI))
    setup = train(loaded, tmp_path / "model")
    result = evaluate_training(setup, loaded.config, tmp_path / "model")
    assert {view: len(part.labels) for view, part in result.by_view().items()} == {
        "top": 12,
        "bot": 12,
    }
    header = (tmp_path / "model" / "csv_logs" / "metrics.csv").read_text().splitlines()[0]
    assert "train_pca_multiview_loss" in header
