"""Two trainings never work in one model directory."""

import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from lp_io.errors import FolderInUseError
from lp_io.model_directory import LOCK_FILE
from lp_io.projects.folders import folder_beside
from lp_io.training_lock import TrainingLock, check_free


def sleeper():
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])


def holder_of(folder):
    """Another process that holds the lock of a folder."""
    code = (
        "import sys, pathlib; from lp_io.training_lock import TrainingLock;"
        "TrainingLock(pathlib.Path(sys.argv[1])).acquire(); print('held', flush=True);"
        "import time; time.sleep(600)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == "held"
    return process


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of a folder, and that folder."""
    folder = tmp_path / "model"
    folder.mkdir()
    process = holder_of(folder)
    yield folder, process
    process.kill()
    process.communicate()


def test_a_lock_keeps_out_others_until_its_process_ends(other):
    folder, process = other
    with pytest.raises(FolderInUseError, match=f"process {process.pid} on {socket.gethostname()}"):
        TrainingLock(folder).acquire()
    process.kill()
    time.sleep(0.3)  # dead, though nobody has asked for its exit code yet
    with TrainingLock(folder) as lock:
        lock.acquire()
        assert lock.stale.process == process.pid
        said = json.loads((folder / LOCK_FILE).read_text())
        assert said["process"] == os.getpid()
    assert not (folder / LOCK_FILE).exists()


def test_a_lock_of_another_machine_or_a_damaged_one_is_told(tmp_path):
    said = {"host": "elsewhere", "process": 1, "begun": "", "since": "yesterday"}
    for content in (json.dumps(said), "{"):
        (tmp_path / LOCK_FILE).write_text(content)
        with pytest.raises(FolderInUseError, match="delete") as caught:
            check_free(tmp_path)
        assert str(tmp_path / LOCK_FILE) in str(caught.value)


def test_a_process_of_the_same_number_that_began_later_is_another(tmp_path):
    process = sleeper()
    try:
        said = {"host": socket.gethostname(), "process": process.pid, "begun": "1", "since": "x"}
        (tmp_path / LOCK_FILE).write_text(json.dumps(said))
        assert check_free(tmp_path).process == process.pid
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_no_command_takes_the_folder_of_a_training_that_runs(
    litpose, config_file, model_dir, tiny_training, other
):
    folder, _ = other
    for name in ("config.yaml", "manifest.json"):
        (folder / name).write_bytes((model_dir / name).read_bytes())
    before = sorted(folder.iterdir())
    commands = (
        ("train", config_file, *tiny_training, "-o", folder, "--overwrite"),
        ("train", config_file, *tiny_training, "-o", folder),
        ("train", "--resume", folder),
    )
    for command in commands:
        outcome = litpose(*command)
        assert outcome.code == 2, command
        assert "a training works in this folder" in outcome.err
    with (
        pytest.raises(FolderInUseError, match="a training works"),
        folder_beside(folder, overwrite=True, mark="manifest.json"),
    ):
        pass
    assert sorted(folder.iterdir()) == before
