"""Labels keep names, positions and visibility through every tool's format; nothing is invented."""

import csv
import json

import cv2
import numpy as np
import pandas
import pytest
import sleap_io
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools.coco import COCO

from lp_io.errors import ConversionError
from lp_io.foreign.content import ContentError
from lp_io.projects import ImageSource, LabeledImages
from lp_io.projects.coco import read_coco_labels, write_coco_labels
from lp_io.projects.deeplabcut import is_deeplabcut_project, read_deeplabcut_project
from lp_io.projects.deeplabcut_writing import write_deeplabcut_project
from lp_io.projects.detection import Kind, detect
from lp_io.projects.sleap import read_sleap_labels, write_sleap_labels

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
    return LabeledImages(
        keypoint_names=tuple(keypoints),
        keypoints=np.where(codes[..., None] > 0, positions, np.nan),
        visibility=codes,
        images=tuple(
            ImageSource(f"labeled-data/{video}/img{frame:05d}.png", frame=frame)
            for video, frame in sorted(places)
        ),
        scorer=draw(names.filter(lambda text: not set(text) & set('/\\:*?"<>|.'))),
        skeleton=((0, len(keypoints) - 1),) if len(keypoints) > 1 else (),
        states_visibility=True,
    )


@pytest.fixture
def trusted(monkeypatch):
    """Leaves out the process that reads a file first, which takes longer than all the rest."""
    monkeypatch.setattr("lp_io.foreign.probe.check_readable", lambda path: None)


def by_name(labels):
    """Per picture and keypoint what is labelled."""
    return {
        (image.name, name): (int(code), *map(np.float32, position))
        for image, codes, positions in zip(
            labels.images, labels.visibility, labels.keypoints, strict=True
        )
        for name, code, position in zip(labels.keypoint_names, codes, positions, strict=True)
        if code
    }


def assert_same(back, labels):
    assert back.keypoint_names == labels.keypoint_names
    assert back.scorer == labels.scorer
    assert back.skeleton == labels.skeleton
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
    assert write_coco_labels(labels, path) == []
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
        (labels.visibility == 1).any() or (labels.visibility == 0).all(1).any()
    )
    if not with_csv:
        for file in folder.rglob("*.csv"):
            file.unlink()
    labelled = labels.visibility.any(axis=1)
    assume(labelled.any())
    back = read_deeplabcut_project(folder)
    expected = LabeledImages(
        labels.keypoint_names,
        labels.keypoints[labelled],
        np.where(labels.visibility > 0, 2, 0).astype(np.int8)[labelled],
        tuple(image for image, kept in zip(labels.images, labelled, strict=True) if kept),
        labels.scorer,
        labels.skeleton,
    )
    assert_same(back, expected)
    assert len(back.left_out) == (not labelled.all())


OCCLUDED = LabeledImages(
    ("nose", "tail"),
    np.array([[[1.5, 2], [np.nan, np.nan]], [[3, 4], [5, 6]]]),
    np.array([[2, 1], [1, 2]], dtype=np.int8),
    (ImageSource("labeled-data/a/img3.png"), ImageSource("labeled-data/b/img7.png")),
    scorer="ann",
)


def test_an_occluded_keypoint_without_a_position_is_told(tmp_path):
    for write, name in ((write_coco_labels, "l.json"), (write_sleap_labels, "l.slp")):
        (note,) = write(OCCLUDED, tmp_path / name)
        assert note.startswith("1 occluded keypoints without a position")
    notes = write_deeplabcut_project(OCCLUDED, tmp_path / "d", task="t", final=tmp_path)
    assert [note.split(" ")[0] for note in notes] == ["that", "1"]


# --- what the neighbours' own libraries read and write ---


def test_pycocotools_reads_our_labels(tmp_path):
    write_coco_labels(OCCLUDED, tmp_path / "labels.json", {"labeled-data/a/img3.png": (48, 64)})
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


def project(folder, tables, **config):
    """A DeepLabCut project as its own tools lay it out.

    Tables are given by the folder and the scorer; each is a pandas frame.
    """
    for (video, scorer), frame in tables.items():
        place = folder / "labeled-data" / video
        place.mkdir(parents=True, exist_ok=True)
        frame.to_csv(place / f"CollectedData_{scorer}.csv")
        frame.to_hdf(place / f"CollectedData_{scorer}.h5", key="df_with_missing", mode="w")
    content = {"Task": "t", "scorer": "ann", "video_sets": {}, "bodyparts": [], **config}
    (folder / "config.yaml").write_text(yaml.safe_dump(content))
    return folder


