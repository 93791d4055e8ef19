"""``litpose predict`` with many inputs: killed, resumed, and one of them broken."""

import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch

from lp_core.poses import Content, read_pose_csv
from lp_data.testing.encoding import lengthen
from lp_io.checkpoint import load_model, save_model

LONG = 400


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


@pytest.fixture(scope="module")
def long_video(project, tmp_path_factory):
    return lengthen(project.test_video, LONG, tmp_path_factory.mktemp("videos") / "long.mp4")


@pytest.mark.slow
def test_a_killed_prediction_is_resumed_to_the_same_bytes(litpose, model_dir, long_video, tmp_path):
    arguments = ("predict", model_dir, long_video, "--batch-size", 4, "-o")
    assert litpose(*arguments, tmp_path / "whole").code == 0
    folder = tmp_path / "killed"
    process = subprocess.Popen(
        [sys.executable, "-m", "lp_pipeline.cli.main", *map(str, arguments), str(folder)],
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
    while process.poll() is None and not any(
        file.stat().st_size > 5000 for file in folder.glob(".long.csv.*.partial")
    ):
        time.sleep(0.001)
    assert process.poll() is None
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "long.csv").exists()
    outcome = litpose(*arguments, folder, "--resume")
    assert outcome.code == 0
    assert "of them earlier" in " ".join(outcome.out.split())
    assert len(read_pose_csv(folder / "long.csv", Content.PREDICTIONS)) == LONG
    assert content(folder) == content(tmp_path / "whole")


def test_ctrl_c_says_that_it_stopped_and_what_is_kept(model_dir, long_video, tmp_path):
    arguments = map(str, ("predict", model_dir, long_video, "--batch-size", 4, "-o", tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-m", "lp_pipeline.cli.main", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and not list(tmp_path.glob(".long.csv.*.partial")):
        time.sleep(0.001)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "stopped\n"
    assert "go on with the same and --resume" in " ".join(out.split())
    assert not (tmp_path / "long.csv").exists()


def test_a_broken_video_does_not_stop_the_others(litpose, model_dir, project, long_video, tmp_path):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"no video at all")
    inputs = (project.test_video, broken, long_video)
    outcome = litpose("predict", model_dir, *inputs, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "1 of 3 inputs could not be predicted" in outcome.err
    assert "broken.mp4" in outcome.err
    assert len(read_pose_csv(tmp_path / "out" / "long.csv", Content.PREDICTIONS)) == LONG
    assert (tmp_path / "out" / f"{project.test_video.stem}.csv").exists()
    frames = LONG + len(
        read_pose_csv(tmp_path / "out" / f"{project.test_video.stem}.csv", Content.PREDICTIONS)
    )
    assert f"2 videos: {frames} frames in" in " ".join(outcome.out.split())


def test_what_is_done_is_skipped_unless_it_is_to_be_overwritten(
    litpose, model_dir, project, tmp_path
):
    arguments = ("predict", model_dir, project.test_video, "-o", tmp_path)
    litpose(*arguments)
    table = tmp_path / f"{project.test_video.stem}.csv"
    made = table.stat().st_mtime_ns
    assert "is there already" in " ".join(litpose(*arguments, "--resume").out.split())
    assert table.stat().st_mtime_ns == made
    assert litpose(*arguments, "--overwrite").code == 0
    assert table.stat().st_mtime_ns > made


def test_a_table_of_another_video_is_not_taken_for_its_own(
    litpose, model_dir, project, long_video, tmp_path
):
    video = tmp_path / "cam.mp4"
    shutil.copyfile(project.test_video, video)
    arguments = ("predict", model_dir, video, "-o", tmp_path / "out")
    assert litpose(*arguments).code == 0
    before = content(tmp_path / "out")
    shutil.copyfile(project.test_video, video)  # a copy is another file with the same frames
    assert litpose(*arguments).code == 0
    shutil.copyfile(long_video, video)
    for more in ((), ("--resume", "--labeled-video")):
        outcome = litpose(*arguments, *more)
        assert outcome.code == 2
        assert "not the video that was predicted there" in " ".join(outcome.err.split())
    assert content(tmp_path / "out") == before
    assert litpose(*arguments, "--overwrite").code == 0
    assert len(read_pose_csv(tmp_path / "out" / "cam.csv", Content.PREDICTIONS).frame) == LONG


def test_a_table_of_another_model_is_not_taken_for_its_own(litpose, model_dir, project, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(model_dir, other)
    tracker = load_model(other).tracker
    with torch.no_grad():
        next(tracker.parameters()).add_(1e-3)
    save_model(other, tracker)
    arguments = (project.test_video, "-o", tmp_path / "out")
    assert litpose("predict", model_dir, *arguments).code == 0
    outcome = litpose("predict", other, *arguments)
    assert outcome.code == 2
    assert "another model" in outcome.err
    assert litpose("predict", other, *arguments, "--overwrite").code == 0
    assert litpose("predict", other, *arguments).code == 0


def test_two_videos_of_one_name_are_refused_before_anything_is_written(
    litpose, model_dir, project, tmp_path
):
    other = tmp_path / project.test_video.name
    other.write_bytes(project.test_video.read_bytes())
    outcome = litpose("predict", model_dir, project.test_video, other, "-o", tmp_path / "out")
    assert outcome.code == 2
    assert "into the same file" in outcome.err
    assert not (tmp_path / "out").exists()
