"""Let another process read the risky parts of an HDF5 file first.

The HDF5 library itself crashes, or loops, on some damaged values of variable length. What happens
to a short-lived process does not happen to the user's.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lp_io.untrusted.content import ContentError

_CPU_SECONDS = 10
_SECONDS = 300  # for systems that cannot limit the time of computing
_SCRIPT = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except (ImportError, OSError, ValueError):
    pass
import h5py

def look(name, node):
    for attribute in node.attrs:
        node.attrs[attribute]
    if isinstance(node, h5py.Dataset) and node.dtype.hasobject and not name.endswith("/video"):
        node[()]

try:
    with h5py.File(sys.argv[1], "r") as file:
        look("", file)
        file.visititems(look)
except Exception:
    pass  # an exception can be told in the user's process too
"""


def check_readable(path: Path) -> None:
    """Read the values of variable length in another process.

    Raises:
        ContentError: The process crashed, or did not come to an end.
    """
    if getattr(sys, "frozen", False):
        return  # the executable is somebody's application, not Python
    script = _SCRIPT.replace("SECONDS", str(_CPU_SECONDS))
    command = [sys.executable, "-I", "-c", script, str(path.absolute())]
    try:
        # The command is this very interpreter with the script above.
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise ContentError("the HDF5 file is damaged: reading it does not end") from error
    if done.returncode:
        raise ContentError("the HDF5 file is damaged: the HDF5 library fails on it")
