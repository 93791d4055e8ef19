"""Prediction tables come back exactly, in the layout that other tools read."""

import numpy as np
import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lp_core.errors import PoseError
from lp_core.poses import Content, PoseTable, Skeleton, read_pose_csv, write_pose_csv
from lp_io.predictions import (
    scorer_name,
)


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


SMALL = predicted(
    names=("nose", "tail"),
    points=np.array([[[1.5, 2], [0.1, 4]], [[5, np.nan], [7, 8]]], dtype=np.float32),
    confidence=np.array([[0.9, 1], [1e-7, np.nan]], dtype=np.float32),
    frame=("labeled-data/a/img1.png", "labeled-data/b, c/img2.png"),
    split=("train", "unused"),
    scorer=scorer_name("heatmap"),
)
TEXT = """\
scorer,heatmap_tracker,heatmap_tracker,heatmap_tracker,heatmap_tracker,heatmap_tracker,heatmap_tracker,set
bodyparts,nose,nose,nose,tail,tail,tail,
coords,x,y,likelihood,x,y,likelihood,
labeled-data/a/img1.png,1.5,2.0,0.9,0.1,4.0,1.0,train
"labeled-data/b, c/img2.png",5.0,,1e-07,7.0,8.0,,unused
"""
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=9)
numbers = st.floats(width=32, allow_infinity=False)


@st.composite
def tables(draw):
    keypoint_names = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    rows = draw(st.integers(0, 5))
    size = (rows, len(keypoint_names))
    with_paths = draw(st.booleans())
    paths = names.filter(lambda text: not (text.isascii() and text.isdigit()))
    return predicted(
        names=tuple(keypoint_names),
        points=draw(arrays.arrays(np.float32, (*size, 2), elements=numbers)),
        confidence=draw(arrays.arrays(np.float32, size, elements=numbers)),
        frame=tuple(draw(st.lists(paths, min_size=rows, max_size=rows)))
        if with_paths
        else tuple(range(rows)),
        split=draw(st.none() | st.lists(names, min_size=rows, max_size=rows).map(tuple)),
        scorer=draw(names),
    )


def assert_same(one, other, kind=np.float32):
    assert one.keypoint_names == other.keypoint_names
    assert one.scorer == other.scorer
    assert (one.frame, one.split) == (other.frame, other.split)
    np.testing.assert_array_equal(one.points.astype(kind), other.points.astype(kind))
    np.testing.assert_array_equal(one.confidence.astype(kind), other.confidence.astype(kind))


