"""The skeleton, the pose table, and their CSV files of several animals."""

from __future__ import annotations

import json

import numpy as np
import pandas
import pytest

from lp_core.errors import PoseError
from lp_core.poses import (
    Animals,
    Content,
    MissingPolicy,
    Origin,
    PoseTable,
    Skeleton,
    Visibility,
    concatenate,
    read_pose_csv,
    read_pose_csv_chunks,
    write_pose_csv,
)
from lp_core.poses.interchange import from_pandas, to_pandas

NAN = float("nan")
ALL = Animals(several=True)
SKELETON = Skeleton(
    ("nose", "left paw", "right paw", "mirrored nose"),
    edges=(("nose", "left paw"), ("nose", "right paw")),
    left_right=(("left paw", "right paw"),),
    mirrored=(("nose", "mirrored nose"),),
)


def table_of(points, frame, names=("nose", "tail"), **fields):
    points = np.array(points, dtype=np.float64).reshape(len(frame), len(names), 2)
    return PoseTable(Skeleton(tuple(names)), points, tuple(frame), **fields)


MICE = table_of(
    [[1, 2, 3, 4], [5, 6, NAN, NAN], [7, 8, 9, 10], [NAN] * 4, [11, 12, 13, 14]],
    (0, 0, 0, 1, 4),
    individual=("ann", "bob", None, None, "bob"),
    confidence=np.array([[0.5, 1], [0.25, NAN], [1, 1], [NAN, NAN], [1, 0]]),
)
MICE_CSV = """\
scorer,scorer,scorer,scorer,scorer,scorer,scorer,scorer,scorer,scorer,scorer,scorer,scorer,\
scorer,scorer,scorer,scorer,scorer,scorer
individuals,ann,ann,ann,ann,ann,ann,bob,bob,bob,bob,bob,bob,\
untracked_0,untracked_0,untracked_0,untracked_0,untracked_0,untracked_0
bodyparts,nose,nose,nose,tail,tail,tail,nose,nose,nose,tail,tail,tail,nose,nose,nose,tail,tail,tail
coords,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood,x,y,likelihood
0,1.0,2.0,0.5,3.0,4.0,1.0,5.0,6.0,0.25,,,,7.0,8.0,1.0,9.0,10.0,1.0
1,,,,,,,,,,,,,,,,,,
4,,,,,,,11.0,12.0,1.0,13.0,14.0,0.0,,,,,,
"""


def assert_same(one, other):
    assert one.keypoint_names == other.keypoint_names
    assert (one.frame, one.individual, one.split) == (other.frame, other.individual, other.split)
    np.testing.assert_array_equal(one.points, other.points)
    for name in ("visibility", "confidence"):
        own, others = getattr(one, name), getattr(other, name)
        assert (own is None) == (others is None)
        if own is not None:
            np.testing.assert_array_equal(own, others)


def test_a_skeleton_selects_and_reorders_with_its_groups():
    part = SKELETON.select(["right paw", "left paw", "nose"])
    assert part.names == ("right paw", "left paw", "nose")
    assert part.edges == SKELETON.edges
    assert part.mirror_permutation.tolist() == [1, 0, 2]
    assert part.mirrored == ()
    assert SKELETON.select(["nose", "right paw"]).left_right == ()


def test_a_skeleton_comes_back_from_json():
    assert Skeleton.from_dict(json.loads(json.dumps(SKELETON.to_dict()))) == SKELETON
    assert Skeleton.from_dict({"keypoints": ["a"]}) == Skeleton(("a",))
    for wrong in ([], {}, {"keypoints": "ab"}, {"keypoints": ["a"], "edges": [["a"]]}):
        with pytest.raises(PoseError, match="skeleton"):
            Skeleton.from_dict(wrong)


def test_a_skeleton_names_only_its_keypoints():
    with pytest.raises(PoseError, match="named twice"):
        Skeleton(("a", "a"))
    with pytest.raises(PoseError, match="no keypoint 'nos'") as caught:
        Skeleton(("nose", "tail"), edges=(("nos", "tail"),))
    assert "did you mean 'nose'" in caught.value.remedy


def test_sides_are_told_by_names_unless_they_are_stated():
    by_name = Skeleton(("paw_left", "nose", "PawRight")).with_sides_by_name()
    assert by_name.left_right == (("paw_left", "PawRight"),)
    stated = Skeleton(("a", "b", "left"), left_right=(("a", "b"),))
    assert stated.with_sides_by_name() is stated


def test_sizes_must_agree():
    with pytest.raises(PoseError, match="1 rows and 2 keypoint names do not go with points"):
        PoseTable(Skeleton(("n", "m")), np.zeros((1, 1, 2)), (0,))
    with pytest.raises(PoseError, match="do not go with individual"):
        table_of([[1, 2, 3, 4]], (0,), individual=("a", "b"))
    with pytest.raises(PoseError, match="do not go with points"):
        PoseTable(Skeleton(("n",)), np.zeros((1, 1, 4)), (0,))


def test_what_a_missing_keypoint_teaches_is_stated_or_decided_by_the_policy():
    plain = table_of([[1, 2, NAN, NAN]], ("a.png",))
    assert plain.codes.tolist() == [[Visibility.VISIBLE, Visibility.UNLABELED]]
    decided = table_of([[1, 2, NAN, NAN]], ("a.png",), missing=MissingPolicy.OCCLUDED)
    assert decided.codes.tolist() == [[Visibility.VISIBLE, Visibility.OCCLUDED]]
    stated = table_of(
        [[1, 2, NAN, NAN]],
        ("a.png",),
        missing=MissingPolicy.OCCLUDED,
        visibility=np.array([[1, 0]], np.int8),
    )
    assert stated.codes.tolist() == [[Visibility.OCCLUDED, Visibility.UNLABELED]]


