"""One list of what counts as a video, and one search of a folder, whatever the command."""

import shutil

import av
import numpy as np
import pytest
import yaml

from lp_core.poses import Content, read_pose_csv
from lp_data.check import check_project
from lp_data.check.report import report_text
from lp_pipeline.cli.predict import sort_inputs
from lp_pipeline.config.load import load_config
from lp_pipeline.training.setup import set_up

RARE = ("a.mp4", "b.WMV", "c.mts", "d.ts", "e.flv", "f.3gp")
APPLE_DOUBLE = b"\0\5\26\7"


def write_video(path, frames=6):
    codec = "h263" if path.suffix == ".3gp" else "wmv2" if path.suffix == ".WMV" else "mpeg2video"
    codec = {".mp4": "libx264", ".flv": "flv1"}.get(path.suffix, codec)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 176, 144, "yuv420p"
        for _ in range(frames):
            picture = np.full((144, 176, 3), 90, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode(None))


def names(paths):
    return [path.name for path in paths]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Videos of six kinds, with what lies beside such files in practice."""
    folder = tmp_path_factory.mktemp("mixed") / "videos"
    (folder / "day1").mkdir(parents=True)
    for name in (*RARE, "day1/g.mp4"):
        write_video(folder / name)
    for name in ("._a.mp4", ".DS_Store"):
        (folder / name).write_bytes(APPLE_DOUBLE)
    (folder / "notes.txt").write_text("written in the dark")
    return folder


@pytest.fixture
def project_with(project, tmp_path):
    """A copy of the project, with the given folder in the place of its videos."""

    def make(videos):
        folder = tmp_path / "project"
        shutil.copytree(project.folder, folder)
        shutil.rmtree(folder / "videos")
        shutil.copytree(videos, folder / "videos")
        config = {
            "data": {"data_dir": str(folder), "video_dir": "videos"},
            "model": {"losses_to_use": ["temporal"]},
            "dali": {"base": {"train": {"sequence_length": 4}}},
        }
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(config))
        return folder, tmp_path / "c.yaml"

    return make


def test_predict_check_and_training_take_the_same_videos_of_a_folder(
    mixed, project_with, tiny_training
):
    folder, config = project_with(mixed)
    _, predicted = sort_inputs((mixed,))
    checked = check_project(folder).videos
    trained = set_up(load_config(config, tiny_training).config).data.clips.videos
    assert names(predicted) == list(RARE)
    assert names(video.path for video in checked) == list(RARE)
    assert names(trained) == list(RARE)


def test_what_is_left_out_of_a_folder_is_named_in_one_line(mixed, caplog):
    with caplog.at_level("INFO"):
        sort_inputs((mixed,))
    (line,) = [text for text in caplog.messages if "left out" in text]
    assert "day1" in line
    assert "notes.txt" in line
    assert "._a" not in line
    assert ".DS_Store" not in line


def test_check_names_what_is_left_out_and_warns_of_videos_in_folders_within(mixed, project_with):
    report = check_project(project_with(mixed)[0])
    assert "notes.txt" in report_text(report)
    (warning,) = [each for each in report.problems if "day1" in each.where]
    assert warning.severity == "warning"
    assert not report.errors


def test_a_folder_with_videos_only_in_folders_within_says_so(mixed, tmp_path, litpose, model_dir):
    (tmp_path / "all").mkdir()
    shutil.copytree(mixed / "day1", tmp_path / "all" / "day1")
    outcome = litpose("predict", model_dir, tmp_path / "all")
    assert outcome.code == 2
    assert "no video" in outcome.err
    assert "day1" in outcome.err


@pytest.mark.parametrize("suffix", [".webp", ".png", ".bmp", ".JPG", ".tiff"])
def test_images_are_predicted_alone_and_by_the_folder(
    project, model_dir, litpose, tmp_path, suffix
):
    import cv2

    folder = tmp_path / "images"
    folder.mkdir()
    picture = cv2.imread(str(sorted((project.folder / "labeled-data").rglob("*.png"))[0]))
    for number in (1, 2, 10):
        cv2.imwrite(str(folder / f"i{number}{suffix}"), picture)
    (folder / f"._i1{suffix}").write_bytes(APPLE_DOUBLE)
    out = tmp_path / "out"
    assert litpose("predict", model_dir, folder, folder / f"i2{suffix}", "-o", out).code == 0
    many = read_pose_csv(out / "images.csv", Content.PREDICTIONS)
    one = read_pose_csv(out / "i2.csv", Content.PREDICTIONS)
    assert (len(many), len(one)) == (3, 1)
    np.testing.assert_allclose(one.points[0], many.points[1], atol=1e-3)


def test_a_hidden_file_that_appears_does_not_make_another_folder_of_images(
    project, model_dir, litpose, tmp_path
):
    folder = tmp_path / "images"
    folder.mkdir()
    for number, image in enumerate(sorted((project.folder / "labeled-data").rglob("*.png"))[:3]):
        shutil.copyfile(image, folder / f"{number}.png")
    arguments = ("predict", model_dir, folder, "-o", tmp_path / "out")
    assert litpose(*arguments).code == 0
    (folder / ".DS_Store").write_bytes(APPLE_DOUBLE)
    outcome = litpose(*arguments)
    assert outcome.code == 0
    assert "there already" in outcome.out


def test_hidden_tables_are_no_label_files(project_with, mixed):
    folder, _ = project_with(mixed)
    (folder / "._CollectedData.csv").write_bytes(APPLE_DOUBLE)
    report = check_project(folder)
    assert not report.errors
    assert "._CollectedData.csv" not in report_text(report)


READER = """
from fractions import Fraction
from lp_data.video.image_source import ImageFolderSource

class PlanarSource(ImageFolderSource):
    priority = 15
    suffixes = frozenset({".planar"})

    @classmethod
    def refusal(cls, path):
        return None if path.suffix == ".planar" else "no planar file"
"""


def test_the_endings_of_a_reader_that_is_plugged_in_count(tmp_path, monkeypatch):
    site = tmp_path / "site"
    info = site / "planar_reader-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planar-reader\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[lp.video_readers]\nplanar = planar_reader:PlanarSource\n"
    )
    (site / "planar_reader.py").write_text(READER)
    monkeypatch.syspath_prepend(str(site))
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "a.planar").write_bytes(b"1")
    assert names(sort_inputs((folder,))[1]) == ["a.planar"]