@settings(deadline=None, max_examples=150)
@given(table=tables())
def test_a_table_comes_back_exactly(table, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "table.csv"
    write_pose_csv(table, path)
    assert_same(table, read_pose_csv(path, Content.PREDICTIONS))


@settings(deadline=None, max_examples=100)
@given(values=arrays.arrays(np.float64, (2, 1, 2), elements=st.floats(allow_infinity=False)))
def test_double_precision_comes_back_exactly(values, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "double.csv"
    table = predicted(("nose",), values, values[..., 0], (0, 1))
    write_pose_csv(table, path)
    assert_same(table, read_pose_csv(path, Content.PREDICTIONS), np.float64)


def test_the_layout_byte_by_byte(tmp_path):
    write_pose_csv(SMALL, tmp_path / "new" / "predictions.csv")
    assert (tmp_path / "new" / "predictions.csv").read_bytes().decode() == TEXT
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["predictions.csv"]


def test_pandas_reads_it_as_other_tools_do(tmp_path):
    write_pose_csv(SMALL, tmp_path / "p.csv")
    frame = pandas.read_csv(tmp_path / "p.csv", header=[0, 1, 2], index_col=0)
    assert list(frame.index) == list(SMALL.frame)
    assert frame[("heatmap_tracker", "tail", "x")].tolist() == [0.1, 7.0]
    assert frame["set"].iloc[:, 0].tolist() == ["train", "unused"]


def test_what_pandas_writes_is_read(tmp_path):
    columns = pandas.MultiIndex.from_product(
        [["DLC_resnet50"], ["nose", "tail"], ["x", "y", "likelihood"]],
        names=["scorer", "bodyparts", "coords"],
    )
    values = np.array([[1, 2, 0.5, 3, 4, np.nan], [5, 6, 1, 7, 8, 0.25]])
    pandas.DataFrame(values, columns=columns).to_csv(tmp_path / "dlc.csv")
    table = read_pose_csv(tmp_path / "dlc.csv", Content.PREDICTIONS)
    assert (table.scorer, table.frame, table.split) == ("DLC_resnet50", (0, 1), None)
    np.testing.assert_array_equal(table.points[1], [[5, 6], [7, 8]])
    np.testing.assert_array_equal(table.confidence, [[0.5, np.nan], [1, 0.25]])


def test_numbers_are_as_short_as_can_be(tmp_path):
    values = np.array([[[0.1, 123.456]], [[1 / 3, 16777216]]], dtype=np.float32)
    table = predicted(("a",), values, np.ones((2, 1), dtype=np.float32), (0, 1))
    write_pose_csv(table, tmp_path / "p.csv")
    assert (tmp_path / "p.csv").read_text().splitlines()[3:] == [
        "0,0.1,123.456,1.0",
        "1,0.33333334,16777216.0,1.0",
    ]


@pytest.mark.parametrize(
    ("text", "problem", "place"),
    [
        ("", "table of predictions is empty", "p.csv"),
        ("x,y\n1,2\n", "'scorer' is missing: this line begins with 'x'", "line 1"),
        (
            TEXT.replace("nose,tail", "nose,nose"),
            "'nose' has two columns 'x': 2 and 5",
            "line 2, column 5",
        ),
        (TEXT.replace("bodyparts,", "individuals,"), "'bodyparts' is missing", "line 3"),
        (TEXT.replace("likelihood,x", "like,x"), "coordinate 'like'", "line 3, column 4 (nose)"),
        (TEXT.replace("0.9", "O.9"), "'O.9' is not a number", "line 4, column 4 (nose likelihood)"),
        (TEXT[:-20], "the row has 4 cells", "line 5"),
        ('scorer,"a\n', "cannot be parsed", "line 1"),
        (
            "scorer,a,a\nbodyparts,n,n\ncoords,x,y\ni,1,2\n",
            "'n' has no column 'likelihood'",
            "line 3, column 2 (n)",
        ),
    ],
)
def test_what_is_no_prediction_table_is_refused(tmp_path, text, problem, place):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(PoseError, match=problem) as caught:
        read_pose_csv(tmp_path / "p.csv", Content.PREDICTIONS)
    assert caught.value.where.endswith(place)


def test_what_a_spreadsheet_adds_to_a_table_is_no_column(tmp_path):
    lines = TEXT.replace(",set\n", "\n").replace("tail,\n", "tail\n").replace("hood,\n", "hood\n")
    lines = lines.replace(",train", "").replace(",unused", "").splitlines()
    (tmp_path / "p.csv").write_text("".join(f"{line},,\n" for line in lines))
    table = read_pose_csv(tmp_path / "p.csv", Content.PREDICTIONS)
    np.testing.assert_array_equal(table.points.astype(np.float32), SMALL.points)
    (tmp_path / "p.csv").write_text("".join(f"{line},,9\n" for line in lines[3:]))
    text = "".join(f"{line},,\n" for line in lines[:3]) + f"{lines[3]},,9\n"
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(PoseError, match="the row has 9 cells, the header 7") as caught:
        read_pose_csv(tmp_path / "p.csv", Content.PREDICTIONS)
    assert "header" in caught.value.remedy


def test_a_table_that_pandas_has_saved_again_keeps_its_sets(tmp_path):
    write_pose_csv(SMALL, tmp_path / "p.csv")
    frame = pandas.read_csv(tmp_path / "p.csv", header=[0, 1, 2], index_col=0)
    frame.to_csv(tmp_path / "again.csv")
    assert "Unnamed: 7_level_1" in (tmp_path / "again.csv").read_text()
    assert_same(read_pose_csv(tmp_path / "again.csv", Content.PREDICTIONS), SMALL)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "p.csv").write_bytes(b"scorer,\xff\xfe\n")
    with pytest.raises(PoseError, match="UTF-8"):
        read_pose_csv(tmp_path / "p.csv", Content.PREDICTIONS)
    with pytest.raises(PoseError, match="there is no such table"):
        read_pose_csv(tmp_path / "missing.csv", Content.PREDICTIONS)


def test_sizes_must_agree():
    with pytest.raises(PoseError, match="do not go with"):
        predicted(("a", "b"), np.zeros((2, 1, 2)), np.zeros((2, 1)), (0, 1))