def table(index, values, scorer="ann", bodyparts=("nose", "tail"), individuals=None):
    levels = [[scorer], bodyparts, ["x", "y"]]
    level_names = ["scorer", "bodyparts", "coords"]
    if individuals:
        levels.insert(1, individuals)
        level_names.insert(1, "individuals")
    columns = pandas.MultiIndex.from_product(levels, names=level_names)
    if isinstance(index[0], tuple):
        index = pandas.MultiIndex.from_tuples(index)
    return pandas.DataFrame(np.array(values, dtype=float), index=index, columns=columns)


nan = np.nan
OLD_STYLE = ["labeled-data\\v1\\img002.png", "labeled-data\\v1\\img011.png"]
NEW_STYLE = [("labeled-data", "v2", "img7.png")]


@pytest.mark.parametrize("kept", ["csv", "h5"])
def test_both_index_styles_and_several_videos(tmp_path, kept):
    tables = {
        ("v1", "ann"): table(OLD_STYLE, [[1, 2, nan, nan], [3, 4, 5, 6]]),
        ("v2", "ann"): table(NEW_STYLE, [[7, 8, 9, 10]]),
    }
    folder = project(tmp_path, tables, skeleton=[["nose", "tail"]])
    for file in folder.rglob("CollectedData*"):
        if file.suffix != f".{kept}":
            file.unlink()
    labels = read_deeplabcut_project(folder)
    assert [image.name for image in labels.images] == [
        "labeled-data/v1/img002.png",
        "labeled-data/v1/img011.png",
        "labeled-data/v2/img7.png",
    ]
    assert [image.frame for image in labels.images] == [2, 11, 7]
    np.testing.assert_array_equal(labels.keypoints[:, 0], [[1, 2], [3, 4], [7, 8]])
    assert labels.visibility.tolist() == [[2, 0], [2, 2], [2, 2]]
    assert (labels.scorer, labels.skeleton, labels.left_out) == ("ann", ((0, 1),), ())


def test_videos_are_found_by_the_config_or_in_the_project(tmp_path):
    tables = {
        ("v1", "ann"): table(OLD_STYLE, np.ones((2, 4))),
        ("v2", "ann"): table(NEW_STYLE, np.ones((1, 4))),
    }
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "v1.avi").touch()
    sets = {str(tmp_path / "elsewhere" / "v1.avi"): {"crop": ""}, "C:\\old\\place\\v2.mp4": None}
    folder = project(tmp_path / "p", tables, video_sets=sets)
    (folder / "videos").mkdir()
    (folder / "videos" / "v2.mp4").touch()
    labels = read_deeplabcut_project(folder)
    assert [video.name for video in labels.videos] == ["v1.avi", "v2.mp4"]
    assert labels.images[2].video == folder / "videos" / "v2.mp4"


def test_of_several_scorers_one_is_taken_and_the_others_are_told(tmp_path):
    tables = {
        ("v1", "ann"): table(OLD_STYLE, np.ones((2, 4))),
        ("v1", "bob"): table(OLD_STYLE, np.full((2, 4), 2), scorer="bob"),
    }
    folder = project(tmp_path, tables)
    labels = read_deeplabcut_project(folder)
    assert labels.keypoints.max() == 1
    assert labels.left_out == ("the labels of bob: another scorer than ann",)
    assert read_deeplabcut_project(folder, scorer="bob").keypoints.max() == 2
    with pytest.raises(ConversionError, match="nobody named 'bop'") as caught:
        read_deeplabcut_project(folder, scorer="bop")
    assert "did you mean 'bob'" in caught.value.remedy
    project(tmp_path, {}, scorer="cleo")
    with pytest.raises(ConversionError, match="several people have labelled: ann, bob"):
        read_deeplabcut_project(folder)


def test_two_scorers_in_one_file(tmp_path):
    both = pandas.concat(
        [table(OLD_STYLE, np.full((2, 4), n), scorer=who) for n, who in ((1, "bob"), (2, "ann"))],
        axis=1,
    )
    assert read_deeplabcut_project(project(tmp_path, {("v1", "ann"): both})).keypoints.max() == 2


def test_images_without_labels_are_left_out_and_told(tmp_path):
    tables = {("v1", "ann"): table(OLD_STYLE, [[nan] * 4, [3, 4, 5, 6]])}
    labels = read_deeplabcut_project(project(tmp_path, tables))
    assert [image.frame for image in labels.images] == [11]
    assert labels.left_out == ("1 images without any label, which DeepLabCut does not train on",)


