"""Every format keeps every row: several animals, tracked or not, of several cameras, any names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from lp_core.image_source import ImageSource
from lp_core.poses import (
    Animals,
    Content,
    PoseTable,
    Skeleton,
    concatenate,
    read_pose_csv,
    write_pose_csv,
)
from lp_core.poses.interchange import from_pandas, from_xarray, to_pandas, to_xarray
from lp_io.predictions import read_predictions, write_predictions
from lp_io.projects import LabeledImages
from lp_io.projects.coco import read_coco_labels
from lp_io.projects.deeplabcut import read_deeplabcut_project
from lp_io.projects.deeplabcut_writing import write_deeplabcut_project
from lp_io.projects.sleap import read_sleap_labels, write_sleap_labels
from lp_io.tables.coco import write_coco

SEVERAL = Animals(several=True)
SUFFIXES = [".csv", ".h5", ".parquet", ".json", ".slp", ".nc"]
names = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Z")), min_size=1, max_size=5
).filter(lambda text: not text.startswith("untracked_") and text != "single")
numbers = st.floats(-1e5, 1e5, width=32)
round_trips = settings(
    deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@st.composite
def tables(draw, *, labels=False):
    """Rows of tracked and untracked animals, and frames without any; in the order of the frames."""
    skeleton = Skeleton(tuple(draw(st.lists(names, min_size=1, max_size=3, unique=True))))
    known = draw(st.lists(names, min_size=1, max_size=3, unique=True))
    rows: list[tuple[int, str | None, bool]] = []
    for frame in sorted(draw(st.sets(st.integers(0, 99999), min_size=1, max_size=4))):
        tracked = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
        untracked: list[str | None] = [None] * draw(st.integers(0, 2))
        rows += [(frame, name, True) for name in (*sorted(tracked, key=known.index), *untracked)]
        if not tracked and not untracked:
            rows.append((frame, None, False))
    size = (len(rows), len(skeleton))
    points = draw(arrays.arrays(np.float32, (*size, 2), elements=numbers))
    missing = draw(arrays.arrays(np.bool_, size))
    missing[:, 0] = False  # a row of an animal has something in it
    missing[[not there for *_, there in rows]] = True
    points[missing] = np.nan
    individual = tuple(name for _, name, _ in rows)
    frames = tuple(frame for frame, *_ in rows)
    one = not any(individual) and len(set(frames)) == len(frames)
    table = PoseTable(skeleton, points, frames, individual=None if one else individual)
    if not labels:
        scores = draw(arrays.arrays(np.float32, size, elements=st.floats(0, 1, width=32)))
        return replace(table, confidence=np.where(missing, np.float32(np.nan), scores))
    images = tuple(f"labeled-data/größe 尾/img{frame:05d}.png" for frame in frames)
    return replace(table, points=points.astype(np.float64), frame=images)


def content(table):
    """What a table holds, whatever the order of the rows of a frame and of the keypoints."""
    order = np.argsort(table.keypoint_names)
    confidence = np.zeros(0) if table.confidence is None else table.confidence[:, order]
    rows = [
        (
            table.frame[row],
            None if table.view is None else table.view[row],
            None if table.individual is None else table.individual[row],
            np.float32(table.points[row, order]).tobytes(),
            np.float32(confidence[row] if len(confidence) else []).tobytes(),
        )
        for row in range(len(table))
    ]
    return sorted(table.keypoint_names), sorted(rows, key=repr)


@pytest.mark.parametrize("suffix", SUFFIXES)
@round_trips
@given(table=tables())
def test_predictions_of_several_animals_lose_and_invent_no_row(suffix, table, tmp_path_factory):
    """F39: tracked, untracked and mixed rows survive every format."""
    path = tmp_path_factory.getbasetemp() / f"several{suffix}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lp_io.untrusted.probe.check_readable", lambda path: None)
        assert write_predictions(table, path) == []
        back = read_predictions(path, several=True)
    assert content(back) == content(table)
    assert tuple(dict.fromkeys(back.frame)) == tuple(dict.fromkeys(table.frame))


@round_trips
@given(table=tables())
def test_predictions_in_memory_formats(table):
    assert content(from_pandas(to_pandas(table), animals=SEVERAL)) == content(table)
    assert content(from_xarray(to_xarray(table), SEVERAL)) == content(table)


@round_trips
@given(parts=st.lists(tables(), min_size=2, max_size=2), cut=st.integers(0, 3))
def test_each_view_has_a_file_and_an_absent_view_stays_absent(parts, cut, tmp_path_factory):
    folder = tmp_path_factory.mktemp("views")
    top = replace(parts[0], view=("top",) * len(parts[0]))
    side = replace(parts[0], view=("side",) * len(parts[0])).rows(slice(cut, None))
    assume(len(side) and content(side)[1])
    whole = concatenate([top, side])
    back = []
    for view in ("top", "side"):
        table = whole.rows(np.flatnonzero(np.array(whole.view) == view))
        write_pose_csv(table, folder / f"{view}.csv")
        read = read_pose_csv(folder / f"{view}.csv", Content.PREDICTIONS, SEVERAL)
        back.append(replace(read, view=(view,) * len(read)))
    assert content(concatenate(back)) == content(whole)


@round_trips
@given(table=tables(labels=True), stated=st.booleans(), data=st.data())
def test_labels_of_several_animals_in_csv(table, stated, data, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "labels.csv"
    if stated and table.individual is None:
        hidden = data.draw(arrays.arrays(np.bool_, table.codes.shape))
        table = replace(table, visibility=np.where(hidden, np.minimum(table.codes, 1), table.codes))
    write_pose_csv(table, path)
    back = read_pose_csv(path, Content.LABELS, SEVERAL)
    assert content(back) == content(table)
    np.testing.assert_array_equal(np.sort(back.codes, axis=None), np.sort(table.codes, axis=None))


@round_trips
@given(table=tables(labels=True))
def test_labels_of_several_animals_in_projects(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("projects")
    images = tuple(ImageSource(name) for name in dict.fromkeys(table.frame))
    labels = LabeledImages(replace(table, scorer="ann"), images)
    write_coco(labels.table, folder / "l.json")
    assert content(read_coco_labels(folder / "l.json", empty=True).table) == content(table)
    write_sleap_labels(labels, folder / "l.slp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lp_io.untrusted.probe.check_readable", lambda path: None)
        assert content(read_sleap_labels(folder / "l.slp", empty=True).table) == content(table)
    write_deeplabcut_project(labels, folder / "d", task="t", final=folder / "d")
    for _ in ("csv", "h5"):  # the CSV file is read where it is there
        assert content(read_deeplabcut_project(folder / "d", empty=True).table) == content(table)
        for file in (folder / "d").rglob("*.csv"):
            file.unlink()
