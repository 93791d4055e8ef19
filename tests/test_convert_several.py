"""Projects and predictions of several animals, to and from other tools, by the command line."""

from dataclasses import replace

import numpy as np
import pytest
import sleap_io
import yaml

from lp_core.poses import PoseTable, Skeleton, write_pose_csv
from lp_data.labels import read_labels
from lp_io.predictions import read_predictions, write_predictions

FORMATS = ["csv", "h5", "parquet", "json", "slp", "nc"]
nan = np.nan


def rows_of(table):
    """What each row of labels says, whatever their order."""
    order = np.argsort(table.keypoint_names)
    names = table.individual or (None,) * len(table)
    points = table.points[:, order].astype(np.float32)  # what a tracker has predicted
    rows = zip(table.frame, names, points.tolist(), strict=True)
    return sorted(map(repr, rows))


@pytest.mark.parametrize("target", ["l.json", "l.slp", "l.pkg.slp", "dlc"])
def test_labels_of_several_animals_go_out_and_come_back(litpose, mice, tmp_path, target):
    out = litpose("convert", mice.folder, tmp_path / target)
    assert out.code == 0, out
    assert "animals (mouse1, mouse2)" in out.out
    back = litpose("convert", tmp_path / target, tmp_path / "back", "--images", mice.folder)
    assert back.code == 0, back
    labels = read_labels(tmp_path / "back" / "CollectedData.csv")
    assert rows_of(labels) == rows_of(read_labels(mice.label_file))


def test_a_deeplabcut_project_of_several_animals_trains(litpose, mice, tmp_path, tiny_training):
    assert litpose("convert", mice.folder, tmp_path / "dlc").code == 0
    config = yaml.safe_load((tmp_path / "dlc" / "config.yaml").read_text())
    assert config["individuals"] == ["mouse1", "mouse2"]
    assert litpose("convert", tmp_path / "dlc", tmp_path / "own").code == 0
    outcome = litpose(
        "train", tmp_path / "own" / "config.yaml", "-o", tmp_path / "model", *tiny_training
    )
    assert outcome.code == 0, outcome
    assert (tmp_path / "model" / "detector" / "model.safetensors").is_file()


def test_one_animal_of_several_is_chosen_by_its_name(litpose, mice, tmp_path):
    assert litpose("convert", mice.folder, tmp_path / "l.json").code == 0
    outcome = litpose(
        "convert", tmp_path / "l.json", tmp_path / "own", "--images", mice.folder,
        "--individual", "mouse2",
    )  # fmt: skip
    assert "labelled poses of other animals than 'mouse2'" in outcome.out
    assert read_labels(tmp_path / "own" / "CollectedData.csv").individual is None


@pytest.fixture
def untracked(mice, tmp_path):
    """Both mice as SLEAP labels without tracks."""
    labels = read_labels(mice.label_file)
    table = replace(labels, individual=(None,) * len(labels))
    write_pose_csv(table, mice.folder / "CollectedData_untracked.csv")
    yield mice.folder / "CollectedData_untracked.csv"
    (mice.folder / "CollectedData_untracked.csv").unlink()


def test_untracked_animals_are_all_kept_and_get_no_track(
    litpose, mice, untracked, tmp_path, tiny_training
):
    """F39: animals without a track are not dropped."""
    assert litpose("convert", untracked, tmp_path / "l.slp").code == 0
    made = sleap_io.load_slp(str(tmp_path / "l.slp"), open_videos=False)
    assert not made.tracks
    instances = sum(len(frame.instances) for frame in made.labeled_frames)
    out = litpose("convert", tmp_path / "l.slp", tmp_path / "own")
    assert f"{instances} animals ({instances} without a track)" in out.out
    labels = read_labels(tmp_path / "own" / "CollectedData.csv")
    assert len(labels) == instances
    assert set(labels.individual) == {"animal1", "animal2"}
    model = tmp_path / "model"
    outcome = litpose("train", tmp_path / "own" / "config.yaml", "-o", model, *tiny_training)
    assert outcome.code == 0, outcome
    assert litpose("convert", tmp_path / "own", tmp_path / "again.slp").code == 0
    again = sleap_io.load_slp(str(tmp_path / "again.slp"), open_videos=False)
    assert not again.tracks
    assert sum(len(frame.instances) for frame in again.labeled_frames) == instances


