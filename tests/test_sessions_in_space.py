"""`litpose predict` takes the videos of calibrated cameras to points in space."""

import hashlib
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import yaml

from lp_analysis.triangulation import fit_pose_prior, label_poses, label_rigs
from lp_data.labels import read_labels
from lp_data.sessions import ViewNames, read_view_labels
from lp_io.calibration import read_rig, write_rig
from lp_io.checkpoint import annotate_model
from lp_io.model_directory import POSES
from lp_io.points3d import read_points3d
from lp_io.predictions import read_predictions, write_predictions
from lp_synthetic import SyntheticSettings, generate_project

VIEWS = ("top", "front", "left")


@pytest.fixture(scope="session")
def rig_project(tmp_path_factory):
    """A synthetic project of three calibrated cameras; not to be changed."""
    settings = replace(SyntheticSettings.tiny(3), cameras=3)
    return generate_project(tmp_path_factory.mktemp("rig") / "project", settings)


@pytest.fixture(scope="session")
def rig_config(rig_project, tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    data = {
        "data_dir": str(rig_project.folder),
        "view_names": list(VIEWS),
        "csv_file": [f"CollectedData_{view}.csv" for view in VIEWS],
    }
    path.write_text(yaml.safe_dump({"data": data, "model": {"model_type": "heatmap"}}))
    return path


@pytest.fixture(scope="session")
def rig_model(rig_config, tiny_training, tmp_path_factory):
    """A tracker of three calibrated cameras after one epoch; not to be changed."""
    from lp_pipeline.config.load import load_config
    from lp_pipeline.evaluation.after_training import evaluate_training
    from lp_pipeline.training.run import train

    folder = tmp_path_factory.mktemp("models") / "rig"
    loaded = load_config(rig_config, tiny_training)
    setup = train(loaded, folder)
    evaluate_training(setup, loaded.config, folder)
    return folder


@pytest.fixture
def videos(rig_project, tmp_path):
    """A folder of the videos of a session, away from the project."""
    return shutil.copytree(rig_project.folder / "videos_test", tmp_path / "videos")


@pytest.fixture
def predict(litpose, rig_model, tmp_path):
    def call(*arguments):
        return litpose("predict", rig_model, "-o", tmp_path / "out", *arguments)

    return call


def digests(folder):
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if not path.name.endswith("_source.json")
    }


def test_training_tells_errors_in_space_and_keeps_the_cameras(rig_model, rig_project, litpose):
    from lp_analysis.metrics.metric_files import read_metric_file

    errors = read_metric_file(rig_model / "predictions_points3d_error.csv")
    assert len(errors.index) == 12
    assert set(errors.sets) == {"train", "validation", "test"}
    assert np.isfinite(errors.values).any()
    for view in VIEWS:
        own = read_metric_file(rig_model / f"predictions_{view}_pixel_error.csv")
        for name in ("reprojected", "leave_one_out"):
            path = rig_model / f"predictions_{view}_{name}_error.csv"
            assert read_metric_file(path).index == own.index
    assert "Points in space" in (rig_model / "report.html").read_text()
    told = litpose("inspect", rig_model)
    assert told.code == 0
    assert "views: top, front, left" in told.out
    assert "cameras: top (pinhole, 96×96 px), front (fisheye, 96×96 px)" in told.out
    assert "session_01.toml of session_00, session_01" in told.out


def test_evaluation_needs_no_project_for_errors_in_space(litpose, rig_model, tmp_path):
    """A model directory keeps the cameras of its labels."""
    model = shutil.copytree(rig_model, tmp_path / "model")
    path = model / "predictions_points3d_error.csv"
    before = path.read_text()
    path.unlink()
    outcome = litpose("evaluate", model, "--data-dir", tmp_path)
    assert outcome.code == 0, outcome.err
    assert path.read_text() == before


def test_wrong_cameras_of_labels_are_noted_and_train_without(
    litpose, rig_project, rig_config, tiny_training, tmp_path
):
    project = shutil.copytree(rig_project.folder, tmp_path / "project")
    (project / "calibrations" / "session_01.toml").unlink()
    changes = (*tiny_training, f"data.data_dir={project}")
    outcome = litpose("train", rig_config, "-o", tmp_path / "model", *changes)
    assert outcome.code == 0, outcome.err
    assert "there will be no errors in space: 1 sessions are calibrated" in outcome.out
    assert "cameras: not calibrated at training" in litpose("inspect", tmp_path / "model").out
    assert not (tmp_path / "model" / "predictions_points3d_error.csv").exists()


