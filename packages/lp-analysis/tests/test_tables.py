"""Tables of errors: what they say, and the files that other programs read."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.metric_files import (
    MetricTable,
    metric_file,
    metric_path,
    read_metric_file,
    write_metric_file,
)
from lp_analysis.metrics.summary import PixelErrorSummary, write_pixel_error_summary
from lp_analysis.terminal_tables import pixel_error_table
from lp_core.errors import LPError

NAMES = ("nose", "tail")


@pytest.fixture
def summary():
    errors = np.array([[1.0, 10.0], [2.0, np.nan], [6.0, np.nan], [100.0, np.nan]])
    return PixelErrorSummary.from_errors(errors, NAMES, ["train", "train", "train", "test"])


def _printed(table, width=100):
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(table)
    return console.file.getvalue()


def test_summary_separates_splits_and_keypoints_and_skips_missing_points(summary):
    nose, tail = summary.per_keypoint["train"]
    assert (nose.mean, nose.median, nose.count) == (3.0, 2.0, 3)
    assert nose.percentile_90 == pytest.approx(5.2)
    assert (tail.mean, tail.count) == (10.0, 1)
    assert summary.overall["train"].mean == pytest.approx(19 / 4)
    assert summary.overall["test"].count == 1
    assert np.isnan(summary.per_keypoint["test"][1].mean)
    assert summary.frames == {"train": 3, "test": 1}


def test_splits_come_in_the_order_of_training_whatever_the_order_of_rows():
    sets = ["extra", "unused", "test", "validation", "train"]
    summary = PixelErrorSummary.from_errors(np.ones((5, 2)), NAMES, sets)
    assert summary.splits == ("train", "validation", "test", "unused", "extra")


def test_summary_refuses_sizes_that_disagree():
    with pytest.raises(EvaluationError, match="3 rows and 2 keypoint names"):
        PixelErrorSummary.from_errors(np.ones((4, 2)), NAMES, ["train"] * 3)


def test_terminal_table_tells_each_number_and_a_dash_for_what_is_unknown(summary):
    text = _printed(pixel_error_table(summary))
    nose = next(line.split() for line in text.splitlines() if "nose" in line)
    assert nose == ["nose", "3.00", "2.00", "5.20", "100.0", "100.0", "100.0"]
    tail = next(line.split() for line in text.splitlines() if "tail" in line)
    assert tail == ["tail", "10.00", "10.00", "10.00", "–", "–", "–"]
    assert "frame px" in text
    assert ["labelled", "points", "4", "1"] in [line.split() for line in text.splitlines()]


def test_terminal_table_of_three_splits_fits_a_terminal_of_80_columns():
    sets = ["train", "validation", "test"]
    summary = PixelErrorSummary.from_errors(np.full((3, 2), 123.456), NAMES, sets)
    text = _printed(pixel_error_table(summary), width=80)
    assert "…" not in text
    assert text.count("123.5") == 9 * 3


@pytest.mark.parametrize(("error", "shown"), [(99.994, "99.99"), (99.996, "100.0"), (1234, "1234")])
def test_numbers_of_any_size_fit_beside_long_names(error, shown):
    names = ("ear_left_bottom_of_view_2", "nose")
    sets = ["train", "validation", "test"]
    summary = PixelErrorSummary.from_errors(np.full((3, 2), float(error)), names, sets)
    text = _printed(pixel_error_table(summary), width=80)
    assert "…" not in text
    assert text.count(shown) == 9 * 3


def test_terminal_table_shows_hostile_names_as_they_are():
    summary = PixelErrorSummary.from_errors(np.ones((1, 1)), ["[red]paw[/red]"], ["[b]x"])
    text = _printed(pixel_error_table(summary))
    assert "[red]paw[/red]" in text
    assert "[b]x" in text


def test_summary_file_has_a_line_per_split_and_keypoint(summary, tmp_path):
    write_pixel_error_summary(summary, tmp_path / "summary.csv")
    table = pd.read_csv(tmp_path / "summary.csv")
    assert list(table.columns) == ["set", "keypoint", "mean", "median", "percentile_90", "count"]
    assert len(table) == 2 * 3
    row = table[(table["set"] == "train") & (table["keypoint"] == "nose")].iloc[0]
    assert (row["mean"], row["count"]) == (3.0, 3)


def test_pixel_error_file_is_what_a_reader_of_lightning_pose_expects(tmp_path):
    path = metric_path(tmp_path / "predictions.csv", "pixel_error")
    assert path.name == "predictions_pixel_error.csv"
    images = ["labeled-data/v/img1.png", "labeled-data/v/img2.png"]
    values = np.array([[1.5, np.nan], [0.25, 3.0]])
    write_metric_file(MetricTable(NAMES, tuple(images), values, ("train", "test")), path)
    table = pd.read_csv(path, index_col=0)
    assert list(table.columns) == ["nose", "tail", "set"]
    assert list(table.index) == images
    assert list(table["set"]) == ["train", "test"]
    np.testing.assert_array_equal(table[["nose", "tail"]].to_numpy(float), values)


def test_metric_file_of_a_video_numbers_its_frames_across_chunks(tmp_path):
    path = tmp_path / "video_temporal_norm.csv"
    with metric_file(path, NAMES) as rows:
        rows.append(np.array([[np.nan, np.nan], [1.0, 2.0]]))
        rows.append(np.zeros((0, 2)))
        rows.append(np.array([[3.0, 4.0]], np.float32))
    assert path.read_text() == ",nose,tail\n0,,\n1,1.0,2.0\n2,3.0,4.0\n"


def _write_half(path):
    with metric_file(path, NAMES) as rows:
        rows.append(np.ones((1, 2)))
        raise KeyboardInterrupt


def test_interrupted_metric_file_leaves_the_old_one_and_nothing_beside_it(tmp_path):
    path = tmp_path / "video_temporal_norm.csv"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt):
        _write_half(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_metric_file_that_cannot_be_written_tells_where(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(EvaluationError, match="cannot be written") as caught,
        metric_file(tmp_path / "file" / "x.csv", NAMES),
    ):
        pass
    assert "x.csv" in str(caught.value)


@pytest.mark.parametrize(
    "append",
    [
        {"values": np.ones((2, 3))},
        {"values": np.ones((2, 2)), "index": ["a"]},
        {"values": np.ones((2, 2)), "sets": ["train", "test"]},
    ],
)
def test_metric_file_refuses_rows_that_do_not_fit(tmp_path, append):
    with pytest.raises(EvaluationError), metric_file(tmp_path / "x.csv", NAMES) as rows:
        rows.append(**append)
    assert list(tmp_path.iterdir()) == []


_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)
_name = _text | st.just("set")  # a keypoint may have the name of the last column
_value = st.floats(0, 1e6).map(lambda v: round(v, 6)) | st.just(float("nan"))


@settings(deadline=None, max_examples=40)
@given(data=st.data(), with_set=st.booleans())
def test_metric_file_round_trip(tmp_path_factory, data, with_set):
    rows, columns = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3))
    names = tuple(data.draw(_name) for _ in range(columns))
    index = tuple(data.draw(_text) for _ in range(rows))
    values = np.array([[data.draw(_value) for _ in names] for _ in index]).reshape(rows, columns)
    sets = tuple(data.draw(st.sampled_from(["train", "test"])) for _ in index) if with_set else None
    path = tmp_path_factory.mktemp("metric") / "m.csv"
    write_metric_file(MetricTable(names, index, values, sets), path)
    table = read_metric_file(path)
    assert (table.keypoint_names, table.index, table.sets) == (names, index, sets)
    np.testing.assert_array_equal(table.values, values)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "empty"),
        (",nose\n0,1.0,2.0\n", "line 2"),
        (",nose\n0,1.0\n1,far\n", "line 3, column 2 (nose)"),
        (None, "there is no such metric file"),
    ],
)
def test_reading_what_is_no_metric_file_tells_the_place(tmp_path, content, message):
    path = tmp_path / "m.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LPError) as caught:
        read_metric_file(path)
    assert message in str(caught.value)