def test_unique_body_parts_are_not_trained_on_and_it_is_said(
    litpose, mice, tmp_path, tiny_training
):
    labels = read_labels(mice.label_file)
    images = tuple(dict.fromkeys(labels.frame))
    points = np.full((len(labels) + len(images), labels.num_keypoints + 1, 2), nan)
    points[: len(labels), :-1] = labels.points
    points[len(labels) :, -1] = 5
    table = PoseTable(
        Skeleton((*labels.keypoint_names, "corner")),
        points,
        labels.frame + images,
        individual=labels.individual + ("single",) * len(images),
    )
    write_pose_csv(table, mice.folder / "corner.csv")
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"data": {"data_dir": str(mice.folder)}}))
    file = mice.folder / "corner.csv"
    outcome = litpose(
        "train", config, "-o", tmp_path / "m", *tiny_training, "data.csv_file=corner.csv"
    )
    file.unlink()
    assert outcome.code == 0, outcome
    assert "'corner' of 'single' belong to no animal" in " ".join(outcome.out.split())
    assert "corner" not in (tmp_path / "m" / "manifest.json").read_text()


def predicted():
    """Tracked and untracked animals, one that leaves, and a frame without any."""
    rows = [(0, "a"), (0, "b"), (0, None), (1, "b"), (1, None), (1, None), (2, None), (4, "a")]
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 99, (len(rows), 2, 2)).astype(np.float32)
    confidence = rng.uniform(0, 1, (len(rows), 2)).astype(np.float32)
    points[6], confidence[6] = nan, nan
    return PoseTable(
        Skeleton(("nose", "tail")),
        points,
        tuple(frame for frame, _ in rows),
        individual=tuple(name for _, name in rows),
        confidence=confidence,
    )


@pytest.mark.parametrize("second", FORMATS)
@pytest.mark.parametrize("first", FORMATS)
def test_predictions_keep_every_row_from_any_format_to_any(litpose, tmp_path, first, second):
    """F39: no conversion loses a row."""
    table = predicted()
    write_predictions(table, tmp_path / f"from.{first}")
    outcome = litpose("convert", tmp_path / f"from.{first}", tmp_path / f"to.{second}")
    assert outcome.code == 0, outcome
    assert "kept: 7 rows (a, b, 3 without a track) of 2 keypoints" in outcome.out
    back = read_predictions(tmp_path / f"to.{second}", several=True)
    assert rows_of(back) == rows_of(table)


def test_one_animal_of_predictions_is_chosen_by_its_name(litpose, tmp_path):
    write_predictions(predicted(), tmp_path / "p.csv")
    outcome = litpose("convert", tmp_path / "p.csv", tmp_path / "b.h5", "--individual", "b")
    assert outcome.code == 0, outcome
    back = read_predictions(tmp_path / "b.h5")
    assert back.individual is None
    assert np.isfinite(back.points).all(axis=(1, 2)).tolist() == [True, True, False, False]


@pytest.mark.parametrize("key", ["df_with_missing", "tracks"])
def test_both_keys_of_deeplabcut_are_read(litpose, tmp_path, key):
    """F40: untracked tables have the one, tracked tables the other."""
    from lp_core.poses.interchange import to_pandas

    table = predicted()
    to_pandas(table).to_hdf(tmp_path / "p.h5", key=key, mode="w")
    assert litpose("convert", tmp_path / "p.h5", tmp_path / "p.csv").code == 0
    assert rows_of(read_predictions(tmp_path / "p.csv", several=True)) == rows_of(table)
