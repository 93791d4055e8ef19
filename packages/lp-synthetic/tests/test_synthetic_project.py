"""The synthetic project: an ordinary Lightning Pose project whose truth is known."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy import ndarray

from lp_core.poses import PoseTable
from lp_data.labels import read_labels
from lp_data.video.open import open_video
from lp_synthetic import SyntheticProject, SyntheticSettings, generate_project, read_project
from lp_synthetic.errors import SyntheticProjectError
from lp_synthetic.settings import CONTEXT

TINY = SyntheticSettings.tiny(seed=3)
KEYPOINTS = 20


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> SyntheticProject:
    return generate_project(tmp_path_factory.mktemp("synthetic") / "project", TINY)


@pytest.fixture(scope="module")
def labels(project: SyntheticProject) -> PoseTable:
    return read_labels(project.label_file)


def small(seed: int = 3) -> SyntheticSettings:
    """Even less than tiny."""
    return replace(
        SyntheticSettings.tiny(seed),
        height=64,
        width=64,
        sessions=1,
        labeled_frames=1,
        frames_per_video=8,
        test_frames=6,
        ood_frames=6,
        ood_labeled_frames=1,
    )


def contents(folder: Path, pattern: str) -> dict[str, bytes]:
    files = sorted(folder.rglob(pattern))
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def truth_cells(path: Path) -> tuple[ndarray, ndarray]:
    """Positions (frames, keypoints, 2) and codes (frames, keypoints) as the file has them."""
    rows = list(csv.reader(path.open(encoding="utf-8")))
    assert rows[2][1:4] == ["x", "y", "visible"]
    cells = np.array([row[1:] for row in rows[3:]], dtype=float).reshape(-1, KEYPOINTS, 3)
    return cells[..., :2], cells[..., 2].astype(int)


def labeled_rows(table: PoseTable, session: str) -> Iterator[tuple[int, int]]:
    """Row and frame number of each labelled frame of a session."""
    for row, path in enumerate(table.image_paths):
        folder, name = path.split("/")[1:]
        if folder == session:
            yield row, int(name.removeprefix("img").removesuffix(".png"))


class TestLayout:
    def test_all_labels_are_there(self, project: SyntheticProject, labels: PoseTable) -> None:
        assert len(labels) == TINY.labeled_frames
        assert labels.keypoint_names == project.keypoint_names
        assert len(read_labels(project.folder / "CollectedData_new.csv")) == TINY.ood_labeled_frames

    def test_labeled_images_lie_among_their_neighbours(
        self, project: SyntheticProject, labels: PoseTable
    ) -> None:
        for table in (labels, read_labels(project.ood_label_file)):
            for path in table.image_paths:
                image = project.folder / path
                frame = int(image.stem.removeprefix("img"))
                for near in range(frame - CONTEXT, frame + CONTEXT + 1):
                    picture = cv2.imread(str(image.with_name(f"img{near:08d}.png")))
                    assert picture.shape == (TINY.height, TINY.width, 3)

    def test_videos_have_exactly_the_frames_of_their_truth(self, project: SyntheticProject) -> None:
        videos = [*project.train_videos, project.test_video, project.ood_video]
        assert [video.stem for video in videos] == list(project.truth)
        for video in videos:
            positions, _ = truth_cells(project.truth[video.stem])
            with open_video(video) as source:
                assert len(source) == len(positions)
                assert source.size == (TINY.height, TINY.width)
                assert source.fps == TINY.fps

    def test_video_frames_are_those_of_the_labeled_images(
        self, project: SyntheticProject, labels: PoseTable
    ) -> None:
        video = project.train_videos[0]
        with open_video(video) as source:
            for row, frame in labeled_rows(labels, video.stem):
                image = cv2.imread(str(project.folder / labels.image_paths[row]))[..., ::-1]
                decoded = source.read_indices([frame])[0]
                assert np.abs(decoded.astype(int) - image.astype(int)).mean() < 8.0

    def test_columns_speak_of_the_keypoints_they_name(self, project: SyntheticProject) -> None:
        names = project.keypoint_names
        above, below = project.mirrored_column_matches
        for top, bottom in zip(above, below, strict=True):
            assert names[top].removesuffix("_top") == names[bottom].removesuffix("_bot")
        assert sorted(above + below) == list(range(len(names)))
        assert not any("paw" in names[column] for column in project.columns_for_singleview_pca)
        assert {name for edge in project.skeleton for name in edge} == set(names)


class TestTruth:
    def test_labels_equal_the_truth(self, project: SyntheticProject, labels: PoseTable) -> None:
        video = project.train_videos[0]
        positions, codes = truth_cells(project.truth[video.stem])
        found = 0
        for row, frame in labeled_rows(labels, video.stem):
            labeled = labels.has_position[row]
            np.testing.assert_array_equal(labels.points[row, labeled], positions[frame, labeled])
            np.testing.assert_array_equal(labels.codes[row, labeled], codes[frame, labeled])
            found += int(labeled.sum())
        assert found > 50

    def test_the_truth_knows_every_position(self, project: SyntheticProject) -> None:
        for path in project.truth.values():
            positions, codes = truth_cells(path)
            assert np.isfinite(positions).all()
            assert set(np.unique(codes)) <= {0, 1, 2}

    def test_codes_0_and_only_they_lie_outside_their_view(self, project: SyntheticProject) -> None:
        for path in project.truth.values():
            positions, codes = truth_cells(path)
            x, y = positions[..., 0], positions[..., 1]
            outside = (x < -0.5) | (x > TINY.width - 0.5) | (y < -0.5) | (y > TINY.height - 0.5)
            np.testing.assert_array_equal(codes == 0, outside)

    def test_body_length_is_that_of_the_labels(
        self, project: SyntheticProject, labels: PoseTable
    ) -> None:
        nose, tail = (labels.keypoint_names.index(f"{k}_top") for k in ("nose", "tail_base"))
        length = np.linalg.norm(labels.points[:, nose] - labels.points[:, tail], axis=-1)
        # Labels lack what stands behind a post.
        assert np.nanmean(length) == pytest.approx(project.body_length_px, rel=0.1)

    def test_two_views_have_three_dimensions(self, project: SyntheticProject) -> None:
        positions, _ = truth_cells(project.truth["test"])
        above, below = project.mirrored_column_matches
        both = np.concatenate([positions[:, above], positions[:, below]], axis=-1).reshape(-1, 4)
        spread = np.linalg.svd(both - both.mean(axis=0), compute_uv=False) ** 2
        assert spread[:3].sum() / spread.sum() > 0.999
        assert spread[2] / spread.sum() > 0.005


class TestPicture:
    def test_visible_paws_and_noses_are_pink(
        self, project: SyntheticProject, labels: PoseTable
    ) -> None:
        redness, background = [], []
        columns = [k for k, n in enumerate(labels.keypoint_names) if n.startswith(("paw", "nose"))]
        for row, path in enumerate(labels.image_paths):
            image = cv2.imread(str(project.folder / path)).astype(float)
            surplus = image[..., 2] - image[..., 0]
            seen = [k for k in columns if labels.codes[row, k] == 2]
            x, y = np.rint(labels.points[row, seen]).astype(int).T
            redness.append(surplus[y, x])
            background.append(np.median(surplus))
        assert np.median(np.concatenate(redness)) > 25.0
        assert np.mean(np.concatenate(redness) > 5.0) > 0.9
        assert np.median(background) < 5.0

    def test_another_look_looks_different(self, project: SyntheticProject) -> None:
        means = []
        for video in (*project.train_videos, project.test_video, project.ood_video):
            with open_video(video) as source:
                means.append(source.read(0, 1).mean(axis=(0, 1, 2)))
        familiar = np.linalg.norm(means[0] - means[1])
        assert np.linalg.norm(means[0] - means[2]) > 2 * familiar


class TestReproducibility:
    def test_only_the_seed_decides_labels_truth_and_images(self, tmp_path: Path) -> None:
        for name, seed in (("first", 1), ("again", 1), ("other", 2)):
            generate_project(tmp_path / name, small(seed))
        for pattern in ("*.csv", "*.png"):
            first = contents(tmp_path / "first", pattern)
            assert len(first) >= 5
            assert contents(tmp_path / "again", pattern) == first
            other = contents(tmp_path / "other", pattern)
            assert not any(other.get(name) == content for name, content in first.items())

    def test_read_project_gives_what_generate_project_gave(self, project: SyntheticProject) -> None:
        assert read_project(project.folder) == project

    def test_progress_counts_every_frame_once(self, tmp_path: Path) -> None:
        calls: list[tuple[int, int]] = []
        generate_project(tmp_path / "p", small(), progress=lambda *call: calls.append(call))
        total = calls[-1][1]
        assert calls == [(done, total) for done in range(1, total + 1)]


class TestFolders:
    def test_a_foreign_folder_is_refused_and_untouched(self, tmp_path: Path) -> None:
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "chapter.txt").write_text("years of work")
        (tmp_path / "thesis" / "project.json").write_text('{"kind": "something else"}')
        for overwrite in (False, True):
            before = contents(tmp_path, "*.*")
            with pytest.raises(SyntheticProjectError, match="something else already"):
                generate_project(tmp_path / "thesis", small(), overwrite=overwrite)
            assert contents(tmp_path, "*.*") == before

    def test_a_file_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "notes").write_text("mine")
        with pytest.raises(SyntheticProjectError):
            generate_project(tmp_path / "notes", small(), overwrite=True)
        assert (tmp_path / "notes").read_text() == "mine"

    def test_an_older_project_is_replaced_only_on_demand(self, tmp_path: Path) -> None:
        (tmp_path / "p").mkdir()  # An empty folder belongs to no project.
        generate_project(tmp_path / "p", small(1))
        before = contents(tmp_path / "p", "*.csv")
        with pytest.raises(SyntheticProjectError, match="overwrite=True"):
            generate_project(tmp_path / "p", small(2))
        assert contents(tmp_path / "p", "*.csv") == before
        generate_project(tmp_path / "p", small(2), overwrite=True)
        assert contents(tmp_path / "p", "*.csv") != before
        assert [path.name for path in tmp_path.iterdir()] == ["p"]

    def test_a_failure_leaves_nothing_behind(self, tmp_path: Path) -> None:
        def fail(done: int, total: int) -> None:
            if done == total // 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            generate_project(tmp_path / "p", small(), progress=fail)
        assert list(tmp_path.iterdir()) == []

    def test_a_failure_keeps_the_older_project(self, tmp_path: Path) -> None:
        def fail(done: int, total: int) -> None:
            raise KeyboardInterrupt

        generate_project(tmp_path / "p", small())
        before = contents(tmp_path, "*.*")
        with pytest.raises(KeyboardInterrupt):
            generate_project(tmp_path / "p", small(2), overwrite=True, progress=fail)
        assert contents(tmp_path, "*.*") == before

    @pytest.mark.parametrize(
        "content",
        ["", "{", "[]", "{}", '{"kind": "lp synthetic project", "version": 99}', "[" * 9999],
    )
    def test_a_damaged_description_is_refused(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "project.json").write_text(content)
        with pytest.raises(SyntheticProjectError, match=r"project\.json"):
            read_project(tmp_path)

    def test_a_description_of_unknown_settings_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "project.json").write_text(
            '{"kind": "lp synthetic project", "version": 1, "settings": {"legs": 8}}'
        )
        with pytest.raises(SyntheticProjectError, match="damaged"):
            read_project(tmp_path)
