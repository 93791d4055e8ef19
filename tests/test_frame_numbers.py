"""Rows of a table of predictions belong to the frames that their numbers name, in every command."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter

FRAMES, SIZE = 12, (96, 128)


@pytest.fixture
def desk(tmp_path):
    """A grey video, and predictions of a point that walks to the right and leaps in frame 8."""
    with VideoWriter(tmp_path / "v.mp4", fps=Fraction(10), size=SIZE) as writer:
        for _ in range(FRAMES):
            writer.write(np.full((*SIZE, 3), 128, np.uint8))
    x = 10.0 + 5 * np.arange(FRAMES)
    x[8] += 40
    columns = [("lp", "nose", coord) for coord in ("x", "y", "likelihood")]
    columns = pd.MultiIndex.from_tuples(columns, names=["scorer", "bodyparts", "coords"])
    table = pd.DataFrame(np.stack([x, 0 * x + 48, 0 * x + 1], 1), columns=columns)
    table.to_csv(tmp_path / "right.csv")
    return tmp_path, table


def pixels(path):
    with open_video(path) as source:
        return source.read(0, len(source)).astype(int)


def render(litpose, folder, table):
    outcome = litpose("render", folder / "v.mp4", folder / table, "-o", folder / f"{table}.mp4")
    return outcome, folder / f"{table}.mp4"


@pytest.fixture
def drawn(litpose, desk):
    """The labelled video of the right table."""
    return pixels(render(litpose, desk[0], "right.csv")[1])


def test_rows_in_any_order_are_drawn_on_their_own_frames(litpose, desk, drawn):
    folder, table = desk
    table.iloc[::-1].to_csv(folder / "reversed.csv")
    np.testing.assert_array_equal(pixels(render(litpose, folder, "reversed.csv")[1]), drawn)


@pytest.mark.parametrize("suffix", [".h5", ".parquet", ".nc"])
def test_every_format_that_is_read_is_drawn(litpose, desk, drawn, suffix):
    folder, _ = desk
    assert litpose("convert", folder / "right.csv", folder / f"p{suffix}").code == 0
    outcome, path = render(litpose, folder, f"p{suffix}")
    assert outcome.code == 0, outcome.err
    np.testing.assert_array_equal(pixels(path), drawn)


@pytest.mark.parametrize("missing", [[7], [0, 1, 2], [11]])
def test_frames_without_a_row_are_drawn_bare_and_named(litpose, desk, drawn, missing):
    folder, table = desk
    table.drop(index=missing).to_csv(folder / "hole.csv")
    outcome, path = render(litpose, folder, "hole.csv")
    assert outcome.code == 0, outcome.err
    assert f"{len(missing)} of {FRAMES} frames have no row" in outcome.out
    difference = np.abs(pixels(path) - drawn).max(axis=(1, 2, 3)) > 60
    assert np.flatnonzero(difference).tolist() == missing


@pytest.mark.parametrize(
    ("index", "told"),
    [
        (range(1, FRAMES + 1), f"outside the video of {FRAMES} frames: {FRAMES}"),
        (range(5, FRAMES + 5), "outside the video of 12 frames: 12 to 16"),
        ([0, *range(FRAMES - 1)], "frame numbers repeat: 0"),
    ],
)
def test_numbers_that_the_video_does_not_have_are_told(litpose, desk, index, told):
    folder, table = desk
    table.set_axis(index).to_csv(folder / "wrong.csv")
    outcome, path = render(litpose, folder, "wrong.csv")
    outliers = litpose("outliers", folder, folder / "v.mp4", "--predictions", folder / "wrong.csv")
    for ended in (outcome, outliers):
        assert ended.code == 2
        assert told in ended.err
    assert not path.exists()


def test_outliers_are_told_by_their_frames(litpose, desk):
    folder, table = desk
    table.drop(index=[3]).iloc[::-1].to_csv(folder / "mixed.csv")
    video = folder / "v.mp4"
    arguments = ("--predictions", folder / "mixed.csv", "--count", 1, "--length", 3, "-o", folder)
    outcome = litpose("outliers", folder, video, *arguments)
    assert outcome.code == 0, outcome.err
    assert "1 of 12 frames have no row" in outcome.out
    found = pd.read_csv(folder / "outliers.csv")
    assert list(found[found.metric == "temporal_norm"].frame) == [8]


@pytest.mark.parametrize("suffix", [".csv", ".nc", ".slp"])
def test_conversions_order_rows_by_their_numbers(litpose, desk, suffix):
    folder, table = desk
    table.drop(index=[3]).iloc[::-1].to_csv(folder / "mixed.csv")
    assert litpose("convert", folder / "mixed.csv", folder / f"p{suffix}").code == 0
    assert litpose("convert", folder / f"p{suffix}", folder / "back.csv", "--overwrite").code == 0
    back = pd.read_csv(folder / "back.csv", header=[0, 1, 2], index_col=0)
    np.testing.assert_allclose(back.to_numpy(), table.drop(index=[3]).to_numpy())
    assert list(back.index) == list(table.drop(index=[3]).index)
    table.set_axis([0, *range(FRAMES - 1)]).to_csv(folder / "twice.csv")
    outcome = litpose("convert", folder / "twice.csv", folder / f"q{suffix}")
    assert outcome.code == 2
    assert "frame numbers repeat: 0" in outcome.err