def test_a_session_becomes_points_and_reprojected_tables(
    predict, rig_project, rig_model, videos, tmp_path
):
    outcome = predict(videos)
    assert outcome.code == 0, outcome.err
    file = rig_project.folder / "calibrations" / "test.toml"
    assert f"cameras of session 'test': {file}" in outcome.out
    found = read_points3d(tmp_path / "out" / "test_points3d.csv")
    assert found.table.frame == tuple(range(16))
    assert found.table.keypoint_names == rig_project.keypoint_names
    assert found.table.covariance is not None
    rig = read_rig(file).subset(VIEWS)
    from lp_core.geometry.cameras import project

    expected = project(rig, found.table.points)
    for view, shown in zip(VIEWS, expected, strict=True):
        table = read_predictions(tmp_path / "out" / f"test_{view}_reprojected.csv")
        np.testing.assert_allclose(table.points, shown, rtol=1e-5)
        known = np.isfinite(shown).all(axis=-1)
        assert (table.confidence[known] > 0).all()
        assert (table.confidence[~known] == 0).all()
    before = digests(tmp_path / "out")
    again = predict(videos)
    assert "test_points3d.csv is there already" in again.out
    assert digests(tmp_path / "out") == before


def poses_of(project):
    """The poses in space that the held-out session shows, in the place of those of many labels."""
    truth = read_points3d(project.truth_3d["test"]).table
    return fit_pose_prior(np.tile(truth.points, (2, 1, 1)), truth.skeleton, "mm")


def test_poses_of_the_labels_place_what_no_view_sees(litpose, rig_model, rig_project, tmp_path):
    model = shutil.copytree(rig_model, tmp_path / "model")
    annotate_model(model, {POSES: poses_of(rig_project).to_dict()})
    tables, paths = tmp_path / "tables", []
    tables.mkdir()
    for view in VIEWS:
        truth = read_labels(rig_project.truth[f"test_{view}"])
        points, sure = truth.points.copy(), np.ones(truth.points.shape[:2])
        points[:, 3], sure[:, 3] = 5.0, 0.0  # no view sees a paw
        paths.append(tables / f"test_{view}.csv")
        frames = tuple(map(int, truth.frame))
        seen = replace(truth, points=points, frame=frames, visibility=None, confidence=sure)
        write_predictions(seen, paths[-1])
    rig, errors = rig_project.calibrations["test"], {}
    truth = read_points3d(rig_project.truth_3d["test"]).table.points
    for name, more in (("with.csv", ("--poses-of", model)), ("without.csv", ())):
        litpose("triangulate", rig, *paths, "-o", tmp_path / name, *more)
        points = read_points3d(tmp_path / name)
        errors[name] = np.linalg.norm(points.table.points - truth, axis=-1)
    assert (read_points3d(tmp_path / "with.csv").views[:, 3] == 0).all()
    assert np.median(errors["with.csv"][:, 3]) < 8
    assert np.isnan(errors["without.csv"][:, 3]).all()
    np.testing.assert_allclose(errors["with.csv"][:, 7], errors["without.csv"][:, 7], atol=0.5)


def test_predict_lets_the_poses_of_the_labels_count(
    litpose, rig_model, rig_project, videos, tmp_path
):
    """The tracker is untrained, so that its views agree on next to nothing without poses."""
    model = shutil.copytree(rig_model, tmp_path / "model")
    annotate_model(model, {POSES: poses_of(rig_project).to_dict()})
    rig, out = ("--rig", rig_project.calibrations["test"]), tmp_path / "out"
    litpose("predict", model, "-o", out, videos, *rig)
    first = (out / "test_points3d.csv").read_bytes()
    assert "poses" in (out / "test_points3d_source.json").read_text()
    litpose("predict", model, "-o", tmp_path / "other", videos, *rig, "--no-poses")
    litpose("predict", rig_model, "-o", tmp_path / "plain", videos, *rig)
    plain = (tmp_path / "plain" / "test_points3d.csv").read_bytes()
    assert (tmp_path / "other" / "test_points3d.csv").read_bytes() == plain
    litpose("predict", model, "-o", out, videos, *rig, "--overwrite")
    assert (out / "test_points3d.csv").read_bytes() == first


