"""A save that is killed at any moment leaves the old model or the new one, never half of one."""

import os
import resource
import signal
import sys
import traceback
from contextlib import contextmanager

import pytest
import torch

from lp_io.checkpoint import load_model, save_model
from lp_io.errors import CheckpointError

TOUCHES_DISK = {"open", "os.rename", "os.remove", "os.mkdir", "os.truncate"}


def run_and_kill(folder, function, at_event):
    """Run ``function`` in a child, killed at its n-th operation on ``folder``; True if it was."""
    child = os.fork()
    if child == 0:
        seen = 0

        def audit(event, arguments):
            nonlocal seen
            if event in TOUCHES_DISK and str(arguments[0]).startswith(str(folder)):
                seen += 1
                if seen == at_event:
                    os.kill(os.getpid(), signal.SIGKILL)

        try:
            sys.addaudithook(audit)
            function()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0
    return os.WIFSIGNALED(status)


def bias(folder):
    return load_model(folder).tracker.head[0].bias[0].item()


@pytest.fixture
def trackers(make_tracker):
    made = {value: make_tracker() for value in (1.0, 2.0, 3.0)}
    for value, tracker in made.items():
        torch.nn.init.constant_(tracker.head[0].bias, value)
    return made


def test_killed_at_every_file_operation(trackers, tmp_path):
    save_model(tmp_path, trackers[1.0])
    outcomes, event = [], 1
    while run_and_kill(tmp_path, lambda: save_model(tmp_path, trackers[2.0]), event):
        outcomes.append(bias(tmp_path))
        # the next save starts from what the killed one left, and may be killed itself
        run_and_kill(tmp_path, lambda: save_model(tmp_path, trackers[3.0]), 1 + event % 7)
        assert bias(tmp_path) in {outcomes[-1], 3.0}
        save_model(tmp_path, trackers[1.0])
        assert bias(tmp_path) == 1.0
        assert len(list(tmp_path.iterdir())) == 2
        event += 1
    assert event > 5
    assert set(outcomes) == {1.0, 2.0}
    assert bias(tmp_path) == 2.0


def test_the_first_save_killed_is_no_model(trackers, tmp_path):
    folder = tmp_path / "model"
    event = 1
    while run_and_kill(folder, lambda: save_model(folder, trackers[1.0]), event):
        if (folder / "manifest.json").exists():
            assert bias(folder) == 1.0
        else:
            with pytest.raises(CheckpointError, match="no saved model"):
                load_model(folder)
        event += 1


def test_a_full_disk_leaves_the_old_model(trackers, tmp_path):
    save_model(tmp_path, trackers[1.0])
    with no_room_for_files(), pytest.raises(CheckpointError, match="File too large") as caught:
        save_model(tmp_path, trackers[2.0])
    assert "make room" in str(caught.value.remedy)
    assert bias(tmp_path) == 1.0
    assert len(list(tmp_path.iterdir())) == 2


@contextmanager
def no_room_for_files():
    """The system refuses to write more than a few bytes to any file."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)


def test_others_may_read_what_is_saved(trackers, tmp_path):
    before = os.umask(0o022)
    try:
        save_model(tmp_path, trackers[1.0])
    finally:
        os.umask(before)
    assert {oct(item.stat().st_mode & 0o777) for item in tmp_path.iterdir()} == {"0o644"}


def test_what_a_power_cut_left_of_the_weights_is_removed(trackers, tmp_path):
    (tmp_path / ".tmpA1b2C3").write_bytes(b"half of the weights")
    save_model(tmp_path, trackers[1.0])
    assert len(list(tmp_path.iterdir())) == 2
