"""Labels keep names, positions and visibility through every tool's format; nothing is invented."""

import csv
from dataclasses import replace

import numpy as np
import pandas
import pytest
import sleap_io
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools.coco import COCO

from lp_core.image_source import ImageSource
from lp_core.poses import PoseTable, Skeleton
from lp_io.errors import ConversionError
from lp_io.projects import LabeledImages
from lp_io.projects.coco import read_coco_labels
from lp_io.projects.deeplabcut import is_deeplabcut_project, read_deeplabcut_project
from lp_io.projects.deeplabcut_writing import write_deeplabcut_project
from lp_io.projects.detection import Kind, detect
from lp_io.projects.sleap import read_sleap_labels, write_sleap_labels
from lp_io.tables.coco import write_coco
from lp_io.untrusted.content import ContentError

names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc",)), min_size=1, max_size=8
).filter(lambda text: text == text.strip())
videos = st.text(st.sampled_from("abcüñ尾_ 12"), min_size=1, max_size=6).filter(
    lambda text: text == text.strip(" .")
)
numbers = st.floats(-1e5, 1e5, width=32)


@st.composite
def label_sets(draw):
    keypoints = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    places = draw(
        st.lists(st.tuples(videos, st.integers(0, 9999)), min_size=1, max_size=4, unique=True)
    )
    size = (len(places), len(keypoints))
    codes = draw(arrays.arrays(np.int8, size, elements=st.integers(0, 2)))
    positions = draw(arrays.arrays(np.float32, (*size, 2), elements=numbers)).astype(np.float64)
    edges = ((keypoints[0], keypoints[-1]),) if len(keypoints) > 1 else ()
    return labelled(
        Skeleton(tuple(keypoints), edges=edges),
        np.where(codes[..., None] > 0, positions, np.nan),
        codes,
        [
            ImageSource(f"labeled-data/{video}/img{frame:05d}.png", frame=frame)
            for video, frame in sorted(places)
        ],
        draw(names.filter(lambda text: not set(text) & set('/\\:*?"<>|.'))),
    )


def labelled(skeleton, points, codes, images, scorer="ann"):
    """Labels of one animal in each picture."""
    frame = tuple(image.name for image in images)
    table = PoseTable(skeleton, points, frame, visibility=codes, scorer=scorer)
    return LabeledImages(table, tuple(images))


def by_name(labels):
    """Per picture and keypoint what is labelled."""
    return {
        (image.name, name): (int(code), *map(np.float32, position))
        for image, codes, positions in zip(
            labels.images, labels.table.codes, labels.table.points, strict=True
        )
        for name, code, position in zip(labels.table.keypoint_names, codes, positions, strict=True)
        if code
    }


def assert_same(back, labels):
    assert back.table.skeleton == labels.table.skeleton
    assert back.table.scorer == labels.table.scorer
    assert {image.name for image in back.images} == {image.name for image in labels.images}
    assert {i.name: i.frame for i in back.images} == {i.name: i.frame for i in labels.images}
    assert by_name(back) == by_name(labels)