def test_a_model_without_poses_is_refused(litpose, rig_model, rig_project, tmp_path):
    rig, table = rig_project.calibrations["test"], tmp_path / "test_top.csv"
    outcome = litpose("triangulate", rig, table, "--poses-of", rig_model)
    assert outcome.code == 2
    assert "keeps no poses in space" in outcome.err


def test_many_labels_of_calibrated_cameras_are_poses(tmp_path):
    settings = replace(SyntheticSettings.tiny(4), cameras=3, labeled_frames=24, sessions=2)
    project = generate_project(tmp_path / "project", settings)
    views = ViewNames(VIEWS)
    labels = read_view_labels(dict(zip(VIEWS, project.label_files, strict=True)), views)
    rigs, _ = label_rigs(project.folder, labels, views)
    prior = label_poses(labels, views, rigs)
    truth = read_points3d(project.truth_3d["test"]).table.points
    sizes = np.sqrt(np.square(truth - truth.mean(axis=1, keepdims=True)).sum(axis=2).mean())
    assert prior.size == pytest.approx(sizes, rel=0.15)
    assert prior.unit == "mm"
    assert label_poses(labels, views, None) is None
    assert label_poses(labels.rows(range(30)), views, rigs) is None  # 10 of 24 poses


def test_tables_of_points_are_no_tables_of_the_model(litpose, rig_model, videos, tmp_path):
    model = shutil.copytree(rig_model, tmp_path / "model")
    assert litpose("predict", model, videos).code == 0
    outcome = litpose("evaluate", model)
    assert outcome.code == 0, outcome.err
    names = {path.name for path in (model / "video_preds").iterdir()}
    assert "test_top_temporal_norm.csv" in names
    assert not {name for name in names if "points3d_temp" in name or "reprojected_temp" in name}


def test_other_formats_and_none(predict, videos, tmp_path):
    pytest.importorskip("h5netcdf")
    assert predict(videos, "--points", "none").code == 0
    assert not list((tmp_path / "out").glob("*points3d*"))
    assert predict(videos, "--points", "nc").code == 0
    import xarray

    with xarray.open_dataset(tmp_path / "out" / "test_points3d.nc", engine="h5netcdf") as data:
        assert data.sizes["time"] == 16
        assert float(data["time"].values[-1]) == pytest.approx(15 / 30)
    assert predict(videos, "--points", "parquet").code == 0
    assert (tmp_path / "out" / "test_points3d.parquet").is_file()


def test_without_a_calibration_a_line_says_so(litpose, rig_model, videos, tmp_path):
    model = shutil.copytree(rig_model, tmp_path / "model")
    text = (model / "config.yaml").read_text().splitlines(keepends=True)
    moved = [f"  data_dir: {tmp_path}\n" if "data_dir:" in line else line for line in text]
    (model / "config.yaml").write_text("".join(moved))
    outcome = litpose("predict", model, videos)
    assert outcome.code == 0, outcome.err
    lines = [line for line in outcome.out.splitlines() if "no points in space" in line]
    assert len(lines) == 1
    assert "litpose calibrate" in lines[0]
    assert not list((model / "video_preds").glob("*points3d*"))


def test_the_nearest_calibration_counts(predict, rig_project, videos, tmp_path):
    """The manifest, then files of the session, then those of all; each first by the videos."""
    source, rigs = rig_project.folder / "calibrations" / "test.toml", {}
    for name in ("calibration.toml", "calibrations/test.toml", "listed.toml"):
        rigs[name] = videos / name
        rigs[name].parent.mkdir(exist_ok=True)
        shutil.copyfile(source, rigs[name])
        if name == "listed.toml":
            rows = [f"test,{view},test_{view}.mp4,listed.toml" for view in VIEWS]
            text = "\n".join(["session,view,video,calibration", *rows]) + "\n"
            (videos / "sessions.csv").write_text(text)
        outcome = predict(videos, "--overwrite")
        # the project has a file of the session, which is nearer than one of all sessions
        used = source if name == "calibration.toml" else rigs[name]
        assert f"cameras of session 'test': {used}" in outcome.out


