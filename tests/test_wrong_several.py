"""Wrong inputs about several animals: one clear message with the place and a remedy."""

import json
import shutil
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
import sleap_io
import xarray
import yaml

from lp_core.poses import PoseTable, Skeleton, write_pose_csv
from lp_data.labels import read_labels
from lp_data.video.writer import VideoWriter
from lp_io.predictions import read_predictions, write_predictions


@pytest.fixture(scope="module")
def folder(mice, tmp_path_factory):
    """A project with two mice, to which label files are added."""
    folder = tmp_path_factory.mktemp("wrong") / "project"
    return shutil.copytree(mice.folder, folder)


@pytest.fixture
def prepare(litpose, folder, tiny_training, tmp_path):
    """Checks a config as a training would, with more settings."""
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"data": {"data_dir": str(folder), "video_dir": "videos"}}))

    def call(*settings):
        return litpose("config", "check", config, *tiny_training, *settings)

    return call


def refused(outcome, *expected):
    assert outcome.code == 2, outcome
    assert outcome.err.startswith("error: ")
    assert "Traceback" not in outcome.err
    assert len(outcome.err.splitlines()) <= 4
    for text in expected:
        assert str(text) in outcome.err


def text_of(folder, name="CollectedData.csv"):
    return (folder / name).read_text()


# --- labels and their config --------------------------------------------------------------------


def test_an_individual_without_any_keypoint(litpose, folder, tmp_path):
    lines = text_of(folder).splitlines()
    half = len(lines[0].split(",")) // 2
    for place, line in enumerate(lines):
        cells = line.split(",")
        more = cells[1 : half + 1] if place < 4 else [""] * half
        more = ["mouse3"] * half if place == 1 else more
        lines[place] = ",".join([*cells, *more])
    (tmp_path / "CollectedData.csv").write_text("\n".join(lines) + "\n")
    outcome = litpose("check", tmp_path)
    assert "warning: the individual 'mouse3' is never labelled" in outcome.out
    assert f"in: {tmp_path / 'CollectedData.csv'}" in outcome.out
    assert "try: label it, or remove its columns" in outcome.out


def test_two_individuals_of_one_name_in_a_label_file(prepare, folder):
    (folder / "twice.csv").write_text(text_of(folder).replace("mouse2", "mouse1"))
    refused(
        prepare("data.csv_file=twice.csv"),
        "the keypoint 'nose' of the individual 'mouse1' has two columns 'x': 2 and 32",
        "twice.csv, line 3, column 32",
        "give every individual a name of its own",
    )


def test_individuals_in_one_label_file_and_none_in_another(prepare, folder):
    labels = read_labels(folder / "CollectedData.csv")
    write_pose_csv(replace(labels.rows([0]), individual=None), folder / "nameless.csv")
    refused(
        prepare("data.csv_file=[CollectedData.csv,nameless.csv]"),
        "have names in one label file, and none in another",
        "CollectedData.csv, line 5",
        "nameless.csv, line 4",
        "add the header row 'individuals'",
    )


def test_more_animals_on_an_image_than_the_count(prepare):
    refused(
        prepare("animals.count=1"),
        "2 animals are labelled on 'labeled-data/session_00/img00000002.png', but animals.count is",
        "CollectedData.csv, line 5",
        "set animals.count to 2 or more, or leave it out",
    )


def test_a_count_of_no_animals(prepare):
    refused(prepare("animals.count=0"), "animals.count: must be at least 1, got 0")


def test_top_down_with_a_tracker_that_finds_several_itself(prepare):
    refused(
        prepare("animals.top_down=true", "model.model_type=centroid"),
        "true, but 'centroid' finds several animals itself",
        "in: animals.top_down",
    )


def test_top_down_where_boxes_tell_where_the_animals_are(prepare):
    refused(
        prepare("animals.top_down=true", "data.bbox_file=CollectedData_boxes.csv"),
        "animals.top_down: true, but data.bbox_file already tells where the animals are",
    )


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("animals.detector_type=centrid", "did you mean 'centroid'"),
        ("animals.detector_type=heatmap", "'heatmap' does not find animals"),
        ("animals.detector={modl: 1}", "did you mean 'model'"),
    ],
)
def test_a_detector_that_cannot_be(prepare, setting, told):
    refused(prepare(setting), told)


def test_boxes_that_lack_an_individual(prepare, folder):
    lines = text_of(folder, "CollectedData_boxes.csv").splitlines()
    lines = [line for line in lines if "mouse2" not in line or "img00000002" not in line]
    (folder / "fewer.csv").write_text("\n".join(lines) + "\n")
    refused(
        prepare("data.bbox_file=fewer.csv"),
        "there is no box for the individual 'mouse2' of 'labeled-data/session_00/img00000002.png'",
        "CollectedData.csv, line 5",
        "give it a row with its name in data.bbox_file",
    )


def test_odd_crops_are_told_and_work(prepare):
    outcome = prepare("animals.crop_size=200")
    assert outcome.code == 0, outcome
    assert "crops of 200×200 px are larger than the frames of 96×96 px" in outcome.out
    outcome = prepare("animals.crop_size=16")
    assert outcome.code == 0, outcome
    assert "labelled animals are larger than the crops of 16×16 px" in outcome.out


