"""Predictions keep names, numbers, gaps and indices in every format, and other tools read them."""

import h5py
import numpy as np
import pandas
import pytest
import sleap_io
import xarray
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from pycocotools.coco import COCO

from lp_core.poses import PoseTable, Skeleton
from lp_io.predictions import (
    FORMATS,
    WriteOptions,
    read_predictions,
    write_predictions,
)


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


SUFFIXES = [known.suffixes[0] for known in FORMATS]
TABLE = predicted(
    names=("nose", "Schwanz, größer", "尾"),
    points=np.array(
        [[[1.5, 2], [0.1, 4], [3, 3]], [[5, 7], [np.nan, np.nan], [0, 0]]], dtype=np.float32
    ),
    confidence=np.array([[0.9, 1, 0], [1e-7, np.nan, 0.25]], dtype=np.float32),
    frame=("labeled-data/a/img1.png", "labeled-data/b, c/img2.png"),
    split=("train", "unused"),
    scorer="heatmap_tracker",
)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=7)
numbers = st.floats(-1e6, 1e6, width=32)
scores = st.floats(0, 1, width=32) | st.just(np.nan)


@st.composite
def tables(draw):
    names = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    rows = draw(st.integers(1, 4))
    size = (rows, len(names))
    keypoints = draw(arrays.arrays(np.float32, (*size, 2), elements=numbers))
    missing = draw(arrays.arrays(np.bool_, size))
    frames = st.lists(st.integers(0, 10**6), min_size=rows, max_size=rows, unique=True).map(sorted)
    paths = texts.filter(lambda text: not (text.isascii() and text.isdigit()))
    index = draw(frames | st.lists(paths, min_size=rows, max_size=rows, unique=True))
    return predicted(
        names=tuple(names),
        points=np.where(missing[..., None], np.float32(np.nan), keypoints),
        confidence=draw(arrays.arrays(np.float32, size, elements=scores)),
        frame=tuple(index),
        split=draw(st.none() | st.lists(texts, min_size=rows, max_size=rows).map(tuple)),
        scorer=draw(texts),
    )


def assert_same(one, other, *, kind=np.float32):
    assert one.keypoint_names == other.keypoint_names
    assert (one.scorer, one.frame, one.split) == (other.scorer, other.frame, other.split)
    np.testing.assert_array_equal(one.points.astype(kind), other.points.astype(kind))
    np.testing.assert_array_equal(one.confidence.astype(kind), other.confidence.astype(kind))


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(table=tables())
def test_a_table_comes_back_exactly(suffix, table, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / f"table{suffix}"
    if suffix == ".slp" and isinstance(table.frame[0], str):
        assume(not any(set(item) & set("\\/") for item in table.frame))  # SLEAP cleans paths
    assert write_predictions(table, path) == []
    assert_same(read_predictions(path), table)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_paths_with_folders_and_odd_names_come_back(suffix, tmp_path):
    path = tmp_path / "new" / f"table{suffix}"
    assert write_predictions(TABLE, path) == []
    assert_same(read_predictions(path), TABLE)
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".csv", ".h5", ".parquet", ".json", ".slp", ".nc"])
def test_half_a_position_is_kept_or_told(suffix, tmp_path):
    half = predicted(("nose",), np.array([[[1.0, np.nan]]]), np.array([[0.5]]), (0,))
    notes = write_predictions(half, tmp_path / f"half{suffix}")
    back = read_predictions(tmp_path / f"half{suffix}")
    kept = np.array_equal(back.points, half.points, equal_nan=True)
    assert kept is not bool(notes)
    assert back.confidence.tolist() == [[0.5]]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_table_without_rows(suffix, tmp_path):
    empty = predicted(("a", "b"), np.zeros((0, 2, 2)), np.zeros((0, 2)), ())
    write_predictions(empty, tmp_path / f"empty{suffix}")
    back = read_predictions(tmp_path / f"empty{suffix}")
    assert (back.keypoint_names, len(back)) == (("a", "b"), 0)


# --- what the neighbours' own libraries read ---


def as_deeplabcut(frame):
    assert frame.columns.names == ["scorer", "bodyparts", "coords"]
    assert list(frame.index) == list(TABLE.frame)
    tracked = frame["heatmap_tracker"]
    for column, name in enumerate(TABLE.keypoint_names):
        expected = np.column_stack([TABLE.points[:, column], TABLE.confidence[:, column]])
        np.testing.assert_array_equal(tracked[name][["x", "y", "likelihood"]], expected)