def test_wrong_rigs_are_told(predict, rig_project, videos, tmp_path):
    rig = read_rig(rig_project.folder / "calibrations" / "test.toml")
    fewer = replace(rig, cameras=rig.cameras[:2])
    write_rig(fewer, tmp_path / "fewer.toml")
    outcome = predict(videos, "--rig", tmp_path / "fewer.toml")
    assert outcome.code == 2
    assert "no camera 'left'" in outcome.err
    assert "fewer.toml" in outcome.err
    assert not (tmp_path / "out").exists()  # before hours of prediction
    larger = replace(rig, cameras=tuple(camera.resized((192, 192)) for camera in rig))
    write_rig(larger, tmp_path / "larger.toml")
    outcome = predict(videos, "--rig", tmp_path / "larger.toml")
    assert outcome.code == 2
    assert "96 × 96 px, calibrated with 192 × 192 px" in outcome.out + outcome.err
    assert (tmp_path / "out" / "test_left.csv").is_file()
    assert not list((tmp_path / "out").glob("*points3d*"))


def test_a_missing_view_and_a_shorter_video_are_ordinary(predict, videos, tmp_path):
    from lp_data.video.open import open_video
    from lp_data.video.writer import VideoWriter

    (videos / "test_left.mp4").unlink()
    with open_video(videos / "test_front.mp4") as source:
        frames, fps, size = source.read(0, 9), source.fps, source.size
    with VideoWriter(videos / "test_front.mp4", fps=fps, size=size) as writer:
        for frame in frames:
            writer.write(frame)
    assert predict(videos).code == 0
    found = read_points3d(tmp_path / "out" / "test_points3d.csv")
    assert len(found.table) == 16
    assert np.isfinite(found.table.points[9:]).sum() == 0  # one view
    assert np.isfinite(found.table.points[:9]).any()
    assert len(read_predictions(tmp_path / "out" / "test_front_reprojected.csv")) == 9
    assert not (tmp_path / "out" / "test_left_reprojected.csv").exists()
    alone = predict(videos / "test_top.mp4", "-o", tmp_path / "alone")
    assert alone.code == 0
    assert "they need 2 views, and it has 1 here" in alone.out


def test_frame_offsets_align_the_views(predict, rig_project, videos, tmp_path):
    assert predict(videos).code == 0
    straight = read_points3d(tmp_path / "out" / "test_points3d.csv").table
    offsets = {"top": 0, "front": 3, "left": -2}
    rows = [f"test,{view},test_{view}.mp4,{shift}" for view, shift in offsets.items()]
    (videos / "sessions.csv").write_text(
        "\n".join(["session,view,video,frame_offset", *rows]) + "\n"
    )
    shutil.copyfile(rig_project.folder / "calibrations" / "test.toml", videos / "calibration.toml")
    assert predict(videos).code == 0  # the tables are there, but not the points of these offsets
    shifted = read_points3d(tmp_path / "out" / "test_points3d.csv").table
    assert len(shifted) == 18
    assert not np.array_equal(straight.points, shifted.points[:16])
    table = read_predictions(tmp_path / "out" / "test_front_reprojected.csv")
    assert len(table) == 16
    assert np.isnan(table.points[:3]).all()  # before the session begins
    assert np.isfinite(table.points[3:]).any()


def test_an_interruption_changes_no_byte(rig_model, predict, videos, tmp_path, monkeypatch):
    """Ctrl-C in a video, and in the triangulation."""
    import lp_analysis.triangulation.tables as tables
    from lp_pipeline.display import ConsoleDisplay

    assert predict(videos).code == 0
    whole = digests(tmp_path / "out")
    shutil.rmtree(tmp_path / "out")

    @contextmanager
    def stopped(self, name, total):
        def update(done, note=""):
            if name == "test_left.mp4":
                raise KeyboardInterrupt

        yield update

    with monkeypatch.context() as patch:
        patch.setattr(ConsoleDisplay, "task", stopped)
        assert predict(videos).code == 130
    assert not (tmp_path / "out" / "test_points3d.csv").exists()

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tables, "_reproject_part", interrupted)
        assert predict(videos, "--resume").code == 130
    assert not {name for name in digests(tmp_path / "out") if "points3d" in name or "rep" in name}
    assert predict(videos, "--resume").code == 0
    assert digests(tmp_path / "out") == whole


