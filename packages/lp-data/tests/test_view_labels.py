"""Label files of several views become one table, joined by session and frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.errors import PoseError
from lp_core.poses import MissingPolicy, PoseTable, Skeleton, write_pose_csv
from lp_data.errors import SessionError
from lp_data.sessions import ViewNames, join_views, read_view_labels, share_of_views

VIEWS = ViewNames(("cam1", "cam10"))


def images(view, *frames, session="a"):
    return [f"labeled-data/{session}_{view}/img{number:03d}.png" for number in frames]


def table(paths, *, value=0.0, names=("nose", "tail")):
    """Rows whose keypoints are at 1000 · keypoint + frame + value."""
    frames = np.array([int(path[-7:-4]) for path in paths], dtype=float)
    x = 1000 * np.arange(len(names)) + frames[:, None] + value
    return PoseTable(Skeleton(tuple(names)), np.stack([x, x], -1), tuple(paths))


def test_rows_are_joined_by_session_and_frame_whatever_their_order():
    """`multiview_facts` 1 and 9: rows were paired by position, whatever their session."""
    first = table([*images("cam1", 3, 1), *images("cam1", 1, session="b")])
    second = table([*images("cam10", 1, session="b"), *images("cam10", 1, 3)], value=0.5)
    joined = join_views({"cam1": first, "cam10": second}, VIEWS)
    assert joined.view == ("cam1", "cam10") * 3
    assert joined.image_paths == (
        *images("cam1", 3), *images("cam10", 3), *images("cam1", 1), *images("cam10", 1),
        *images("cam1", 1, session="b"), *images("cam10", 1, session="b"),
    )  # fmt: skip
    assert joined.points[:, 0, 0].tolist() == [3, 3.5, 1, 1.5, 1, 1.5]
    moments = VIEWS.moments(joined)
    assert moments[0] == moments[1] == "labeled-data/a/img003.png"
    assert len(set(moments)) == 3


def test_a_view_may_be_absent_from_a_frame():
    tables = {"cam1": table(images("cam1", 1, 2)), "cam10": table(images("cam10", 2))}
    joined = join_views(tables, VIEWS)
    assert joined.view == ("cam1", "cam1", "cam10")
    assert share_of_views(joined, VIEWS) == {2: 1, 1: 1}


@settings(max_examples=30)
@given(
    frames=st.tuples(*[st.lists(st.integers(0, 9), min_size=1, max_size=6, unique=True)] * 2),
)
def test_every_row_keeps_its_labels(frames):
    tables = {
        view: table(images(view, *some), value=0.25 * (number + 1))
        for number, (view, some) in enumerate(zip(VIEWS.names, frames, strict=True))
    }
    joined = join_views(tables, VIEWS)
    assert len(joined) == len(frames[0]) + len(frames[1])
    for row, (path, view) in enumerate(zip(joined.image_paths, joined.view, strict=True)):
        assert joined.points[row, 0, 0] == int(path[-7:-4]) + 0.25 * (VIEWS.names.index(view) + 1)
    moments = VIEWS.moments(joined)
    assert len(set(moments)) == len({*frames[0], *frames[1]})
    assert [moments.index(moment) for moment in moments] == sorted(map(moments.index, moments))


def test_folders_may_hold_the_view_by_itself():
    paths = ["labeled-data/cam1/a/img001.png", "labeled-data/cam10/a/img001.png"]
    tables = {view: table([path]) for view, path in zip(VIEWS.names, paths, strict=True)}
    assert set(VIEWS.moments(join_views(tables, VIEWS))) == {"labeled-data/a/img001.png"}


def test_keypoints_may_stand_in_another_order_but_not_be_others():
    """`multiview_facts` 2: views with other keypoints gave an index error, or none."""
    first = table(images("cam1", 1))
    turned = table(images("cam10", 1)).select_keypoints(["tail", "nose"])
    joined = join_views({"cam1": first, "cam10": turned}, VIEWS)
    assert joined.points[:, :, 0].tolist() == [[1, 1001]] * 2
    for names in (("nose", "tail", "ear"), ("nose",)):
        other = table(images("cam10", 1), names=names)
        with pytest.raises(PoseError, match=r"has the keypoint '(ear|tail)', and the view"):
            join_views({"cam1": first, "cam10": other}, VIEWS)


def test_images_of_another_view_are_refused_with_their_place():
    """`multiview_facts` 3: the message about rows that do not match was not filled in."""
    wrong = table([*images("cam10", 1), *images("cam1", 2)])
    with pytest.raises(SessionError, match="is an image of the view 'cam1', and the") as caught:
        join_views({"cam1": table(images("cam1", 1)), "cam10": wrong}, VIEWS)
    assert "img002" in caught.value.where
    with pytest.raises(SessionError, match=r"no folder of 'v/img001.png' says"):
        join_views({"cam1": table(["v/img001.png"])}, VIEWS)


def test_two_images_of_one_frame_and_view_are_refused():
    paths = ["labeled-data/cam1/a/img001.png", "labeled-data/a_cam1/img001.png"]
    paths[0] = "labeled-data/a/cam1/img001.png"
    with pytest.raises(SessionError, match="the same frame of one view"):
        join_views({"cam1": table(paths)}, VIEWS)


def test_frame_offsets_say_which_images_are_of_one_moment():
    late = ViewNames(VIEWS.names, {("a", "cam10"): 2})
    tables = {"cam1": table(images("cam1", 1, 9)), "cam10": table(images("cam10", 3, 9))}
    joined = join_views(tables, late)
    assert [path[-7:-4] for path in joined.image_paths] == ["001", "003", "009", "009"]
    assert len(set(late.moments(joined))) == 3


def test_files_are_read_with_what_missing_keypoints_teach(tmp_path):
    files = {}
    for view in VIEWS.names:
        points = table(images(view, 1, 2))
        points.points[0, 1] = np.nan
        write_pose_csv(points, files.setdefault(view, tmp_path / f"{view}.csv"))
    read = read_view_labels(files, VIEWS, missing=MissingPolicy.OCCLUDED)
    assert read.codes.tolist() == [[2, 1], [2, 1], [2, 2], [2, 2]]
    empty = table(images("cam1", 1))
    empty.points[:] = np.nan
    write_pose_csv(empty, tmp_path / "empty.csv")
    with pytest.raises(PoseError, match="not a single keypoint"):
        read_view_labels({"cam1": tmp_path / "empty.csv"}, VIEWS)