round_trip = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@round_trip
@given(labels=label_sets())
def test_coco_gives_back_every_label(labels, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "labels.json"
    assert write_coco(labels.table, path) == []
    back = read_coco_labels(path)
    assert_same(back, labels)
    assert back.left_out == ()


@pytest.mark.usefixtures("trusted")
@round_trip
@given(labels=label_sets())
def test_sleap_gives_back_every_label(labels, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "labels.slp"
    assert write_sleap_labels(labels, path) == []
    back = read_sleap_labels(path)
    assert_same(back, labels)
    assert back.left_out == ()


@round_trip
@given(labels=label_sets(), with_csv=st.booleans())
def test_deeplabcut_gives_back_every_position(labels, with_csv, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dlc")
    notes = write_deeplabcut_project(labels, folder, task="task", final=folder)
    assert bool(notes) == bool(
        (labels.table.codes == 1).any() or (labels.table.codes == 0).all(1).any()
    )
    if not with_csv:
        for file in folder.rglob("*.csv"):
            file.unlink()
    some = labels.table.codes.any(axis=1)
    assume(some.any())
    back = read_deeplabcut_project(folder)
    table = replace(labels.table, visibility=None).rows(np.flatnonzero(some))
    images = tuple(image for image, kept in zip(labels.images, some, strict=True) if kept)
    expected = LabeledImages(table, images)
    assert_same(back, expected)
    assert len(back.left_out) == (not some.all())


OCCLUDED = labelled(
    Skeleton(("nose", "tail")),
    np.array([[[1.5, 2], [np.nan, np.nan]], [[3, 4], [5, 6]]]),
    np.array([[2, 1], [1, 2]], dtype=np.int8),
    [ImageSource("labeled-data/a/img3.png"), ImageSource("labeled-data/b/img7.png")],
)


def test_an_occluded_keypoint_without_a_position_is_told(tmp_path):
    for (note,) in (
        write_coco(OCCLUDED.table, tmp_path / "l.json"),
        write_sleap_labels(OCCLUDED, tmp_path / "l.slp"),
    ):
        assert note.startswith("1 occluded keypoints without a position")
    notes = write_deeplabcut_project(OCCLUDED, tmp_path / "d", task="t", final=tmp_path)
    assert [note.split(" ")[0] for note in notes] == ["that", "1"]


# --- what the neighbours' own libraries read and write ---


def test_pycocotools_reads_our_labels(tmp_path):
    write_coco(OCCLUDED.table, tmp_path / "labels.json", {"labeled-data/a/img3.png": (48, 64)})
    coco = COCO(str(tmp_path / "labels.json"))
    assert coco.imgs[1]["height"] == 48
    assert [each["num_keypoints"] for each in coco.loadAnns([1, 2])] == [1, 2]
    assert coco.loadAnns([2])[0]["keypoints"] == [3, 4, 1, 5, 6, 2]


def test_sleap_io_reads_our_labels(tmp_path):
    write_sleap_labels(OCCLUDED, tmp_path / "labels.slp")
    labels = sleap_io.load_slp(str(tmp_path / "labels.slp"), open_videos=False)
    assert labels.skeleton.node_names == ["nose", "tail"]
    assert [video.filename for video in labels.videos] == [
        ["labeled-data/a/img3.png"],
        ["labeled-data/b/img7.png"],
    ]
    second = labels[1].user_instances[0]
    np.testing.assert_array_equal(second.points["xy"], [[3, 4], [5, 6]])
    assert second.points["visible"].tolist() == [False, True]


def test_pandas_reads_our_deeplabcut_project(tmp_path):
    write_deeplabcut_project(OCCLUDED, tmp_path, task="t", final=tmp_path)
    stem = tmp_path / "labeled-data" / "b" / "CollectedData_ann"
    for frame in (
        pandas.read_hdf(f"{stem}.h5", "df_with_missing"),
        pandas.read_csv(f"{stem}.csv", header=[0, 1, 2], index_col=[0, 1, 2]),
    ):
        assert frame.columns.names == ["scorer", "bodyparts", "coords"]
        np.testing.assert_array_equal(frame.to_numpy(), [[3, 4, 5, 6]])
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert (config["bodyparts"], config["scorer"]) == (["nose", "tail"], "ann")


def test_what_a_file_is_is_told_by_its_content(tmp_path):
    write_coco(OCCLUDED.table, tmp_path / "c.json")
    write_sleap_labels(OCCLUDED, tmp_path / "l.slp")
    write_deeplabcut_project(OCCLUDED, tmp_path / "dlc", task="t", final=tmp_path)
    assert is_deeplabcut_project(tmp_path / "dlc")
    (tmp_path / "own").mkdir()
    with (tmp_path / "own" / "CollectedData.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["scorer", "a", "a"], ["bodyparts", "n", "n"], ["coords", "x", "y"], ["i.png", 1, 2]]
        )
    expected = {
        "c.json": Kind.COCO_LABELS,
        "l.slp": Kind.SLEAP_LABELS,
        "dlc": Kind.DEEPLABCUT,
        "own": Kind.PROJECT,
        "own/CollectedData.csv": Kind.LABEL_CSV,
    }
    assert {name: detect(tmp_path / name) for name in expected} == expected
    for wrong, problem in (("none", "no such"), ("dlc/labeled-data", "neither"), (".", "neither")):
        with pytest.raises(ConversionError, match=problem):
            detect(tmp_path / wrong)


def test_a_picture_may_occur_once():
    with pytest.raises(ContentError, match="occurs twice"):
        labelled(
            Skeleton(("a",)), np.zeros((2, 1, 2)), np.ones((2, 1), np.int8), [ImageSource("x")] * 2
        )
