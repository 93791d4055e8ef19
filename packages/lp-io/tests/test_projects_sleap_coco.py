"""Labels that SLEAP, sleap-io and COCO tools write, whole and damaged."""

import json

import cv2
import numpy as np
import pytest
import sleap_io

from lp_core.poses import Skeleton
from lp_io.errors import ConversionError
from lp_io.projects.coco import read_coco_labels
from lp_io.projects.sleap import read_sleap_labels, write_sleap_labels

nan = np.nan


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
    assert labels.table.codes.tolist() == [[0, 2], [2, 1]]
    np.testing.assert_array_equal(labels.table.points[1], [[1.5, 2.5], [3, 4]])
    assert labels.table.skeleton == Skeleton(("a", "b"), edges=(("a", "b"),))


def test_edges_and_symmetries_of_a_sleap_skeleton_come_and_go(tmp_path):
    labels = sleap_labels({0: [ONE]})
    labels.skeleton.add_symmetry("a", "b")
    labels.save(str(tmp_path / "l.slp"), verbose=False)
    read = read_sleap_labels(tmp_path / "l.slp")
    assert read.table.skeleton.left_right == (("a", "b"),)
    assert read.table.skeleton.mirror_permutation.tolist() == [1, 0]
    write_sleap_labels(read, tmp_path / "again.slp")
    assert read_sleap_labels(tmp_path / "again.slp").table.skeleton == read.table.skeleton


def test_sleap_frames_with_several_animals(tmp_path):
    tracks = [sleap_io.Track("m1"), sleap_io.Track("m2")]
    other = ([[7, 8], [9, 9]], "m2")
    sleap_labels({0: [(ONE[0], "m1"), other], 1: [other], 2: [other]}, tracks=tracks).save(
        str(tmp_path / "l.slp"), verbose=False
    )
    labels = read_sleap_labels(tmp_path / "l.slp")
    assert [image.frame for image in labels.images] == [0, 1, 2]
    assert labels.table.individual == ("m1", "m2", "m2", "m2")
    assert len(read_sleap_labels(tmp_path / "l.slp", individual="m2")) == 3
    assert len(read_sleap_labels(tmp_path / "l.slp", individual="m1")) == 1


def predicted_instance(labels, **more):
    return sleap_io.PredictedInstance.from_numpy(
        np.ones((2, 2)), skeleton=labels.skeleton, point_scores=np.ones(2), score=1.0, **more
    )


def test_animals_without_a_track_are_kept_without_a_name(tmp_path):
    tracks = [sleap_io.Track("m1")]
    poses = {0: [ONE, (ONE[0], "m1"), ([[7, 8], [9, 9]], None)], 1: [ONE]}
    labels = sleap_labels(poses, tracks=tracks)
    labels.save(str(tmp_path / "l.slp"), verbose=False)
    table = read_sleap_labels(tmp_path / "l.slp").table
    assert table.individual == (None, "m1", None, None)
    np.testing.assert_array_equal(table.points[2], [[7, 8], [9, 9]])


def test_a_correction_and_what_it_corrects_are_one_animal(tmp_path):
    labels = sleap_labels({0: [ONE], 5: [ONE]})
    for frame, count in ((labels[0], 1), (labels[1], 2)):
        frame.instances += [predicted_instance(labels) for _ in range(count)]
        frame.user_instances[0].from_predicted = frame.predicted_instances[0]
    labels.append(sleap_io.LabeledFrame(labels.video, 9, instances=[predicted_instance(labels)]))
    labels.save(str(tmp_path / "l.slp"), verbose=False)
    back = read_sleap_labels(tmp_path / "l.slp")
    assert len(back.table) == 2
    assert back.left_out[:3] == (
        "2 predicted instances: people have corrected them",
        "1 predicted instances on labelled frames that nobody has corrected: if they are animals, "
        "they are not labelled there",
        "1 predicted instances: only labels of people are taken",
    )


def test_an_instance_without_a_point_is_no_animal(tmp_path):
    labels = sleap_labels({0: [ONE, ([[nan, nan]] * 2, None)], 1: [ONE, ONE]})
    labels.save(str(tmp_path / "l.slp"), verbose=False)
    back = read_sleap_labels(tmp_path / "l.slp")
    assert back.table.frame.count(back.images[0].name) == 1
    assert back.left_out[0] == "1 animals without a single keypoint"


