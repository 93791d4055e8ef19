"""``litpose triangulate`` takes the tables of anybody's tracker to points in space."""

from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from lp_core.poses import Visibility
from lp_data.labels import read_labels
from lp_io.calibration import read_rig
from lp_io.points3d import read_points3d
from lp_io.predictions import write_predictions
from lp_pipeline.cli.main import app
from lp_synthetic import SyntheticSettings, generate_project


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    settings = replace(SyntheticSettings.tiny(2), cameras=3, sessions=1, labeled_frames=2)
    return generate_project(tmp_path_factory.mktemp("cameras") / "project", settings)


@pytest.fixture(scope="module")
def tables(project, tmp_path_factory):
    """What a tracker would predict that is off by 0.1 px, and unsure of what is hidden."""
    folder, paths = tmp_path_factory.mktemp("predictions"), []
    random = np.random.default_rng(0)
    for view in project.views:
        truth = read_labels(project.truth[f"test_{view}"])
        seen = truth.codes == Visibility.VISIBLE
        off = np.where(seen[..., None], 0.1, 2.0) * random.normal(0, 1, truth.points.shape)
        predicted = replace(
            truth,
            points=truth.points + off,
            frame=tuple(map(int, truth.frame)),
            visibility=None,
            confidence=np.where(seen, 0.95, 0.1),
        )
        paths.append(folder / f"test_{view}.csv")
        write_predictions(predicted, paths[-1])
    return paths


def run(*arguments):
    return CliRunner().invoke(app, ["triangulate", *map(str, arguments)])


def test_points_are_near_the_truth(project, tables):
    done = run(project.calibrations["test"], *tables)
    assert done.exit_code == 0, done.output
    assert "median reprojection error of front:" in done.output
    found = read_points3d(tables[0].with_name("test_points3d.csv"))
    truth = read_points3d(project.truth_3d["test"])
    error = np.linalg.norm(found.table.points - truth.table.points, axis=-1)
    assert np.nanmedian(error) < 2.0  # mm; a pixel is about 4 mm
    assert found.table.keypoint_names == project.keypoint_names


def test_labels_of_a_project_become_points(project, tmp_path):
    output = tmp_path / "labels.csv"
    done = run(project.folder, *project.label_files, "-o", output)
    assert done.exit_code == 0, done.output
    found = read_points3d(output).table
    truth = read_points3d(project.truth_3d["session_00"]).table
    assert set(found.frame) <= {f"labeled-data/session_00/img{n:08d}.png" for n in truth.frame}
    rows = [int(frame[-12:-4]) for frame in found.frame]
    error = np.linalg.norm(found.points - truth.points[rows], axis=-1)
    assert np.nanmedian(error) < 4.0  # mm; a pixel is about 4 mm, and labels are not exact
    again = run(project.folder, *project.label_files, "-o", output, "--offset", "top=2")
    assert "exists already" in str(again.exception)


def test_a_video_may_begin_earlier(project, tables, tmp_path):
    """`multiview_facts` 54: what comes after was of another moment, and nothing said so."""
    lines = tables[0].read_text().splitlines(keepends=True)
    early = tmp_path / tables[0].name
    rows = [line.split(",", 1)[1] for line in lines[3:]]
    shifted = [f"{n},{row}" for n, row in enumerate([rows[0]] * 3 + rows)]
    early.write_text("".join(lines[:3] + shifted))
    rig, others = project.calibrations["test"], tables[1:]
    output = tmp_path / "space.csv"
    view = project.views[0]
    assert run(rig, early, *others, f"--offset={view}=3", "-o", output).exit_code == 0
    expected = tmp_path / "expected.csv"
    assert run(rig, *tables, "-o", expected).exit_code == 0
    assert output.read_bytes() == expected.read_bytes()
    manifest = ["session,view,video,frame_offset", f"test,{view},{early.name},3"]
    (tmp_path / "sessions.csv").write_text("\n".join(manifest) + "\n")
    assert run(rig, early, *others, "-o", output, "--overwrite").exit_code == 0
    assert output.read_bytes() == expected.read_bytes()
    unknown = run(rig, early, *others, "--offset=side=3", "-o", output, "--overwrite")
    assert "an offset of 'side'" in str(unknown.exception)
    wrong = run(rig, early, *others, "--offset=3", "-o", output, "--overwrite")
    assert "is not an offset" in str(wrong.exception)


def test_a_rig_is_refined_with_labels(project, tmp_path):
    output = tmp_path / "better.toml"
    rig = project.calibrations["session_00"]
    arguments = ["calibrate", *project.label_files, "--rig", rig, "-o", output]
    few = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "points were seen by two cameras" in str(few.exception) or few.exit_code == 0
    both = CliRunner().invoke(app, ["calibrate", "a=b.mp4", "--board", "x", "--rig", str(rig)])
    assert "give either --board" in str(both.exception)
    if few.exit_code == 0:
        assert read_rig(output).names == project.views
        assert "median error" in few.output


def test_views_can_be_named(project, tables, tmp_path):
    renamed = [tmp_path / f"{number}.csv" for number in range(3)]
    for table, path in zip(tables, renamed, strict=True):
        path.write_bytes(table.read_bytes())
    named = [f"--view={view}={path}" for view, path in zip(project.views, renamed, strict=True)]
    output = tmp_path / "space.csv"
    done = run(project.calibrations["test"], *named, "-o", output)
    assert done.exit_code == 0, done.output
    assert len(read_points3d(output).table) == 16
    again = run(project.calibrations["test"], *named, "-o", output)
    assert "exists already" in str(again.exception)
    assert run(project.calibrations["test"], *named[:1], "-o", output, "--overwrite").exit_code
    wrong = run(project.calibrations["test"], "--view", "top", *tables)
    assert "does not say which view" in str(wrong.exception)
