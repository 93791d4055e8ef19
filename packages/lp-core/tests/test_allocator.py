"""Freed buffers stay in the process, unless the user has disabled that."""

import os
import platform
import subprocess
import sys

import pytest

from lp_core.allocator import SWITCH

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")

KEPT = """
import re
from pathlib import Path
import numpy as np
from lp_core.allocator import keep_large_buffers
def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
made = keep_large_buffers()
before = resident()
np.ones(64 << 17)  # 64 MiB, freed at once
print(made, (resident() - before) >> 10)
"""


@pytest.mark.parametrize(("switch", "made"), [("1", True), ("0", False)])
def test_freed_buffers_are_kept_unless_the_switch_is_off(switch, made):
    command = [sys.executable, "-c", KEPT]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, SWITCH: switch}
    )
    told, mebibytes = done.stdout.split()
    assert told == str(made)
    assert (int(mebibytes) > 50) == made


READ_AHEAD = """
import resource
from concurrent.futures import ThreadPoolExecutor
import numpy as np
from lp_core.allocator import keep_large_buffers
keep_large_buffers()
def faults(size):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(size << 17)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
with ThreadPoolExecutor(1) as thread:
    print(*(thread.submit(faults, 100).result() for _ in range(2)))
"""


def test_a_thread_that_reads_ahead_uses_its_buffers_again():
    """A chunk of large frames is more than the arena of a thread holds."""
    command = [sys.executable, "-c", READ_AHEAD]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = map(int, done.stdout.split())
    assert second < first / 10