def test_several_animals_for_a_tracker_of_one(prepare):
    refused(
        prepare("animals.top_down=false"),
        "has 2 animals, but the tracker takes one per image",
        "CollectedData.csv, line 5",
    )


# --- tables of predictions ----------------------------------------------------------------------


@pytest.fixture
def tables(tmp_path):
    """Predictions of two animals in four frames, in three formats."""
    rng = np.random.default_rng(0)
    table = PoseTable(
        Skeleton(("a", "b")),
        rng.uniform(0, 90, (8, 2, 2)).astype(np.float32),
        (0, 0, 1, 1, 2, 2, 3, 3),
        individual=("m1", "m2") * 4,
        confidence=rng.uniform(0, 1, (8, 2)).astype(np.float32),
    )
    for suffix in ("csv", "json", "slp", "nc"):
        write_predictions(table, tmp_path / f"p.{suffix}")
    return tmp_path


def spoil_coco(path, name):
    content = json.loads(path.read_text())
    content["annotations"][3]["track_id"] = name
    path.write_text(json.dumps(content))


def spoil_sleap(path, name):
    labels = sleap_io.load_slp(str(path), open_videos=False)
    named = {track.name: track for track in labels.tracks}
    track = named.get(name) or sleap_io.Track(name)
    labels[1].instances[1].track = track
    sleap_io.Labels(list(labels.labeled_frames)).save(str(path), verbose=False)


@pytest.mark.parametrize("suffix", ["json", "slp"])
def test_two_animals_of_one_name_in_a_frame(litpose, tables, suffix):
    {"json": spoil_coco, "slp": spoil_sleap}[suffix](tables / f"p.{suffix}", "m1")
    outcome = litpose("convert", tables / f"p.{suffix}", tables / "o.h5")
    told = "two animals of frame 1 are named 'm1'"
    refused(outcome, told, tables / f"p.{suffix}", "give one of them another name or track")
    assert not (tables / "o.h5").exists()


@pytest.mark.parametrize("suffix", ["json", "slp"])
def test_a_name_that_stands_for_animals_without_a_track(litpose, tables, suffix):
    {"json": spoil_coco, "slp": spoil_sleap}[suffix](tables / f"p.{suffix}", "untracked_0")
    outcome = litpose("convert", tables / f"p.{suffix}", tables / "o.h5")
    refused(
        outcome,
        "an animal of frame 1 is named 'untracked_0', which stands for animals without a track",
        tables / f"p.{suffix}",
        "give its track another name",
    )


def test_tracks_that_overlap(litpose, tables):
    """A frame that stands in the table twice gives each individual two rows there."""
    lines = (tables / "p.csv").read_text().splitlines()
    (tables / "p.csv").write_text("\n".join([*lines, lines[4]]) + "\n")
    outcome = litpose("convert", tables / "p.csv", tables / "o.csv")
    refused(outcome, "frame numbers repeat: 0", tables / "p.csv", "each once")
    outcome = litpose("track", tables / "p.csv", "-o", tables / "o.csv", "--join")
    refused(outcome, "'m1' has two rows in frame 0", tables / "p.csv")


def test_a_video_of_another_table(litpose, tables):
    with VideoWriter(tables / "v.mp4", fps=Fraction(30), size=(96, 96)) as video:
        for _ in range(3):
            video.write(np.zeros((96, 96, 3), np.uint8))
    for name, told in (("none.mp4", "no such video"), ("v.mp4", "the last one of the video is 2")):
        outcome = litpose(
            "track", tables / "p.csv", "-o", tables / "o.csv", "--video", tables / name
        )
        refused(outcome, told)
        assert not (tables / "o.csv").exists()


def test_an_individual_that_is_not_there(litpose, tables, folder):
    outcome = litpose("convert", tables / "p.csv", tables / "o.h5", "--individual", "m3")
    refused(outcome, "no animal is named 'm3'", "p.csv, line 2", "m1, m2")
    outcome = litpose("convert", folder, tables / "o.json", "--individual", "mouse9")
    refused(outcome, "no animal is named 'mouse9'", "CollectedData.csv", "mouse1")


def test_a_table_without_scores_or_confidences_works(litpose, tables):
    """Its animals are converted and followed; what it lacks is not made up."""
    with xarray.open_dataset(tables / "p.nc", engine="h5netcdf") as dataset:
        without = dataset.load().drop_vars("confidence")
    without.to_netcdf(tables / "bare.nc", engine="h5netcdf")
    outcome = litpose("convert", tables / "bare.nc", tables / "bare.csv")
    assert outcome.code == 0, outcome
    back = read_predictions(tables / "bare.csv", several=True)
    assert back.individual == ("m1", "m2") * 4
    assert np.isnan(back.confidence).all()
    outcome = litpose("track", tables / "bare.nc", "-o", tables / "t.csv")
    assert outcome.code == 0, outcome
    assert len(read_predictions(tables / "t.csv", several=True)) == 8
