"""A synthetic project of several cameras: files, exact cameras, exact points, honest occlusion."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lp_core.geometry.cameras import project as projected
from lp_core.geometry.cameras import triangulate
from lp_core.poses import Visibility
from lp_data.labels import read_labels
from lp_data.video.open import open_video
from lp_io.calibration import read_rig
from lp_io.points3d import read_points3d
from lp_synthetic import SyntheticProject, SyntheticSettings, generate_project, read_project
from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.session import held_out_sessions, training_sessions

TINY = replace(SyntheticSettings.tiny(seed=5), cameras=3)
KEYPOINTS = 10


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> SyntheticProject:
    return generate_project(tmp_path_factory.mktemp("synthetic") / "project", TINY)


def positions(path: Path):
    """Truth of a view, (frames, animals, keypoints, 2), and its codes."""
    table = read_labels(path)
    animals = len(set(table.individual or (None,)))
    return (
        table.points.reshape(-1, animals, KEYPOINTS, 2),
        table.codes.reshape(-1, animals, KEYPOINTS),
    )


class TestLayout:
    def test_files_are_those_of_lightning_pose(self, project: SyntheticProject) -> None:
        folder = project.folder
        assert project.views == ("top", "front", "left")
        assert [path.name for path in project.label_files] == [
            "CollectedData_top.csv",
            "CollectedData_front.csv",
            "CollectedData_left.csv",
        ]
        assert (folder / "videos/session_00_left.mp4").is_file()
        assert (folder / "calibrations/session_01.toml").is_file()
        assert [path.name for path in project.test_videos] == [
            "test_top.mp4", "test_front.mp4", "test_left.mp4",
        ]  # fmt: skip
        files = [*project.label_files, *project.ood_label_files, *project.train_videos]
        files += [*project.test_videos, *project.truth.values(), *project.boxes.values()]
        files += [*project.calibrations.values(), *project.truth_3d.values()]
        assert all(path.is_file() for path in files)
        assert read_project(folder) == project

    def test_label_files_speak_of_the_same_frames(self, project: SyntheticProject) -> None:
        tables = [read_labels(path) for path in project.label_files]
        for view, table in zip(project.views, tables, strict=True):
            assert len(table) == TINY.labeled_frames
            assert table.keypoint_names == project.keypoint_names
            for path, first in zip(table.image_paths, tables[0].image_paths, strict=True):
                assert (project.folder / path).is_file()
                assert path.replace(f"_{view}/", "_top/") == first

    def test_videos_of_all_views_have_the_frames_of_their_truth(
        self, project: SyntheticProject
    ) -> None:
        for path in (*project.train_videos, *project.test_videos):
            with open_video(path) as source:
                assert len(source) == len(positions(project.truth[path.stem])[0])
                assert source.size == (TINY.height, TINY.width)

    def test_its_config_names_the_views(self, project: SyntheticProject) -> None:
        config = project.data_config
        assert config["view_names"] == ["top", "front", "left"]
        assert config["csv_file"][1] == "CollectedData_front.csv"
        assert config["num_keypoints"] == KEYPOINTS


class TestSpace:
    def test_every_view_shows_the_points_in_space(self, project: SyntheticProject) -> None:
        for recording in ("session_00", "test", "ood"):
            rig = read_rig(project.calibrations[recording])
            points = read_points3d(project.truth_3d[recording]).table.points
            frames = projected(rig, points)
            for view, seen in zip(rig.names, frames, strict=True):
                found, _ = positions(project.truth[f"{recording}_{view}"])
                np.testing.assert_allclose(found[:, 0], seen, atol=1e-3)

    def test_labels_come_home_in_space(self, project: SyntheticProject) -> None:
        tables = [read_labels(path) for path in project.label_files]
        rows = [row for row, path in enumerate(tables[0].image_paths) if "session_01" in path]
        numbers = [int(Path(tables[0].image_paths[row]).stem[3:]) for row in rows]
        rig = read_rig(project.calibrations["session_01"])
        seen = np.stack([table.points[rows].reshape(-1, 2) for table in tables])
        found = triangulate(rig, seen)
        truth = read_points3d(project.truth_3d["session_01"]).table.points[numbers]
        known = (found.views >= 2).nonzero()[0]
        assert len(known) > 0.8 * len(found.views)
        np.testing.assert_allclose(found.points[known], truth.reshape(-1, 3)[known], atol=0.01)

    def test_the_rig_mixes_lenses_and_moves_between_sessions(
        self, project: SyntheticProject
    ) -> None:
        one, other = (read_rig(project.calibrations[name]) for name in ("session_00", "test"))
        assert [camera.model for camera in one] == ["pinhole", "fisheye", "pinhole"]
        assert one.unit == "mm"
        moved = np.linalg.norm(one["left"].centre - other["left"].centre)
        assert 0.1 < moved < 30
        assert one["left"].matrix.tolist() == other["left"].matrix.tolist()
        plain = read_rig_of(replace(TINY, fisheye=False))
        assert [camera.model for camera in plain] == ["pinhole"] * 3

    def test_animals_stay_in_sight(self, project: SyntheticProject) -> None:
        inside = [positions(path)[1] > 0 for path in project.truth.values()]
        assert np.mean([share.mean() for share in inside]) > 0.95


def read_rig_of(settings: SyntheticSettings):
    return held_out_sessions(settings)[0].rig


class TestOcclusion:
    @pytest.mark.parametrize("cameras", [2, 4])
    def test_in_every_labelled_frame_some_view_hides_a_keypoint(self, cameras: int) -> None:
        settings = replace(SyntheticSettings.multiview(cameras), sessions=2, labeled_frames=10)
        sessions = training_sessions(settings)
        for number in range(2):
            views = sessions[number * cameras : (number + 1) * cameras]
            for frame in views[0].labeled[:3]:
                codes = np.stack([view.shoot(frame).notes.codes for view in views])
                assert (codes == Visibility.OCCLUDED).any()
                assert (codes == Visibility.VISIBLE).any(axis=(1, 2)).sum() >= 2

    def test_two_cameras_see_nearly_every_keypoint_above_a_glass_floor(self) -> None:
        settings = replace(SyntheticSettings.multiview(4), glass_floor=True)
        views = held_out_sessions(settings)
        assert [view.view for view in views] == ["below", "front", "left", "right"]
        assert [view.camera.model.centre[2] < 0 for view in views] == [True, *[False] * 3]
        shots = [[view.shoot(frame).notes.codes for view in views] for frame in range(0, 300, 25)]
        codes = np.array(shots)
        assert ((codes == Visibility.VISIBLE).sum(axis=1) < 2).mean() < 0.03  # 16 % from above
        assert (codes == Visibility.OCCLUDED).any(axis=(1, 2, 3)).all()

    def test_the_nearer_animal_hides_the_farther_one(self) -> None:
        settings = replace(TINY, animals=2, touches=0.0, test_frames=120)
        for session in held_out_sessions(settings):
            distance = np.linalg.norm(
                session.world.mean(axis=2) - session.camera.model.centre, axis=-1
            )
            clear = np.abs(distance[:, 0] - distance[:, 1]) > 20
            nearest = session.order[:, -1]
            assert clear.any()
            np.testing.assert_array_equal(nearest[clear], distance.argmin(axis=1)[clear])

    def test_bars_hide_what_is_behind_them(self) -> None:
        session = held_out_sessions(replace(TINY, test_frames=90, height=128, width=128))[0]
        cover = session._scene._backdrop.cover
        hidden = 0
        for frame in range(0, 90, 6):
            shot = session.shoot(frame)
            x, y = np.rint(session.keypoints[frame, 0]).astype(int).T
            within = (x >= 0) & (y >= 0) & (x < 128) & (y < 128)
            behind = cover[y[within], x[within]] == 255
            assert (shot.notes.codes[0, within][behind] == Visibility.OCCLUDED).all()
            hidden += int(behind.sum())
        assert hidden > 0


class TestSeveral:
    def test_several_animals_before_several_cameras(self, tmp_path: Path) -> None:
        settings = replace(TINY, cameras=2, animals=2, sessions=1, labeled_frames=3, touches=0.0)
        project = generate_project(tmp_path / "project", settings)
        assert project.individuals == ("mouse1", "mouse2")
        space = read_points3d(project.truth_3d["test"]).table
        assert space.individual[:4] == ("mouse1", "mouse2", "mouse1", "mouse2")
        rig = read_rig(project.calibrations["test"])
        frames = projected(rig, space.points.reshape(-1, 2, KEYPOINTS, 3))
        for view, seen in zip(project.views, frames, strict=True):
            found, _ = positions(project.truth[f"test_{view}"])
            np.testing.assert_allclose(found, seen, atol=1e-3)

    def test_one_camera_is_not_calibrated(self) -> None:
        with pytest.raises(SyntheticProjectError, match="not calibrated"):
            _ = held_out_sessions(SyntheticSettings.tiny())[0].rig

    def test_a_rig_has_six_cameras_at_most(self) -> None:
        with pytest.raises(SyntheticProjectError, match="cameras is 7, not within 1 and 6"):
            replace(TINY, cameras=7)


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    settings = replace(TINY, cameras=2, sessions=1, labeled_frames=1, frames_per_video=8)
    written = []
    for name in ("one", "two"):
        generate_project(tmp_path / name, settings)
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        written.append({str(p.relative_to(tmp_path / name)): p.read_bytes() for p in files})
    assert written[0] == written[1]
