"""Tables of anybody's tracker, smoothed: what noise is taken, what is written, what is refused."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.linalg import solveh_banded

from lp_analysis.confidence.calibration import fit_calibration
from lp_analysis.errors import SmoothingError, TriangulationError
from lp_analysis.metrics.metric_files import metric_path, read_metric_file
from lp_analysis.smoothing import Outputs, SmoothingOptions, smooth_tables
from lp_analysis.smoothing.noise import by_confidence, centre_and_variance, shrunk
from lp_analysis.smoothing.source import by_view
from lp_analysis.smoothing.storage import FrameArray
from lp_analysis.smoothing.views import fit_views
from lp_analysis.smoothing.writing import near_observations
from lp_core.errors import LPError
from lp_core.poses import PoseTable, Skeleton
from lp_core.poses.columns import SMOOTHED
from lp_io.predictions import read_predictions, write_predictions
from lp_io.predictions.smoothed import smoothed_writer

NAMES = ("nose", "tail")


def walk(frames, keypoints=2, seed=0):
    random = np.random.default_rng(seed)
    return 200 + np.cumsum(random.normal(0, 1, (frames, keypoints, 2)), axis=0)


def table(path, points, names=NAMES, *, confidence=0.9, frame=None, individual=None):
    rows = PoseTable(
        Skeleton(names),
        points,
        tuple(range(len(points))) if frame is None else frame,
        confidence=np.broadcast_to(confidence, points.shape[:2]).astype(float).copy(),
        individual=individual,
    )
    write_predictions(rows, path)
    return path


def noisy(truth, sd, seed):
    return truth + np.random.default_rng(seed).normal(0, sd, truth.shape)


def smooth(tables, output, **options):
    nine = options.pop("nine_columns", False)
    tables = {"": [tables]} if not isinstance(tables, (list, dict)) else tables
    tables = {"": tables} if isinstance(tables, list) else tables
    return smooth_tables(tables, Outputs({"": output}, nine), SmoothingOptions(**options))


def error(points, truth):
    return float(np.sqrt(np.nanmean((points - truth) ** 2)))


def test_a_table_is_smoothed_and_says_how_sure_it_is(tmp_path):
    truth = walk(1500)
    points = noisy(truth, 2.0, 7)
    points[700:710, 1] = np.nan
    source = table(tmp_path / "raw.csv", points)
    before = source.read_bytes()
    done = smooth(source, tmp_path / "out.csv")
    found = read_predictions(tmp_path / "out.csv")
    assert found.frame == tuple(range(1500))
    assert error(found.points, truth) < 0.65 * error(points, truth)
    deviation = read_metric_file(metric_path(tmp_path / "out.csv", "posterior_sd"))
    inside = np.linalg.norm(found.points - truth, axis=-1) < deviation.values * np.sqrt(
        2 * np.log(10)
    )
    assert inside.mean() == pytest.approx(0.9, abs=0.03)
    assert deviation.values[705, 1] > deviation.values[650, 1]
    assert [one.name for one in done.keypoints] == list(NAMES)
    assert done.keypoints[0].noise == pytest.approx(2.0, rel=0.15)
    assert source.read_bytes() == before


@pytest.mark.parametrize("frames", [200, 17_000])
def test_the_formula_of_a_random_walk_with_given_smoothness(tmp_path, frames):
    """The posterior of ensemble-kalman-smoother's one camera, from one large linear system."""
    T, s = frames, 10.0
    random = np.random.default_rng(3)
    medians, variance = noisy(walk(T, 1), 1.0, 1), random.uniform(0.2, 3, (T, 1, 2))
    values = np.full((T, 1, 1, 9), np.nan)
    values[:, 0, :, 2], values[:, 0, :, 3:5], values[:, 0, :, 5:7] = 0.9, medians, variance
    given = tmp_path / "given.csv"
    with smoothed_writer(given, ("nose",), (), scorer="x", coords=SMOOTHED) as append:
        append(range(T), values)
    smooth(given, tmp_path / "out.csv", smoothness=s, gate=None, nine_columns=True)
    found = read_predictions(tmp_path / "out.csv")
    for axis in range(2):
        y, v = medians[:, 0, axis], variance[:, 0, axis]
        bands = np.zeros((2, T))  # of the precision: the diagonal, and what is above it
        bands[1] = 1 / v
        bands[1, 1:] += 1 / s
        bands[1, :-1] += 1 / s
        bands[0, 1:] = -1 / s
        bands[1, 0] += 1 / y.var()
        vector = y / v
        vector[0] += y.mean() / y.var()
        assert np.allclose(found.points[:, 0, axis], solveh_banded(bands, vector), atol=1e-3)
        few = np.linspace(0, T - 1, 20).astype(int)
        covariance = solveh_banded(bands, (np.arange(T)[:, None] == few).astype(float))[
            few, range(20)
        ]
        assert np.allclose(found.covariance[few, 0, axis, axis], covariance, rtol=1e-3)


