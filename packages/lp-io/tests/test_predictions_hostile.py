"""Files that are damaged, hostile or of another kind are refused, and execute nothing."""

from contextlib import suppress

import h5py
import numpy as np
import pandas
import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from lp_core.errors import PoseError
from lp_core.poses import PoseTable, Skeleton
from lp_io.errors import MissingExtraError
from lp_io.predictions import FORMATS, read_predictions, write_predictions


def predicted(names, points, confidence, frame, split=None, scorer="tracker"):
    return PoseTable(
        Skeleton(tuple(names)), points, frame, confidence=confidence, split=split, scorer=scorer
    )


SUFFIXES = [known.suffixes[0] for known in FORMATS]
POSITIONS = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
TABLE = predicted(
    names=("nose", "Schwanz, größer", "尾"),
    points=POSITIONS,
    confidence=POSITIONS[..., 0] / 12,
    frame=("labeled-data/a/img1.png", "labeled-data/b, c/img2.png"),
    split=("train", "unused"),
)


@pytest.fixture
def impatient(monkeypatch):
    """Lets the process that reads a file first compute for two seconds only."""
    monkeypatch.setattr("lp_io.untrusted.probe._CPU_SECONDS", 2)


def deeplabcut_frame():
    levels = [["DLC"], ["nose", "tail"], ["x", "y", "likelihood"]]
    columns = pandas.MultiIndex.from_product(levels, names=["scorer", "bodyparts", "coords"])
    return pandas.DataFrame(np.ones((2, 6)), columns=columns)


def test_an_unknown_ending_lists_the_known_ones(tmp_path):
    with pytest.raises(PoseError, match=r"'\.xlsx' is not an ending") as caught:
        write_predictions(TABLE, tmp_path / "p.xlsx")
    assert all(suffix in caught.value.remedy for suffix in SUFFIXES)
    with pytest.raises(PoseError, match="no format 'parket'") as caught:
        read_predictions(tmp_path / "p", "parket")
    assert "did you mean 'parquet'" in caught.value.remedy


@pytest.mark.parametrize(
    ("suffix", "module", "extra"),
    [
        (".h5", "h5py", "h5"),
        (".parquet", "pyarrow", "parquet"),
        (".slp", "sleap_io", "sleap"),
        (".nc", "xarray", "movement"),
    ],
)
def test_a_missing_library_names_its_extra(suffix, module, extra, tmp_path, monkeypatch):
    write_predictions(TABLE, tmp_path / f"p{suffix}")
    monkeypatch.setitem(__import__("sys").modules, module, None)
    for attempt in (
        lambda: read_predictions(tmp_path / f"p{suffix}"),
        lambda: write_predictions(TABLE, tmp_path / f"other{suffix}"),
    ):
        with pytest.raises(MissingExtraError) as caught:
            attempt()
        assert f"lp-io[{extra}]" in caught.value.remedy
    assert not (tmp_path / f"other{suffix}").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.usefixtures("impatient")