def test_two_animals_of_one_track_are_told_with_their_frame(tmp_path):
    labels = sleap_labels({3: [(ONE[0], "m1")] * 2}, tracks=[sleap_io.Track("m1")])
    labels.save(str(tmp_path / "l.slp"), verbose=False)
    with pytest.raises(
        ConversionError, match=r"two animals of 'labeled-data/mouse/img00000003.png' are named 'm1'"
    ) as caught:
        read_sleap_labels(tmp_path / "l.slp")
    assert "another name or track" in caught.value.remedy


def test_predictions_in_a_sleap_file_are_left_out_and_told(tmp_path):
    labels = sleap_labels({0: [ONE]})
    instances = [predicted_instance(labels)]
    labels.append(sleap_io.LabeledFrame(labels.video, 5, instances=instances))
    labels.save(str(tmp_path / "l.slp"), verbose=False)
    back = read_sleap_labels(tmp_path / "l.slp")
    assert len(back) == 1
    assert back.left_out == (
        "1 predicted instances: only labels of people are taken",
        "the video 'mouse.mp4': there is no such file",
    )


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


@pytest.mark.parametrize("tracks", [(4, 5), (None, None), (None, 5)])
def test_every_annotation_of_a_coco_image_is_an_animal(tmp_path, tracks):
    annotations = [
        {"image_id": 7, "category_id": 3, "keypoints": [x, 2, 2, 3, 4, 1]}
        | ({} if track is None else {"track_id": track})
        for x, track in zip((1, 5), tracks, strict=True)
    ]
    path = write_json(tmp_path / "c.json", coco_content(annotations=annotations))
    table = read_coco_labels(path).table
    assert table.individual == tuple(None if track is None else str(track) for track in tracks)
    assert table.points[:, 0, 0].tolist() == [1, 5]
    assert table.codes.tolist() == [[2, 1], [2, 1]]


def test_a_coco_file_of_another_tool(tmp_path):
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "img5.png").touch()
    labels = read_coco_labels(write_json(tmp_path / "c.json", coco_content()))
    assert [image.name for image in labels.images] == ["labeled-data/a/img5.png"]
    assert labels.images[0].file == tmp_path / "images" / "a" / "img5.png"
    assert labels.table.codes.tolist() == [[2, 0]]
    assert np.isnan(labels.table.points[0, 1]).all()
    assert labels.left_out == (
        "1 annotations without keypoints",
        "1 images without an annotation of keypoints",
    )


@pytest.mark.parametrize("skeleton", [5, "ab", [["a", "b"]], [[0, 1]], [[1, 2, 3]], None])
def test_a_skeleton_that_joins_no_keypoints_is_left_out(tmp_path, skeleton):
    (tmp_path / "images" / "a").mkdir(parents=True)
    (tmp_path / "images" / "a" / "img5.png").touch()
    category = {"id": 3, "keypoints": ["nose", "tail"], "skeleton": skeleton}
    path = write_json(tmp_path / "c.json", coco_content(categories=[category]))
    assert read_coco_labels(path).table.skeleton.edges == ()


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("images", 3, "'images' should be a list"),
        ("images", [{"id": 7, "file_name": "../../x.png"}], "not below that folder"),
        ("images", [{"id": 7, "file_name": "C:\\x.png"}], "absolute path of Windows"),
        ("images", [{"id": 7}], "no file_name"),
        ("images", [], "belongs to image 7"),
        ("categories", [], "no category"),
        ("categories", [{"id": 3, "keypoints": ["a", "a"]}], "named twice"),
        ("annotations", [{"id": 1, "image_id": 7, "category_id": [3],
                          "keypoints": [1]}], "no whole number 'category_id'"),
        ("annotations", [{"id": 1, "image_id": 7, "category_id": 3,
                          "keypoints": [1]}], "6 numbers"),
        ("annotations", [{"id": 1, "image_id": 7, "category_id": 3,
                          "keypoints": [1, 2, 2, 10**400, 0, 0]}], "not a number"),
        ("annotations", [{"id": 1, "image_id": 7, "category_id": 3,
                          "keypoints": [1, 2, 5, 0, 0, 0]}], "not 0, 1 or 2"),
    ],
)  # fmt: skip
def test_damaged_coco_files_are_refused(tmp_path, key, value, problem):
    path = write_json(tmp_path / "c.json", coco_content(**{key: value}))
    with pytest.raises(ConversionError, match=problem):
        read_coco_labels(path)
