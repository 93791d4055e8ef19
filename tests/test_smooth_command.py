"""``litpose smooth`` takes the tables of anybody's tracker, of one camera or several."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from lp_analysis.smoothing import Outputs, smooth_tables
from lp_core.poses import Visibility
from lp_data.labels import read_labels
from lp_io.points3d import read_points3d
from lp_io.predictions import read_predictions, write_predictions
from lp_pipeline.cli.main import app
from lp_synthetic import SyntheticSettings, generate_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    settings = replace(SyntheticSettings.tiny(2), cameras=3, sessions=1, labeled_frames=2)
    return generate_project(tmp_path_factory.mktemp("cameras") / "project", settings)


def predictions(project, folder, view, ending, seed=0):
    """What a tracker would predict that is off by 1 px, and unsure of what is hidden."""
    random = np.random.default_rng(seed)
    truth = read_labels(project.truth[f"test_{view}"])
    seen = truth.codes == Visibility.VISIBLE
    off = np.where(seen[..., None], 1.0, 6.0) * random.normal(0, 1, truth.points.shape)
    predicted = replace(
        truth,
        points=truth.points + off,
        frame=tuple(map(int, truth.frame)),
        visibility=None,
        confidence=np.where(seen, 0.95, 0.03),
    )
    path = folder / f"test_{view}{ending}"
    write_predictions(predicted, path)
    return path


def error(path, project, view):
    truth = read_labels(project.truth[f"test_{view}"])
    off = read_predictions(path).points - truth.points
    return float(np.sqrt(np.nanmean(off**2)))


def run(*arguments):
    return CliRunner().invoke(app, ["smooth", *map(str, arguments)])


@pytest.mark.parametrize("ending", [".csv", ".h5", ".slp"])
def test_a_table_of_any_format_becomes_a_smoothed_one(project, tmp_path, ending):
    view = project.views[0]
    table = predictions(project, tmp_path, view, ending)
    before = table.read_bytes()
    done = run(table)
    assert done.exit_code == 0, done.output
    assert "the noise is known from the confidences" in done.output
    assert "nose: smoothness" in done.output
    smoothed = tmp_path / f"test_{view}_smoothed.csv"
    assert error(smoothed, project, view) < error(table, project, view)
    assert (tmp_path / f"test_{view}_smoothed_posterior_sd.csv").is_file()
    assert table.read_bytes() == before
    assert "exists already" in str(run(table).exception)


def test_members_of_an_ensemble_are_smoothed_together(project, tmp_path):
    view, members = project.views[0], []
    for seed in range(3):
        (tmp_path / str(seed)).mkdir()
        members.append(predictions(project, tmp_path / str(seed), view, ".csv", seed))
    output = tmp_path / "ensemble.csv"
    done = run(*members, "-o", output, "--nine-columns", "--dynamics", "velocity")
    assert done.exit_code == 0, done.output
    assert "the members of the ensemble" in done.output
    assert error(output, project, view) < error(members[0], project, view)
    assert "x_posterior_var" in output.read_text().splitlines()[2]


def test_the_command_does_what_the_function_does(project, tmp_path, monkeypatch):
    """Faults 81 and 88: defaults that differed, and an output that had to name a folder."""
    table = predictions(project, tmp_path, project.views[0], ".csv")
    monkeypatch.chdir(tmp_path)
    assert run(table.name, "-o", "command.csv").exit_code == 0
    smooth_tables({"": [table]}, Outputs({"": tmp_path / "function.csv"}))
    assert Path("command.csv").read_bytes() == Path("function.csv").read_bytes()


def test_calibrated_cameras_are_smoothed_in_space(project, tmp_path):
    tables = [predictions(project, tmp_path, view, ".csv") for view in project.views]
    done = run(*tables, "--rig", project.calibrations["test"], "-o", tmp_path / "out")
    assert done.exit_code == 0, done.output
    for view, table in zip(project.views, tables, strict=True):
        smoothed = tmp_path / "out" / f"test_{view}_smoothed.csv"
        assert error(smoothed, project, view) < 0.6 * error(table, project, view)
    found = read_points3d(tmp_path / "out" / "smoothed_points3d.csv")
    truth = read_points3d(project.truth_3d["test"])
    off = np.linalg.norm(found.table.points - truth.table.points, axis=-1)
    assert np.nanmedian(off) < 5.0  # mm; a pixel is about 4 mm
    assert np.isfinite(found.table.covariance).any()


def test_what_cannot_be_smoothed_is_said_in_a_line(project, tmp_path):
    table = predictions(project, tmp_path, project.views[0], ".csv")
    for arguments, said in (
        ((), "there is no table to smooth"),
        ((table, "-o", table), "exists already"),
        ((table, "-o", table, "--overwrite"), "cannot be smoothed into itself"),
        ((table, "-o", tmp_path / "out.parquet"), "cannot be written here"),
        ((table, "--rig", project.calibrations["test"]), "at least 2 views"),
        ((table, "--mirrors", "top,bottom"), "no keypoint is in two of the views"),
        ((table, table, "--view", f"a={table}"), "some tables are said to be of a view"),
    ):
        done = run(*arguments)
        assert said in str(done.exception), done.output
    assert list(tmp_path.iterdir()) == [table]