def animals(rows):
    return table([f"labeled-data/v/img{i}.png" for i in range(len(rows))], rows,
                 bodyparts=["nose"], individuals=["m1", "m2"])  # fmt: skip


def test_a_project_of_several_animals(tmp_path):
    crowded = project(tmp_path / "a", {("v", "ann"): animals([[1, 2, 3, 4], [5, 6, nan, nan]])})
    (crowded / "labeled-data" / "v2").mkdir()
    with pytest.raises(ConversionError, match="no animal is named 'm3'"):
        read_deeplabcut_project(crowded, individual="m3")
    second = read_deeplabcut_project(crowded, individual="m2")
    assert second.keypoints.tolist() == [[[3, 4]]]
    assert second.left_out == ("2 labelled poses of other animals than 'm2'",)
    labels = read_deeplabcut_project(crowded)
    assert labels.keypoints.tolist() == [[[5, 6]]]
    assert labels.left_out == ("1 images with several animals: lp tracks one",)
    every = project(tmp_path / "b", {("v", "ann"): animals([[1, 2, 3, 4]])})
    with pytest.raises(ConversionError, match="show several animals") as caught:
        read_deeplabcut_project(every)
    assert caught.value.remedy == "choose one with --individual: m1, m2"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: (f / "config.yaml").write_text("a: [1"), "no YAML file"),
        (lambda f: (f / "config.yaml").write_text("!!python/object/apply:os.getcwd []"), "YAML"),
        (lambda f: (f / "config.yaml").write_text("- 1"), "no config"),
        (lambda f: [p.unlink() for p in f.rglob("Collected*")], "no folder in labeled-data"),
        (lambda f: edit(f, "1.0,", "one,"), "line 4: 'one' is not a number"),
        (lambda f: edit(f, ",1.0\n", "\n"), "line 4 has"),
        (lambda f: edit(f, "bodyparts", "bodypart"), "first lines"),
    ],
)
def test_damaged_deeplabcut_projects_are_refused(tmp_path, change, problem):
    folder = project(tmp_path, {("v1", "ann"): table(OLD_STYLE, np.ones((2, 4)))})
    change(folder)
    with pytest.raises(ConversionError, match=problem):
        read_deeplabcut_project(folder)


def edit(folder, old, new):
    (file,) = folder.rglob("*.csv")
    file.write_text(file.read_text().replace(old, new, 1))


def sleap_labels(instances, *, video=None, tracks=()):
    skeleton = sleap_io.Skeleton(["a", "b"], edges=[("a", "b")])
    video = video or sleap_io.Video("rec/mouse.mp4", open_backend=False)
    named = {track.name: track for track in tracks}
    frames = [
        sleap_io.LabeledFrame(
            video=video,
            frame_idx=number,
            instances=[
                sleap_io.Instance.from_numpy(
                    np.array(points, float), skeleton=skeleton, track=named.get(track)
                )
                for points, track in poses
            ],
        )
        for number, poses in instances.items()
    ]
    return sleap_io.Labels(frames, skeletons=[skeleton], tracks=list(tracks))


ONE = ([[1.5, 2.5], [3, 4]], None)


def test_labels_that_sleap_io_writes(tmp_path):
    hidden = sleap_labels({20: [ONE], 4: [([[nan, nan], [5, 6]], None)]})
    hidden[0].instances[0].points["visible"] = [True, False]
    hidden.save(str(tmp_path / "l.slp"), verbose=False)
    labels = read_sleap_labels(tmp_path / "l.slp")
    assert [image.name for image in labels.images] == [
        "labeled-data/mouse/img00000004.png",
        "labeled-data/mouse/img00000020.png",
    ]
    assert labels.visibility.tolist() == [[0, 2], [2, 1]]
    np.testing.assert_array_equal(labels.keypoints[1], [[1.5, 2.5], [3, 4]])
    assert (labels.keypoint_names, labels.skeleton) == (("a", "b"), ((0, 1),))


def test_sleap_frames_with_several_animals(tmp_path):
    tracks = [sleap_io.Track("m1"), sleap_io.Track("m2")]
    other = ([[7, 8], [9, 9]], "m2")
    sleap_labels({0: [(ONE[0], "m1"), other], 1: [other], 2: [other]}, tracks=tracks).save(
        str(tmp_path / "l.slp"), verbose=False
    )
    labels = read_sleap_labels(tmp_path / "l.slp")
    assert [image.frame for image in labels.images] == [1, 2]
    assert labels.left_out == ("1 images with several animals: lp tracks one",)
    assert len(read_sleap_labels(tmp_path / "l.slp", individual="m2")) == 3
    assert len(read_sleap_labels(tmp_path / "l.slp", individual="m1")) == 1


