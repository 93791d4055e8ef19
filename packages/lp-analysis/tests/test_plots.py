"""Training logs as they are read, and plots that show what they are given."""

from __future__ import annotations

import io

import numpy as np
import pytest
from matplotlib import rcParams
from PIL import Image

from lp_analysis.errors import EvaluationError
from lp_analysis.figures.plots import error_figure, write_error_plot
from lp_analysis.figures.theme import DARK, png
from lp_analysis.metrics.curves import Curve, read_training_curves
from lp_core.errors import LPError

LOG = """epoch,step,train_supervised_loss,val_supervised_loss,total_loss
0,4,8.0,,8.5
0,9,6.0,,
0,9,,7.0,
1,14,3.0,,
1,19,1.0,,
1,19,,4.0,
"""


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "metrics.csv"
    path.write_text(LOG)
    return path


def test_log_gives_each_quantity_at_the_steps_where_it_was_logged(log):
    curves = read_training_curves(log)
    group = curves.group("supervised_loss")
    assert list(group) == ["train", "val"]
    np.testing.assert_array_equal(group["train"].steps, [4, 9, 14, 19])
    np.testing.assert_array_equal(group["val"].values, [7.0, 4.0])
    assert curves.quantities == ("supervised_loss",)
    assert "total_loss" in curves.curves


def test_training_loss_is_averaged_within_each_epoch(log):
    train = read_training_curves(log).group("supervised_loss")["train"].per_epoch()
    np.testing.assert_array_equal(train.values, [7.0, 2.0])
    np.testing.assert_array_equal(train.steps, [9, 19])


def test_curve_without_epochs_is_left_as_it_is():
    nan = np.full(3, np.nan)
    curve = Curve(np.arange(3.0), nan, np.arange(3.0))
    assert curve.per_epoch() is curve


def test_log_of_a_killed_training_is_read_up_to_its_last_whole_line(log):
    log.write_text(LOG + "2,24,0.5")
    train = read_training_curves(log).group("supervised_loss")["train"]
    assert train.steps[-1] == 19


def test_a_log_of_nothing_has_no_curves(log):
    log.write_text("")
    assert not read_training_curves(log).group("supervised_loss")


@pytest.mark.parametrize("content", [None, "a,b\n1,2\n"])
def test_what_is_no_log_is_refused_with_its_place(tmp_path, content):
    path = tmp_path / "metrics.csv"
    if content is not None:
        path.write_text(content)
    with pytest.raises(LPError, match=r"metrics\.csv"):
        read_training_curves(path)


def _axes(figure, title):
    return next(axes for axes in figure.axes if axes.get_title(loc="left") == title)


@pytest.fixture
def errors():
    values = np.random.default_rng(0).gamma(2, 3, (12, 2))
    values[0, 0] = np.nan
    return values


SETS = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
NAMES = ["nose", "$tail_{x}$"]


def test_error_plot_shows_every_known_error_at_its_value(errors):
    axes = _axes(error_figure(errors, NAMES, SETS), "Error per keypoint")
    shown = np.concatenate([c.get_offsets()[:, 0] for c in axes.collections[::2]])
    np.testing.assert_allclose(np.sort(shown), np.sort(errors[np.isfinite(errors)]))
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES
    assert "px" in axes.get_xlabel()


def test_long_names_leave_room_for_the_errors(errors):
    figure = error_figure(errors, ["nose", "x" * 500], SETS)
    png(figure, dpi=40)
    assert _axes(figure, "Error per keypoint").get_position().width > 0.3


def test_points_of_a_keypoint_stay_within_its_row(errors):
    axes = _axes(error_figure(errors, NAMES, SETS), "Error per keypoint")
    for points in axes.collections[::2]:
        distance = np.abs(points.get_offsets()[:, 1] - np.round(points.get_offsets()[:, 1]))
        assert distance.max() < 0.5


def test_median_bars_stand_at_the_medians(errors):
    axes = _axes(error_figure(errors, NAMES, SETS), "Error per keypoint")
    bars = [segment[0, 0] for segment in axes.collections[1].get_segments()]
    np.testing.assert_allclose(bars, np.nanmedian(errors[:8], axis=0))


def test_cumulative_curve_reaches_one_half_at_the_median():
    errors = np.arange(1.0, 101.0).reshape(50, 2)
    axes = _axes(error_figure(errors, NAMES, ["test"] * 50), "Cumulative error")
    x, share = axes.lines[0].get_data()
    assert np.max(share[np.asarray(x) <= 50.5]) == pytest.approx(0.5)
    assert axes.get_legend().get_texts()[0].get_text() == "test, 50.5 px"


def test_training_curves_are_drawn_only_where_they_were_logged(errors, log, tmp_path):
    curves = read_training_curves(log)
    assert len(error_figure(errors, NAMES, SETS, curves=curves).axes) == 3
    log.write_text("epoch,step,lr\n0,1,0.1\n")
    empty = read_training_curves(log)
    assert len(error_figure(errors, NAMES, SETS, curves=empty).axes) == 2


def test_error_plot_is_a_picture_and_touches_no_global_state(errors, tmp_path):
    before = dict(rcParams)
    path = tmp_path / "error_plot.png"
    write_error_plot(path, errors, NAMES, SETS, title="costs $5 and \\frac{")
    with Image.open(path) as picture:
        assert picture.width > 1000
        assert len(picture.convert("L").getcolors()) > 50
    assert dict(rcParams) == before
    assert [p.name for p in tmp_path.iterdir()] == ["error_plot.png"]


@pytest.mark.parametrize(
    "errors", [np.zeros((3, 2)), np.full((3, 2), np.nan), np.zeros((0, 2)), np.full((3, 2), 1e9)]
)
def test_error_plot_of_perfect_missing_or_absurd_errors_is_still_drawn(errors):
    picture = png(error_figure(errors, NAMES, ["train"] * len(errors), theme=DARK), dpi=40)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.getpixel((0, 0))[:3] == (0x16, 0x19, 0x1D)


def test_error_plot_that_cannot_be_written_says_so(errors, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match="cannot be written"):
        write_error_plot(tmp_path / "file" / "plot.png", errors, NAMES, SETS)
