"""Drawings join the keypoints that data.skeleton pairs."""

import shutil

import cv2
import numpy as np
import pytest
import yaml

from lp_core.poses import PoseTable, Skeleton
from lp_data.labels import read_labels
from lp_data.video.open import open_video
from lp_io.checkpoint import load_model, read_manifest, save_model
from lp_io.model_directory import model_of_table
from lp_io.predictions import write_predictions
from lp_pipeline.builders.labels import get_labels
from lp_pipeline.config.load import load_config
from lp_pipeline.errors import ConfigError
from lp_pipeline.evaluation.model_project import style_of
from lp_pipeline.training.setup import set_up


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


@pytest.fixture
def joined(model_dir, project, tmp_path):
    """A model directory with a skeleton, and a table of predictions of a video in it."""
    names = read_labels(project.label_file).keypoint_names
    folder = tmp_path / "model"
    shutil.copytree(model_dir, folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["data"]["skeleton"] = [[names[0], names[1]], [names[1], names[2]]]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with open_video(project.test_video) as source:
        frames = len(source)
    points = np.random.default_rng(0).uniform(5, 60, (frames, len(names), 2))
    table = predicted(names, points, np.ones(points.shape[:2]), tuple(range(frames)))
    (folder / "video_preds").mkdir(exist_ok=True)
    write_predictions(table, folder / "video_preds" / "test.csv")
    return folder


def test_render_joins_what_the_models_skeleton_joins(litpose, joined, project, tmp_path):
    inside, outside = joined / "video_preds/test.csv", tmp_path / "test.csv"
    shutil.copy(inside, outside)
    names = read_labels(project.label_file).keypoint_names
    edges = [f"--skeleton={names[0]}-{names[1]}", f"--skeleton={names[1]}-{names[2]}"]

    def drawn(name, table, *options):
        path = tmp_path / name
        done = litpose("render", project.test_video, table, "-o", path, "--last", 1, *options)
        assert done.code == 0, done
        return path.read_bytes()

    asked = drawn("a.mp4", outside, *edges)
    assert drawn("b.mp4", inside) == asked
    assert drawn("c.mp4", outside) != asked


def test_a_model_without_config_draws_the_skeleton_of_its_manifest(joined, project):
    names = read_labels(project.label_file).keypoint_names
    edges = ((names[0], names[1]),)
    save_model(joined, load_model(joined).tracker, skeleton=Skeleton(names, edges=edges))
    (joined / "config.yaml").unlink()
    assert style_of(model_of_table(joined / "video_preds" / "test.csv")).skeleton == edges


def test_training_keeps_the_skeleton_in_the_manifest(config_file, tiny_training, tmp_path):
    loaded = load_config(config_file, [*tiny_training, "data.skeleton=[[nose_top,tail_base_top]]"])
    set_up(loaded.config).save(tmp_path, {})
    assert read_manifest(tmp_path).skeleton.edges == (("nose_top", "tail_base_top"),)


def test_training_keeps_the_sides_in_the_manifest(config_file, tiny_training, tmp_path):
    sides = "data.left_right=[[nose_top,tail_base_top]]"
    set_up(load_config(config_file, [*tiny_training, sides]).config).save(tmp_path, {})
    assert read_manifest(tmp_path).skeleton.left_right == (("nose_top", "tail_base_top"),)


def test_preview_joins_them_too(litpose, config_file, project, tmp_path):
    names = read_labels(project.label_file).keypoint_names

    def sheet(name, skeleton):
        overrides = (f"data.skeleton={skeleton}", "training.imgaug=none")
        outcome = litpose("preview", config_file, *overrides, "-o", tmp_path / name)
        assert outcome.code == 0, outcome
        return cv2.imread(str(tmp_path / name))

    plain, lined = sheet("a.png", "null"), sheet("b.png", f"[[{names[0]},{names[3]}]]")
    assert (plain != lined).any()
    assert (lined[(plain != lined).any(axis=-1)].max(axis=-1) > 200).any()


def test_a_skeleton_of_unknown_keypoints_is_refused(config_file):
    loaded = load_config(config_file, ["data.skeleton=[[nose_top,nose_tip]]"])
    with pytest.raises(ConfigError, match=r"data\.skeleton: there is no keypoint 'nose_tip'"):
        get_labels(loaded.config)