def test_nine_columns_are_read_back(tmp_path):
    """What was smoothed, with its noise, so that smoothing it again gives the same."""
    members = [table(tmp_path / f"{n}.csv", noisy(walk(600), 1.0, n)) for n in range(1, 4)]
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    smooth(members, first, smoothness=1.0, nine_columns=True)
    header = first.read_text().splitlines()[2].split(",")
    assert header[1:10] == list(SMOOTHED)  # fault 69: columns of points were exchanged
    smooth(first, second, smoothness=1.0, nine_columns=True)
    one, two = read_predictions(first), read_predictions(second)
    assert np.allclose(one.points, two.points, atol=1e-3)
    assert np.allclose(one.covariance, two.covariance, rtol=1e-3, atol=1e-4)
    assert np.allclose(one.confidence, 0.9, atol=1e-6)


def test_the_posterior_variance_means_the_same_in_every_layout(tmp_path):
    """Fault 74: variances held the noise in one output, and not in another."""
    source = table(tmp_path / "raw.csv", noisy(walk(600), 1.0, 1))
    smooth(source, tmp_path / "plain.csv")
    smooth(source, tmp_path / "nine.csv", nine_columns=True)
    deviation = read_metric_file(metric_path(tmp_path / "plain.csv", "posterior_sd")).values
    covariance = read_predictions(tmp_path / "nine.csv").covariance
    mean = np.diagonal(covariance, axis1=-2, axis2=-1).mean(axis=-1)
    assert np.allclose(deviation, np.sqrt(mean), atol=1e-5)


def test_no_confidence_is_divided_by():
    """Faults 71 and 77: a confidence of 0 made the noise infinite."""
    found = by_confidence(np.array([0.0, 0.5, 1.0, np.nan]))
    assert np.isfinite(found).all()
    assert found[0] > 1000
    assert found[2] == found[3] == 1


def test_members_that_agree_by_chance_are_not_believed_blindly():
    """Fault 77: identical members made the smoother lock on to them, whatever they had before."""
    random = np.random.default_rng(0)
    members = random.normal(0, 2, (2, 1000, 1, 1, 2))
    members[1, 500] = members[0, 500]
    points, variance, count = centre_and_variance(members)
    assert variance[500].max() == 0
    assert variance.mean() == pytest.approx(4.0, rel=0.1)  # unbiased, with two members
    assert np.allclose(points, members.mean(axis=0))
    noise = shrunk(variance, count, np.full((1, 1), 4.0))
    assert noise[500].min() > 3
    members[0, 7] = np.nan
    points, variance, count = centre_and_variance(members)
    assert np.allclose(points[7], members[1, 7])
    assert np.isfinite(shrunk(variance, count, np.full((1, 1), 4.0))).all()