def test_rows_are_grouped_by_frame():
    table = table_of(
        np.arange(16), ("b", "a", "b", "c"), view=("top", "top", "side", "top"),
        origin=(Origin.LABELLED, Origin.PREDICTED, Origin.CORRECTED, Origin.SMOOTHED),
    )  # fmt: skip
    assert [(f, rows.tolist()) for f, rows in table.by_frame()] == [
        ("b", [0, 2]), ("a", [1]), ("c", [3])
    ]  # fmt: skip
    assert table.rows([2]).origin == (Origin.CORRECTED,)
    assert list(table_of([], ()).by_frame()) == []


def test_rows_and_keypoints_are_taken_with_all_that_belongs_to_them():
    part = MICE.rows([4, 0]).select_keypoints(["tail"])
    assert (part.frame, part.individual) == ((4, 0), ("bob", "ann"))
    assert part.confidence.tolist() == [[0], [1]]
    assert part.points.tolist() == [[[13, 14]], [[3, 4]]]
    assert MICE.rows(slice(1, 3)).individual == ("bob", None)


def test_concatenated_tables_lose_nothing():
    plain = table_of([[1, 2, 3, 4]], (9,))
    both = concatenate([MICE, plain])
    assert both.individual == (*MICE.individual, None)
    assert np.isnan(both.confidence[-1]).all()
    with pytest.raises(PoseError, match="different keypoints"):
        concatenate([plain, plain.select_keypoints(["nose"])])
    with pytest.raises(PoseError, match="only some of the tables state 'split'"):
        concatenate([plain, table_of([[1, 2, 3, 4]], (9,), split=("train",))])


def test_several_animals_byte_by_byte_and_back(tmp_path):
    write_pose_csv(MICE, tmp_path / "mice.csv")
    assert (tmp_path / "mice.csv").read_text() == MICE_CSV
    assert_same(read_pose_csv(tmp_path / "mice.csv", Content.PREDICTIONS, ALL), MICE)
    chunks = list(read_pose_csv_chunks(tmp_path / "mice.csv", Content.PREDICTIONS, 2, ALL))
    assert_same(concatenate(chunks), MICE)


def test_a_tracker_of_one_animal_gets_the_one_it_asks_for(tmp_path):
    write_pose_csv(MICE, tmp_path / "mice.csv")
    bob = read_pose_csv(tmp_path / "mice.csv", Content.PREDICTIONS, Animals("bob"))
    assert (bob.frame, bob.individual) == ((0, 1, 4), None)
    np.testing.assert_array_equal(bob.points[:, 0], [[5, 6], [NAN, NAN], [11, 12]])
    with pytest.raises(PoseError, match="3 animals: ann, bob, untracked_0"):
        read_pose_csv(tmp_path / "mice.csv", Content.PREDICTIONS)


def test_two_rows_of_one_animal_in_a_frame_are_refused(tmp_path):
    twice = table_of(np.arange(8), (3, 3), individual=("ann", "ann"))
    with pytest.raises(PoseError, match="two rows in frame 3"):
        write_pose_csv(twice, tmp_path / "p.csv")
    odd = table_of(np.arange(8), (3, 3), individual=("ann", "untracked_1"))
    with pytest.raises(PoseError, match="without a track"):
        write_pose_csv(odd, tmp_path / "p.csv")


def test_labels_of_several_animals_say_where_they_are_wrong(tmp_path):
    text = (
        "scorer,s,s,s,s\nindividuals,ann,ann,bob,bob\nbodyparts,nose,nose,nose,nose\n"
        "coords,x,y,x,y\na.png,1,2,,\nb.png,1,2,3,{cell}\n"
    )
    path = tmp_path / "l.csv"
    path.write_text(text.format(cell="4"))
    table = read_pose_csv(path, Content.LABELS, ALL)
    assert (table.frame, table.individual) == (("a.png", "b.png", "b.png"), ("ann", "ann", "bob"))
    assert table.place(2).endswith("l.csv, line 6")
    path.write_text(text.format(cell="four"))
    with pytest.raises(PoseError, match="'four' is not a number") as caught:
        read_pose_csv(path, Content.LABELS, ALL)
    assert caught.value.where.endswith("line 6, column 5 (bob nose y)")


def test_keypoints_that_exist_once_in_the_scene_have_columns_of_their_own(tmp_path):
    table = table_of(
        [[1, 2, NAN, NAN], [3, 4, NAN, NAN], [NAN, NAN, 5, 6]],
        ("a.png",) * 3,
        ("nose", "corner"),
        individual=("ann", "bob", "single"),
    )
    write_pose_csv(table, tmp_path / "l.csv", path_columns=1)
    frame = pandas.read_csv(tmp_path / "l.csv", header=[0, 1, 2, 3], index_col=0)
    assert list(frame.columns.droplevel(0)) == [
        ("ann", "nose", "x"), ("ann", "nose", "y"), ("bob", "nose", "x"), ("bob", "nose", "y"),
        ("single", "corner", "x"), ("single", "corner", "y"),
    ]  # fmt: skip
    assert_same(read_pose_csv(tmp_path / "l.csv", Content.LABELS, ALL), table)


def test_pandas_frames_of_one_and_of_several_animals():
    frame = to_pandas(MICE)
    assert frame.columns.names == ["scorer", "individuals", "bodyparts", "coords"]
    assert_same(from_pandas(frame, animals=ALL), MICE)
    one = table_of([[1, 2, 3, 4]], ("a.png",), confidence=np.ones((1, 2)), split=("train",))
    assert to_pandas(one).columns.nlevels == 3
    assert_same(from_pandas(to_pandas(one)), one)
