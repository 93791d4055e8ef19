"""Python's garbage collector stays out of the way of commands, and comes back."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from lp_pipeline.cli.garbage import nothing_collected


class Node:
    """Something that can refer to itself."""


def lost_circle() -> weakref.ref[Node]:
    """Garbage that only the collector can find."""
    node = Node()
    node.me = node
    return weakref.ref(node)


@pytest.fixture
def collecting():
    assert gc.isenabled()
    yield
    gc.unfreeze()
    gc.enable()


def test_nothing_is_collected_within_and_all_that_comes_later_is(collecting):
    with nothing_collected():
        within = lost_circle()
        assert not gc.isenabled()
        assert within() is not None
    later = lost_circle()
    gc.collect()
    assert later() is None
    assert gc.isenabled()
    gc.unfreeze()
    gc.collect()
    assert within() is None


def test_an_error_within_brings_the_collector_back(collecting):
    with pytest.raises(KeyError), nothing_collected():
        raise KeyError
    assert gc.isenabled()


ENDS = """
import gc
from lp_pipeline.cli.garbage import end_without_collecting, nothing_collected
end_without_collecting()
with nothing_collected():
    {inside}
"""


def test_libraries_that_count_what_was_not_freed_have_nothing_to_say():
    pytest.importorskip("triton", reason="torch brings it on Linux only")
    code = ENDS.format(inside="import triton")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert not done.returncode
    assert not done.stderr


def test_files_left_open_are_still_written(tmp_path):
    code = ENDS.format(inside=f"file = open({str(tmp_path / 'text')!r}, 'w'); file.write('end')")
    subprocess.run([sys.executable, "-c", code], check=True)
    assert (tmp_path / "text").read_text() == "end"