def _wild(shape, random):
    """Likelihoods, and errors that are mostly small where they are high, and often wild elsewhere.

    Errors last for 50 frames, so that no smoother averages them out.
    """
    count = -(-shape[0] // 50)
    sure = random.random((count, *shape[1:])) < 0.7
    wild = random.random(sure.shape) < np.where(sure, 0.02, 0.4)
    off = random.normal(0, 1, (*sure.shape, 2)) * np.where(wild, 25.0, 1.5)[..., None]
    likelihood = np.where(sure, random.uniform(0.9, 0.99, sure.shape), 0.3)
    return (part.repeat(50, axis=0)[: shape[0]] for part in (likelihood, off))


def test_the_90_percent_region_of_a_calibrated_tracker_holds_90_percent(tmp_path):
    """Also of unsure keypoints, whose errors have heavy tails."""
    random = np.random.default_rng(4)
    likelihood, off = (part[::50] for part in _wild((60_000, 2), random))
    calibration = fit_calibration(likelihood, np.linalg.norm(off, axis=-1), 4.0)
    truth = walk(6000)
    likelihood, off = _wild(truth.shape[:2], random)
    source = table(tmp_path / "t.csv", truth + off, confidence=likelihood)
    said = {"confidence_calibration": calibration.to_dict()}
    (tmp_path / "t_source.json").write_text(json.dumps(said))
    smooth(source, tmp_path / "out.csv", nine_columns=True, gate=None)
    found = read_predictions(tmp_path / "out.csv")
    square = ((found.points - truth) ** 2).sum(axis=-1)
    square /= np.trace(found.covariance, axis1=-2, axis2=-1) / 2
    for some in (likelihood > 0.8, likelihood < 0.8):
        assert 0.85 < np.mean(square[some] < 2 * np.log(10)) < 0.98


def test_what_does_not_change_between_frames_is_not_averaged_out(tmp_path):
    """Members that are all off by much of the same for long say less than they seem to."""
    truth, random = walk(2000), np.random.default_rng(5)
    drift = np.cumsum(random.normal(0, 0.1, (3, 2000, 2, 2)), axis=1)
    drift -= drift.mean(axis=1, keepdims=True)
    members = [table(tmp_path / f"{n}.csv", noisy(truth + drift[n], 0.3, n)) for n in range(3)]
    smooth(members, tmp_path / "out.csv", nine_columns=True)
    found = read_predictions(tmp_path / "out.csv")
    variance = np.diagonal(found.covariance, axis1=-2, axis2=-1)
    square = ((found.points - truth) ** 2 / variance).sum(axis=-1)
    assert np.mean(square < 2 * np.log(10)) > 0.8


def test_individuals_are_smoothed_each_by_itself(tmp_path):
    truth = np.stack([walk(400, seed=1), walk(400, seed=2) + 300], axis=1)
    points = noisy(truth, 1.0, 3)
    rows = points.reshape(800, 2, 2)
    names = ("anna", "bert") * 400
    frame = tuple(np.repeat(np.arange(400), 2).tolist())
    kept = np.array([not (name == "bert" and 100 <= f < 200) for name, f in zip(names, frame)])  # noqa: B905
    source = table(
        tmp_path / "two.csv",
        rows[kept],
        frame=tuple(np.array(frame)[kept].tolist()),
        individual=tuple(np.array(names)[kept].tolist()),
    )
    done = smooth(source, tmp_path / "out.csv")
    assert done.keypoints[0].name == "anna nose"
    found = read_predictions(tmp_path / "out.csv", several=True)
    for animal, name in enumerate(("anna", "bert")):
        own = [row for row, said in enumerate(found.individual) if said == name]
        numbers = [found.frame[row] for row in own]
        assert error(found.points[own], truth[numbers, animal]) < 1.0
        assert len(own) == (400 if name == "anna" else 300)  # no animal where none was for long
    assert read_metric_file(metric_path(tmp_path / "out.csv", "posterior_sd")).keypoint_names == (
        "anna nose", "anna tail", "bert nose", "bert tail",
    )  # fmt: skip


def test_rows_without_a_track_are_left_out_which_is_said(tmp_path):
    points = noisy(np.stack([walk(60, seed=1), walk(60, seed=2) + 300], axis=1), 1.0, 3)
    rows, frame = points.reshape(120, 2, 2), tuple(np.repeat(np.arange(60), 2).tolist())
    source = table(tmp_path / "two.csv", rows, frame=frame, individual=("anna", None) * 60)
    done = smooth(source, tmp_path / "out.csv")
    assert "rows that belong to no individual are left out" in done.told
    assert set(read_predictions(tmp_path / "out.csv", several=True).individual) == {"anna"}
    nobody = table(tmp_path / "none.csv", rows, frame=frame, individual=(None, None) * 60)
    with pytest.raises(TriangulationError, match="no row of this table belongs to an individual"):
        smooth(nobody, tmp_path / "out2.csv")


def test_a_filled_gap_has_the_confidence_0(tmp_path):
    points = noisy(walk(60), 1.0, 1)
    points[20:25] = np.nan
    smooth(table(tmp_path / "gap.csv", points), tmp_path / "out.csv")
    found = read_predictions(tmp_path / "out.csv")
    assert np.isfinite(found.points).all()
    assert (found.confidence[20:25] == 0).all()
    assert np.allclose(found.confidence[:20], 0.9, atol=1e-6)


def test_frames_keep_their_numbers(tmp_path):
    """Fault 90: the index was dropped, so that results could not be joined back."""
    points = noisy(walk(50), 1.0, 1)
    numbers = tuple(range(10, 60))[::-1]
    source = table(tmp_path / "late.csv", points[::-1], frame=numbers)
    smooth(source, tmp_path / "out.csv")
    found = read_predictions(tmp_path / "out.csv")
    assert found.frame == tuple(range(60))
    assert np.isnan(found.points[:10]).all()
    assert error(found.points[10:], points) < 1.5


def test_only_short_gaps_are_filled():
    observed = FrameArray(12, (1,), bool, False)
    seen = np.array([0, 1, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0], bool)[:, None]
    observed.write(0, seen)
    near = near_observations(observed, 2).read(0, 12)[:, 0]
    assert near.astype(int).tolist() == [0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 0]


def views_of_one_body(frames=800, seed=0):
    random = np.random.default_rng(seed)
    space = np.cumsum(random.normal(0, 1, (frames, 3)), axis=0)
    maps = random.normal(size=(3, 2, 3))
    return 200 + np.einsum("vai,fi->fva", maps, space)


def test_mirrored_views_help_each_other(tmp_path):
    """Faults 78 and 87: a constant confidence left no frame to learn from, and names were cut at
    their first underscore; here the parts are paw_left and nose.
    """
    seen = views_of_one_body()
    other = walk(800, 1)[:, 0]
    truth = np.stack([seen[:, 0], seen[:, 1], seen[:, 2], other], axis=1)
    names = ("paw_left_top", "paw_left_bottom", "paw_left_side", "nose")
    points = noisy(truth, 0.5, 1)
    points[300:320, 1] = np.nan
    source = table(tmp_path / "mirrors.csv", points, names)
    alone, together = tmp_path / "alone.csv", tmp_path / "together.csv"
    smooth(source, alone)
    smooth_tables({"": [source]}, Outputs({"": together}), mirrors=("top", "bottom", "side"))
    found = read_predictions(together)
    assert found.keypoint_names == names
    gap = slice(300, 320)
    lost = error(read_predictions(alone).points[gap, 1], truth[gap, 1])
    assert error(found.points[gap, 1], truth[gap, 1]) < min(1.0, lost / 2)
    assert error(found.points, truth) < error(points, truth)


def test_views_may_differ_in_length(tmp_path):
    """Fault 72: frames that one camera lacked were dropped from all."""
    seen = noisy(views_of_one_body(300), 0.5, 1)
    tables = {
        "b": [table(tmp_path / "b.csv", seen[:250, :1], ("nose",))],
        "a": [table(tmp_path / "a.csv", seen[:, 1:2], ("nose",))],
    }
    paths = {view: tmp_path / f"{view}_smoothed.csv" for view in tables}
    smooth_tables(tables, Outputs(paths))
    for view, number in (("b", 0), ("a", 1)):
        found = read_predictions(paths[view])
        assert len(found) == 300
        assert error(found.points[:250, 0], seen[:250, number]) < 1.5


def test_few_components_are_no_error():
    """Fault 75: other than three components were an index error; here a keypoint has one view."""
    points = np.full((200, 2, 2, 2), np.nan)
    points[:, 0] = np.random.default_rng(0).normal(size=(200, 2, 2))
    points[:, 1, 1] = np.random.default_rng(1).normal(size=(200, 2))
    views = fit_views(points, ["both", "one"])
    assert (views.loadings[0, :, :, 1] == 0).all()
    assert np.abs(views.loadings[1, :, :2, 1]).max() > 0


def test_views_that_are_never_seen_together_are_named():
    points = np.zeros((200, 1, 2, 2))
    points[:100, 0, 0] = points[100:, 0, 1] = np.nan
    with pytest.raises(SmoothingError, match="see 'nose' together in 0 of"):
        fit_views(points, ["nose"])


def test_tables_that_do_not_go_together_are_named(tmp_path):
    """Faults 84 to 86: an index error, a broadcasting error, or files ignored without a word."""
    one = table(tmp_path / "one.csv", walk(50))
    short = table(tmp_path / "short.csv", walk(40))
    other = table(tmp_path / "other.csv", walk(50), ("nose", "ear"))
    empty = tmp_path / "empty.csv"
    empty.write_text("\n".join(one.read_text().splitlines()[:3]) + "\n")
    for tables, said in (
        ([one, short], "different numbers of frames: 50 in .*one.csv, 40 in .*short.csv"),
        ([one, other], "other keypoints than one.csv: ear, tail"),
        ([empty], "a header, but no rows"),
    ):
        with pytest.raises(LPError, match=said):
            smooth(tables, tmp_path / "out.csv")
    with pytest.raises(LPError, match="this is a folder"):
        smooth(tmp_path, tmp_path / "out.csv")
    with pytest.raises(SmoothingError, match="cannot be smoothed into itself"):
        smooth(one, one)
    images = table(tmp_path / "images.csv", walk(3), frame=("a/1.png", "a/2.png", "a/9.png"))
    with pytest.raises(LPError, match="of images"):
        smooth(images, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_views_are_told_by_the_end_of_names(tmp_path):
    """Fault 83: cam1 also took the tables of cam10."""
    paths = [tmp_path / name for name in ("a_cam1.csv", "a_cam10.csv", "b_cam10.csv")]
    assert by_view(paths, [], ("cam1", "cam10")) == {"cam1": paths[:1], "cam10": paths[1:]}
    with pytest.raises(SmoothingError, match="ends in no view"):
        by_view(paths, [], ("cam2",))
    with pytest.raises(SmoothingError, match="no table"):
        by_view([], [], None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"smoothness": 0.0}, "smoothness must be above 0"),
        ({"gate": float("nan")}, "gate must be above 0"),
        ({"max_gap": -1}, "max_gap must be at least 0"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(SmoothingError, match=said):
        SmoothingOptions(**options)


MEASURE = """
import sys
from pathlib import Path
from lp_analysis.smoothing import Outputs, smooth_tables
def run(table):
    smooth_tables({"": [Path(table)]}, Outputs({"": Path(table + ".out.csv")}))
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
short, long = map(run, sys.argv[1:])
print(long - short)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_memory_does_not_grow_with_the_length(tmp_path):
    """Fault 93: dense matrices of all frames at once."""
    short = table(tmp_path / "short.csv", noisy(walk(40_000, 8), 1.0, 1), tuple("abcdefgh"))
    text = short.read_text().splitlines()
    long = tmp_path / "long.csv"
    with long.open("w") as file:
        file.writelines(f"{line}\n" for line in text[:3])
        for number in range(100_000):
            cells = text[3 + number % 40_000].split(",", 1)[1]
            file.write(f"{number},{cells}\n")
    command = [sys.executable, "-c", MEASURE, str(short), str(long)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ)
    assert int(done.stdout) < 40_000  # KiB; the numbers of the long table alone are 20 MB more