def test_pandas_reads_our_h5_as_deeplabcut_does(tmp_path):
    write_predictions(TABLE, tmp_path / "p.h5")
    frame = pandas.read_hdf(tmp_path / "p.h5", "df_with_missing")
    as_deeplabcut(frame)
    assert set(frame.dtypes) == {np.dtype(np.float32)}
    as_deeplabcut(pandas.read_hdf(tmp_path / "p.h5"))


def test_our_h5_holds_no_objects(tmp_path):
    """F41: nothing is pickled."""
    write_predictions(TABLE, tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5") as file:
        nodes = []
        file.visititems(lambda name, node: nodes.append(node))
        assert not any(node.dtype.hasobject for node in nodes if isinstance(node, h5py.Dataset))


@settings(deadline=None, max_examples=15)
@given(table=tables())
def test_pandas_reads_any_names_in_our_h5(table, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "odd.h5"
    write_predictions(table, path)
    frame = pandas.read_hdf(path, "df_with_missing")
    assert list(frame.index) == list(table.frame)
    assert tuple(frame.columns.get_level_values(1)[::3]) == table.keypoint_names


def test_pandas_reads_our_parquet(tmp_path):
    write_predictions(TABLE, tmp_path / "p.parquet")
    frame = pandas.read_parquet(tmp_path / "p.parquet")
    assert frame.pop(("set", "", "")).tolist() == ["train", "unused"]
    as_deeplabcut(frame)


def test_pycocotools_reads_our_coco(tmp_path):
    write_predictions(TABLE, tmp_path / "p.json")
    coco = COCO(str(tmp_path / "p.json"))
    assert coco.cats[1]["keypoints"] == list(TABLE.keypoint_names)
    assert [coco.imgs[i]["file_name"] for i in sorted(coco.imgs)] == list(TABLE.frame)
    second = coco.loadAnns(coco.getAnnIds(imgIds=[2]))[0]
    assert second["keypoints"] == [5, 7, 2, 0, 0, 0, 0, 0, 2]
    assert second["num_keypoints"] == 2
    assert second["bbox"] == [0, 0, 5, 7]


def test_sleap_io_reads_our_slp(tmp_path):
    table = predicted(TABLE.keypoint_names, TABLE.points, TABLE.confidence, (3, 40))
    write_predictions(table, tmp_path / "p.slp", options=WriteOptions(video="v/mouse.mp4"))
    labels = sleap_io.load_slp(str(tmp_path / "p.slp"), open_videos=False)
    assert labels.video.filename == "v/mouse.mp4"
    assert [frame.frame_idx for frame in labels] == [3, 40]
    assert labels.skeleton.node_names == list(TABLE.keypoint_names)
    found = labels[1].predicted_instances[0].numpy(scores=True)
    expected = np.column_stack([TABLE.points[1], TABLE.confidence[1]])
    np.testing.assert_array_equal(found.astype(np.float32), expected)


def test_xarray_reads_our_dataset_as_movement_lays_it_out(tmp_path):
    table = predicted(TABLE.keypoint_names, TABLE.points, TABLE.confidence, (0, 3))
    write_predictions(table, tmp_path / "p.nc", options=WriteOptions(fps=30000 / 1001))
    with xarray.open_dataset(tmp_path / "p.nc") as dataset:
        assert dataset.position.dims == ("time", "space", "keypoint", "individual")
        assert dataset.confidence.dims == ("time", "keypoint", "individual")
        assert dataset.position.dtype == np.float32
        assert list(dataset.space.values) == ["x", "y"]
        assert list(dataset.keypoint.values) == list(TABLE.keypoint_names)
        assert dataset.attrs["ds_type"] == "poses"
        assert dataset.attrs["time_unit"] == "seconds"
        np.testing.assert_allclose(dataset.time, [0, 0.1001])
        np.testing.assert_array_equal(
            dataset.position.sel(space="y", individual="id_0"), TABLE.points[..., 1]
        )
    assert read_predictions(tmp_path / "p.nc").frame == (0, 3)


def test_movement_takes_our_dataset(tmp_path):
    datasets = pytest.importorskip("movement.validators.datasets")  # needs Python 3.12
    write_predictions(TABLE, tmp_path / "p.nc")
    with xarray.open_dataset(tmp_path / "p.nc") as dataset:
        datasets.ValidPosesInputs.validate(dataset)


# --- what the neighbours' own libraries write ---


def deeplabcut_frame(index=None, scorer="DLC_resnet50"):
    levels = [[scorer], ["nose", "tail ü"], ["x", "y", "likelihood"]]
    columns = pandas.MultiIndex.from_product(levels, names=["scorer", "bodyparts", "coords"])
    values = np.array([[1, 2, 0.5, 3, 4, np.nan], [5, 6, 1, 7, 8, 0.25]])
    return pandas.DataFrame(values, columns=columns, index=index)


def check_deeplabcut(table, index=(0, 1)):
    assert (table.scorer, table.keypoint_names) == ("DLC_resnet50", ("nose", "tail ü"))
    assert (table.frame, table.split) == (index, None)
    np.testing.assert_array_equal(table.points[1], [[5, 6], [7, 8]])
    np.testing.assert_array_equal(table.confidence, [[0.5, np.nan], [1, 0.25]])


@pytest.mark.parametrize("key", ["df_with_missing", "tracks"])
def test_h5_that_pandas_writes_for_deeplabcut(tmp_path, key):
    """F40: untracked and tracked files have different keys."""
    deeplabcut_frame().to_hdf(tmp_path / "p.h5", key=key, mode="w")
    check_deeplabcut(read_predictions(tmp_path / "p.h5"))


@pytest.mark.parametrize("index", [[("labeled-data", "v", "a.png"), ("labeled-data", "v", "b.png")],
                                   ["labeled-data/v/a.png", "labeled-data/v/b.png"]])  # fmt: skip
def test_h5_with_both_index_styles(tmp_path, index):
    if isinstance(index[0], tuple):
        index = pandas.MultiIndex.from_tuples(index)
    deeplabcut_frame(index).to_hdf(tmp_path / "p.h5", key="df_with_missing", mode="w")
    table = read_predictions(tmp_path / "p.h5")
    check_deeplabcut(table, ("labeled-data/v/a.png", "labeled-data/v/b.png"))


@pytest.mark.parametrize("index", [None, [4, 9], ["a.png", "b.png"]])
def test_parquet_that_pandas_writes(tmp_path, index):
    deeplabcut_frame(index).to_parquet(tmp_path / "p.parquet")
    check_deeplabcut(read_predictions(tmp_path / "p.parquet"), tuple(index or (0, 1)))


def test_slp_that_sleap_io_writes(tmp_path):
    skeleton = sleap_io.Skeleton(["a", "b"])
    video = sleap_io.Video("v.mp4", open_backend=False)
    frames = [
        sleap_io.LabeledFrame(
            video=video,
            frame_idx=number,
            instances=[
                sleap_io.PredictedInstance.from_numpy(
                    np.array([[1.5, 2.5], [np.nan, np.nan]]),
                    skeleton=skeleton,
                    point_scores=np.array([0.5, 0.125]),
                    score=0.3,
                )
            ],
        )
        for number in (11, 2)
    ]
    sleap_io.Labels(frames).save(str(tmp_path / "p.slp"), verbose=False)
    table = read_predictions(tmp_path / "p.slp")
    assert (table.frame, table.keypoint_names) == ((2, 11), ("a", "b"))
    np.testing.assert_array_equal(table.points[0], [[1.5, 2.5], [np.nan, np.nan]])
    np.testing.assert_array_equal(table.confidence[1], [0.5, 0.125])


@pytest.mark.parametrize("plural", ["", "s"])
def test_a_dataset_with_the_dims_of_movement_before_and_after_0_17(tmp_path, plural):
    dims = ("time", "space", f"keypoint{plural}", f"individual{plural}")
    xarray.Dataset(
        {
            "position": (dims, np.arange(4.0).reshape(2, 2, 1, 1)),
            "confidence": ((dims[0], *dims[2:]), np.array([0.5, 1.0]).reshape(2, 1, 1)),
        },
        coords={dims[0]: [0, 0.04], "space": ["x", "y"], dims[2]: ["nose"], dims[3]: ["mouse"]},
        attrs={"fps": 25.0, "time_unit": "seconds", "ds_type": "poses"},
    ).to_netcdf(tmp_path / "p.nc", engine="h5netcdf")
    table = read_predictions(tmp_path / "p.nc")
    assert (table.keypoint_names, table.frame) == (("nose",), (0, 1))
    np.testing.assert_array_equal(table.points[:, 0], [[0, 1], [2, 3]])
    np.testing.assert_array_equal(table.confidence[:, 0], [0.5, 1])
