"""Let torchcodec decode with the FFmpeg that PyAV brings, where the system has none.

    LD_LIBRARY_PATH="$(python tools/link_ffmpeg.py)" pytest

torchcodec searches the system for FFmpeg's shared libraries by their plain names, such as
`libavcodec.so.62`. PyAV's wheel for Linux holds them under names of its own. This makes a folder in
the environment in which each has both names, and prints the search path with it in front; elsewhere
it prints that path as it is.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import av

_PLAIN = re.compile(r"(?P<stem>lib(?:av|sw)[a-z]+)-[0-9a-f]+\.so\.(?P<major>\d+)\.")


def link(libraries: Path, folder: Path) -> None:
    """Link every file of ``libraries`` into ``folder``, FFmpeg's also under their plain names."""
    folder.mkdir(exist_ok=True)
    for library in libraries.iterdir():
        names = [library.name]
        if found := _PLAIN.match(library.name):
            names.append(f"{found['stem']}.so.{found['major']}")
        for name in names:
            place = folder / name
            if not (place.is_symlink() and place.readlink() == library):
                place.unlink(missing_ok=True)
                place.symlink_to(library)


def main() -> None:
    """Link, and print the search path."""
    libraries = Path(av.__file__).parent.parent / "av.libs"
    path = [os.environ.get("LD_LIBRARY_PATH", "")]
    if sys.platform == "linux" and libraries.is_dir():
        folder = Path(sys.prefix) / "ffmpeg"
        link(libraries, folder)
        path.insert(0, str(folder))
    print(os.pathsep.join(filter(None, path)))


if __name__ == "__main__":
    main()