@settings(
    deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_read(suffix, data, tmp_path_factory):
    base = tmp_path_factory.getbasetemp()
    whole, damaged = base / f"whole{suffix}", base / f"damaged{suffix}"
    if not whole.exists():
        write_predictions(TABLE, whole)
    content = bytearray(whole.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        for _ in range(data.draw(st.integers(1, 8))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    damaged.write_bytes(content)
    with suppress(PoseError):
        read_predictions(damaged)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_another_file_under_the_name_is_refused(suffix, tmp_path):
    for content in (b"", b"\x80\x04cos\nsystem\n.", b"PAR1", b"\x89HDF\r\n\x1a\n", b"{}"):
        (tmp_path / f"p{suffix}").write_bytes(content)
        with pytest.raises(PoseError):
            read_predictions(tmp_path / f"p{suffix}")
    with pytest.raises(PoseError, match="there is no such"):
        read_predictions(tmp_path / f"missing{suffix}")


def test_a_table_whose_columns_are_pickled_is_refused_with_a_remedy(tmp_path):
    path = tmp_path / "p.h5"
    deeplabcut_frame().to_hdf(path, key="df_with_missing", format="table", mode="w")
    with h5py.File(path, "r+") as file:
        node = file["df_with_missing/table"]
        call = f"cos\nmkdir\n(V{tmp_path / 'run'}\ntR.".encode()
        del node.attrs["values_block_0_kind"]
        node.attrs["values_block_0_kind"] = np.bytes_(call)
    with pytest.raises(PoseError, match="not opened") as caught:
        read_predictions(path)
    assert "format='fixed'" in caught.value.remedy
    assert "to_csv" in caught.value.remedy
    assert not (tmp_path / "run").exists()


def test_pickled_objects_in_an_h5_are_refused(tmp_path):
    """F41: no pickle is read."""
    frame = deeplabcut_frame()
    frame[("extra", "", "")] = ["train", "test"]
    frame = frame.astype({("extra", "", ""): object})
    frame.to_hdf(tmp_path / "p.h5", key="df_with_missing", mode="w")
    with pytest.raises(PoseError, match="pickled objects"):
        read_predictions(tmp_path / "p.h5")


def test_an_h5_that_points_at_another_file_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(96))
    write_predictions(TABLE, tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5", "r+") as file:
        group = file["df_with_missing"]
        del group["block0_values"]
        group.create_dataset(
            "block0_values", (2, 9), "f4", external=[(str(tmp_path / "secret"), 0, 72)]
        )
    with pytest.raises(PoseError, match="another file"):
        read_predictions(tmp_path / "p.h5")


def test_an_h5_that_claims_more_than_it_stores_is_refused(tmp_path):
    write_predictions(TABLE, tmp_path / "p.h5")
    with h5py.File(tmp_path / "p.h5", "r+") as file:
        del file["df_with_missing/block0_values"]
        file["df_with_missing"].create_dataset("block0_values", (10**8, 9), "f4", chunks=(1000, 9))
    with pytest.raises(PoseError, match="far more than are stored"):
        read_predictions(tmp_path / "p.h5")


@pytest.mark.parametrize("suffix", [".nc", ".slp"])
def test_groups_of_which_each_has_two_names_are_refused_at_once(suffix, tmp_path):
    path = tmp_path / f"p{suffix}"
    write_predictions(TABLE, path)
    with h5py.File(path, "r+") as file:
        group = file.create_group("deep")
        for _ in range(60):  # 2^60 paths
            group["two"] = group.create_group("one")
            group = group["one"]
    with pytest.raises(PoseError, match="another name of a group"):
        read_predictions(path)


@pytest.mark.parametrize("place", ["row names", "sets"])
def test_a_parquet_file_in_which_one_long_text_stands_for_many_rows_is_refused(tmp_path, place):
    write_predictions(TABLE, tmp_path / "p.parquet")
    table = parquet.read_table(tmp_path / "p.parquet").slice(0, 1)
    many = pyarrow.concat_tables([table] * 3000).to_pydict()
    name = "__index_level_0__" if place == "row names" else "('set', '', '')"
    many[name] = ["x" * 500_000] * 3000
    long = pyarrow.table(many).replace_schema_metadata(table.schema.metadata)
    parquet.write_table(long, tmp_path / "p.parquet", compression="zstd")
    assert (tmp_path / "p.parquet").stat().st_size < 50_000
    with pytest.raises(PoseError, match="more than the file can hold"):
        read_predictions(tmp_path / "p.parquet")


def test_a_parquet_column_of_lists_is_refused(tmp_path):
    columns = {repr(("s", "n", name)): [[1.0]] for name in ("x", "y", "likelihood")}
    parquet.write_table(pyarrow.table(columns), tmp_path / "p.parquet")
    with pytest.raises(PoseError, match="something else than numbers"):
        read_predictions(tmp_path / "p.parquet")


def test_a_file_that_crashes_the_hdf5_library_is_refused(tmp_path):
    crashing = "import ctypes; ctypes.string_at(0)"
    write_predictions(TABLE, tmp_path / "p.slp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lp_io.untrusted.probe._SCRIPT", crashing)
        with pytest.raises(PoseError, match="library fails"):
            read_predictions(tmp_path / "p.slp")
    assert len(read_predictions(tmp_path / "p.slp")) == len(TABLE)


def test_several_animals_are_refused(tmp_path):
    frame = deeplabcut_frame()
    frame.columns = pandas.MultiIndex.from_tuples(
        [("DLC", f"mouse{i // 3}", "nose", coord) for i, (_, _, coord) in enumerate(frame.columns)],
        names=["scorer", "individuals", "bodyparts", "coords"],
    )
    frame.to_hdf(tmp_path / "p.h5", key="df_with_missing", mode="w")
    with pytest.raises(PoseError, match="2 animals"):
        read_predictions(tmp_path / "p.h5")


def test_a_name_that_a_format_cannot_keep_is_refused(tmp_path):
    odd = predicted(("a\0",), np.zeros((1, 1, 2)), np.ones((1, 1)), (0,))
    for suffix in (".h5", ".nc"):
        with pytest.raises(PoseError, match="null character"):
            write_predictions(odd, tmp_path / f"p{suffix}")
    assert not list(tmp_path.iterdir())