def test_predictions_in_a_sleap_file_are_left_out_and_told(tmp_path):
    labels = sleap_labels({0: [ONE]})
    predicted = sleap_io.PredictedInstance.from_numpy(
        np.ones((2, 2)), skeleton=labels.skeleton, point_scores=np.ones(2), score=1.0
    )
    labels.append(sleap_io.LabeledFrame(labels.video, 5, instances=[predicted]))
    labels.save(str(tmp_path / "l.slp"), verbose=False)
    back = read_sleap_labels(tmp_path / "l.slp")
    assert len(back) == 1
    assert back.left_out == ("1 predicted instances: only labels of people are taken",)


def test_pictures_inside_a_sleap_package(tmp_path):
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 255, (3, 24, 32, 3), dtype=np.uint8)
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / f"f{number}.png"), picture[..., ::-1])
    video = sleap_io.Video.from_filename([str(tmp_path / f"f{n}.png") for n in range(3)])
    labels = sleap_labels({2: [ONE], 0: [ONE]}, video=video)
    labels.save(str(tmp_path / "l.pkg.slp"), verbose=False, embed="user")
    for file in tmp_path.glob("f*.png"):
        file.unlink()
    back = read_sleap_labels(tmp_path / "l.pkg.slp")
    assert [image.name.rsplit("/", 1)[1] for image in back.images] == ["f0.png", "f2.png"]
    for image, number in zip(back.images, (0, 2), strict=True):
        np.testing.assert_array_equal(image.embedded(), pictures[number])


def coco_content(**changes):
    content = {
        "images": [
            {"id": 7, "file_name": "a/img5.png", "width": 64, "height": 48},
            {"id": 9, "file_name": "a/img6.png"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 3, "keypoints": [1, 2, 2, 0, 0, 0]},
            {"id": 2, "image_id": 9, "category_id": 4, "bbox": [0, 0, 1, 1]},
        ],
        "categories": [
            {"id": 3, "name": "mouse", "keypoints": ["nose", "tail"], "skeleton": [[1, 2]]},
            {"id": 4, "name": "cage"},
        ],
    }
    return content | changes


def write_json(path, content):
    path.write_text(json.dumps(content))
    return path


def test_a_coco_file_of_another_tool(tmp_path):
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "img5.png").touch()
    labels = read_coco_labels(write_json(tmp_path / "c.json", coco_content()))
    assert [image.name for image in labels.images] == ["labeled-data/a/img5.png"]
    assert labels.images[0].file == tmp_path / "images" / "a" / "img5.png"
    assert labels.visibility.tolist() == [[2, 0]]
    assert np.isnan(labels.keypoints[0, 1]).all()
    assert labels.left_out == (
        "1 annotations without keypoints",
        "1 images without an annotation of keypoints",
    )


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("images", 3, "'images' should be a list"),
        ("images", [{"id": 7, "file_name": "../../x.png"}], "not below the folder"),
        ("images", [{"id": 7, "file_name": "C:\\x.png"}], "not below the folder"),
        ("images", [{"id": 7}], "no file_name"),
        ("images", [], "belongs to image 7"),
        ("categories", [], "no category"),
        ("categories", [{"id": 3, "keypoints": ["a", "a"]}], "named twice"),
        ("annotations", [{"id": 1, "image_id": 7, "category_id": 3,
                          "keypoints": [1]}], "6 numbers"),
        ("annotations", [{"id": 1, "image_id": 7, "category_id": 3,
                          "keypoints": [1, 2, 2, 10**400, 0, 0]}], "no number"),
        ("annotations", [{"id": 1, "image_id": 7, "category_id": 3,
                          "keypoints": [1, 2, 5, 0, 0, 0]}], "not 0, 1 or 2"),
    ],
)  # fmt: skip
def test_damaged_coco_files_are_refused(tmp_path, key, value, problem):
    path = write_json(tmp_path / "c.json", coco_content(**{key: value}))
    with pytest.raises(ConversionError, match=problem):
        read_coco_labels(path)


def test_what_a_file_is_is_told_by_its_content(tmp_path):
    write_coco_labels(OCCLUDED, tmp_path / "c.json")
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
        LabeledImages(
            ("a",), np.zeros((2, 1, 2)), np.ones((2, 1), np.int8), (ImageSource("x"),) * 2
        )
