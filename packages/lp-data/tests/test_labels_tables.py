"""Label tables survive a round trip, and join and split without mixing anything up."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lp_core.errors import PoseError
from lp_core.poses import MissingPolicy, PoseTable, Skeleton, write_pose_csv
from lp_data.labels import join_tables, read_label_files, read_labels

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=8
)


@st.composite
def tables(draw):
    images = draw(
        st.lists(
            st.text("abc ,\"'é-_", min_size=1, max_size=8).map(
                lambda stem: f"d/{stem.strip()}1.png"
            ),
            min_size=1,
            max_size=5,
            unique=True,
        )
    )
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    size = (len(images), len(names))
    number = st.floats(allow_nan=False, allow_infinity=False)
    keypoints = draw(arrays(np.float64, (*size, 2), elements=number))
    visibility = draw(arrays(np.int8, size, elements=st.integers(0, 2)))
    bare = draw(arrays(np.bool_, size)) & (visibility == 1)
    keypoints[(visibility == 0) | bare] = np.nan
    return PoseTable(
        Skeleton(tuple(names)), keypoints, tuple(images), visibility=visibility, scorer="ann"
    )


@settings(deadline=None, max_examples=60)
@given(table=tables())
def test_written_and_read_back(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("labels") / "labels.csv"
    write_pose_csv(table, path)
    back = read_labels(path, require_labels=False)
    assert back.image_paths == table.image_paths
    assert back.keypoint_names == table.keypoint_names
    assert back.scorer == table.scorer
    np.testing.assert_array_equal(back.points, table.points)
    np.testing.assert_array_equal(back.codes, table.codes)


ODD = st.text(
    st.sampled_from(
        "ab \t\u00a0\u3000\"'[](){}<>,;:#%$\\/-_.äé\u0301尾🐭\r\n\u2028\ufeff=+@|&*?!~^`0"
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=100)
@given(
    names=st.lists(ODD, min_size=1, max_size=4, unique=True),
    scorer=ODD,
    stems=st.lists(ODD, min_size=1, max_size=4, unique=True),
)
def test_what_is_read_of_a_file_with_odd_names_is_written_and_read_alike(
    tmp_path_factory, names, scorer, stems
):
    folder = tmp_path_factory.mktemp("odd")
    with (folder / "a.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        columns = [name for name in names for _ in "xy"]
        writer.writerow(["scorer", *[scorer] * len(columns)])
        writer.writerow(["bodyparts", *columns])
        writer.writerow(["coords", *["x", "y"] * len(names)])
        for place, stem in enumerate(stems):
            writer.writerow([f"d/{stem}{place}.png", *[place] * len(columns)])
    try:
        once = read_labels(folder / "a.csv")
    except PoseError:  # two names that differ in blanks only, a name of two lines
        return
    write_pose_csv(once, folder / "b.csv")
    again = read_labels(folder / "b.csv")
    assert again.keypoint_names == once.keypoint_names
    assert (again.scorer, again.image_paths) == (once.scorer, once.image_paths)
    np.testing.assert_array_equal(again.points, once.points)
    write_pose_csv(again, folder / "c.csv")
    assert (folder / "b.csv").read_bytes() == (folder / "c.csv").read_bytes()


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "labels.csv"
    good = PoseTable(Skeleton(("n",)), np.ones((1, 1, 2)), ("a.png",))
    write_pose_csv(good, path)
    before = path.read_bytes()
    bad = PoseTable(Skeleton(("n",)), np.ones((1, 1, 2)), ("b\ud800.png",))
    with pytest.raises(UnicodeEncodeError):
        write_pose_csv(bad, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def table_of(images, names, values, origin=""):
    keypoints = np.array(values, dtype=np.float64).reshape(len(images), len(names), 2)
    read_from = tuple(f"{origin}:{image}" for image in images) if origin else None
    return PoseTable(
        Skeleton(tuple(names)), keypoints, tuple(images), scorer="ann", read_from=read_from
    )


def test_join_has_the_union_of_the_keypoints():
    first = table_of(["a.png"], ["nose", "tail"], [[1, 1], [2, 2]])
    second = table_of(["b.png"], ["ear", "nose"], [[3, 3], [4, 4]])
    joined = join_tables([first, second])
    assert joined.image_paths == ("a.png", "b.png")
    assert joined.keypoint_names == ("nose", "tail", "ear")
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(joined.points, [[[1, 1], [2, 2], nan], [[4, 4], nan, [3, 3]]])
    np.testing.assert_array_equal(joined.codes, [[2, 2, 0], [2, 0, 2]])


def test_join_merges_an_image_labelled_in_two_files():
    nan = [np.nan, np.nan]
    first = table_of(["a.png", "b.png"], ["nose", "tail"], [[1, 1], nan, nan, [5, 5]])
    second = table_of(["b.png", "a.png"], ["tail", "nose"], [[5, 5], [6, 6], [7, 7], nan])
    joined = join_tables([first, second])
    assert joined.image_paths == ("a.png", "b.png")
    np.testing.assert_array_equal(joined.points, [[[1, 1], [7, 7]], [[6, 6], [5, 5]]])


def test_join_refuses_contradiction_naming_both_rows():
    first = table_of(["a.png"], ["nose"], [[1, 1]], origin="one.csv")
    second = table_of(["b.png", "a.png"], ["nose"], [[1, 1], [1, 2]], origin="two.csv")
    with pytest.raises(PoseError) as caught:
        join_tables([first, second])
    for word in ["'nose'", "one.csv:a.png", "two.csv:a.png"]:
        assert word in str(caught.value)


def test_files_are_joined_in_order(tmp_path):
    for name, image in (("one", "b.png"), ("two", "a.png")):
        write_pose_csv(table_of([image], ["nose"], [[1, 2]]), tmp_path / f"{name}.csv")
    joined = read_label_files([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert joined.image_paths == ("b.png", "a.png")
    with pytest.raises(PoseError, match="no label file"):
        read_label_files([])


def test_subset_and_selection_keep_rows_together():
    table = table_of(["a", "b", "c"], ["nose", "tail"], np.arange(12), origin="f")
    part = table.rows([2, 0])
    assert part.image_paths == ("c", "a")
    assert part.place(0) == "f:c"
    np.testing.assert_array_equal(part.points, table.points[[2, 0]])
    tail = table.select_keypoints(["tail"])
    np.testing.assert_array_equal(tail.points, table.points[:, 1:])
    with pytest.raises(PoseError, match=r"(?s)nosse.*did you mean 'nose'"):
        table.select_keypoints(["nosse"])


def test_a_table_tells_whether_its_file_states_visibility(tmp_path):
    plain, stated = tmp_path / "plain.csv", tmp_path / "stated.csv"
    plain.write_text("scorer,a,a\nbodyparts,nose,nose\ncoords,x,y\n1.png,1,2\n2.png,,\n3.png,4,5\n")
    stated.write_text(
        "scorer,a,a,a\nbodyparts,nose,nose,nose\ncoords,x,y,visible\n1.png,1,2,2\n2.png,,,0\n"
    )
    assert read_labels(plain).visibility is None
    assert read_labels(stated).visibility is not None
    occluded = read_label_files([plain], missing=MissingPolicy.OCCLUDED)
    assert occluded.codes[:, 0].tolist() == [2, 1, 2]
    stays = read_label_files([stated], missing=MissingPolicy.OCCLUDED)
    assert stays.codes[:, 0].tolist() == [2, 0]
    write_pose_csv(read_labels(stated), tmp_path / "again.csv")
    assert read_labels(tmp_path / "again.csv").visibility is not None