def test_points_of_another_command_are_kept(litpose, predict, rig_project, videos, tmp_path):
    assert predict(videos, "--points", "none").code == 0
    tables = [tmp_path / "out" / f"test_{view}.csv" for view in VIEWS]
    rig = rig_project.folder / "calibrations" / "test.toml"
    assert litpose("triangulate", rig, *tables, "--min-confidence", "0.01").code == 0
    made = digests(tmp_path / "out")
    outcome = predict(videos)
    assert "was made by another command, and is kept" in outcome.out
    assert digests(tmp_path / "out") == made


def test_python_gives_the_points_too(rig_model, rig_project, predict, videos, tmp_path):
    from lp_pipeline.model import Model

    assert predict(videos).code == 0
    paths = {view: videos / f"test_{view}.mp4" for view in VIEWS}
    rig = rig_project.folder / "calibrations" / "test.toml"
    found = Model.from_dir(rig_model).predict_session(paths, rig=rig)
    written = read_points3d(tmp_path / "out" / "test_points3d.csv").table.points
    np.testing.assert_allclose(found.points.table.points, written, rtol=1e-3, atol=1e-2)
    for view in VIEWS:
        table = read_predictions(tmp_path / "out" / f"test_{view}_reprojected.csv")
        shown = found.reprojected[view]
        np.testing.assert_allclose(shown.keypoints.numpy(), table.points, rtol=1e-3, atol=1e-2)
        assert len(found[view].keypoints) == len(table)
    assert Model.from_dir(rig_model).predict_session(paths).points is None


def test_a_session_is_drawn_as_one_video(litpose, predict, videos, tmp_path):
    from lp_data.video.open import open_video

    outcome = predict(videos, "--labeled-video")
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "out" / "labeled_videos"
    assert [path.name for path in folder.iterdir()] == ["test_labeled.mp4"]
    with open_video(folder / "test_labeled.mp4") as source:
        assert len(source) == 16
    points = tmp_path / "out" / "test_points3d.csv"
    again = litpose("render", videos, points, "--first", 4, "--last", 5, "--overwrite")
    assert again.code == 0, again.err
    with open_video(folder / "test_labeled.mp4") as source:
        assert len(source) == 2


def test_a_view_alone_is_drawn_as_ever(litpose, predict, videos, tmp_path):
    assert predict(videos).code == 0
    points = tmp_path / "out" / "test_points3d.csv"
    (videos / "test_left.mp4").unlink()
    missing = litpose("render", videos, points)
    assert missing.code == 2
    assert "no video of the views left" in missing.err
    assert predict(videos / "test_top.mp4", "--labeled-video").code == 0
    folder = tmp_path / "out" / "labeled_videos"
    assert [path.name for path in folder.iterdir()] == ["test_top_labeled.mp4"]


def test_videos_after_a_training_are_drawn_together(
    litpose, rig_config, tiny_training, videos, tmp_path
):
    changes = [each for each in tiny_training if "predict_vids" not in each]
    more = ("predict_vids_after_training=true", f"test_videos_directory={videos}")
    more += ("save_vids_after_training=true",)
    asked = [f"eval.{each}" for each in more]
    outcome = litpose("train", rig_config, "-o", tmp_path / "model", *changes, *asked)
    assert outcome.code == 0, outcome.err
    folder = tmp_path / "model" / "video_preds"
    assert (folder / "test_points3d.csv").is_file()
    names = [path.name for path in (folder / "labeled_videos").iterdir()]
    assert names == ["test_labeled.mp4"]


def test_check_names_rigs_that_do_not_fit(litpose, rig_project, tmp_path):
    project = shutil.copytree(rig_project.folder, tmp_path / "project")
    good = litpose("check", project)
    assert good.code == 0, good.out
    rig = read_rig(project / "calibrations" / "session_00.toml")
    larger = replace(rig, cameras=tuple(camera.resized((192, 192)) for camera in rig))
    write_rig(larger, project / "calibrations" / "session_00.toml")
    write_rig(replace(rig, cameras=rig.cameras[1:]), project / "calibrations" / "session_01.toml")
    outcome = litpose("check", project)
    assert outcome.code == 2
    said = " ".join(outcome.out.split())
    assert "96 × 96 px, calibrated with 192 × 192 px" in said
    assert "session_00.toml, of labelled images" in said
    assert "session_00.toml, of videos of 'session_00'" in said
    assert said.count("the rig has no camera 'top'") == 1
    (project / "calibrations" / "session_00.toml").write_text("[cam_0]\nname = 3\n")
    assert "session_00.toml" in litpose("check", project).out
