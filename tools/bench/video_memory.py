"""Peak memory while decoding a long video, beside that for a short one.

    python tools/bench/video_memory.py VIDEO [--frames 1000 100000] [--size 256 256]
                                       [--suffix .mp4] [--reader pyav]

Both videos are made of the packets of VIDEO, over and over again, so that they differ in nothing
but their length. Each is decoded in a process of its own; printed is the most memory that it ever
held (on Linux: VmHWM), and the ratio.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from lp_data.testing.encoding import lengthen

DECODE = """
import sys
from pathlib import Path
from lp_data.video.open import open_video
size = (int(sys.argv[3]), int(sys.argv[4]))
with open_video(Path(sys.argv[1]), reader=sys.argv[2], resize_to=size) as source:
    frames = sum(len(chunk) for chunk in source.chunks(32))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(frames, status["VmHWM"].split()[0])
"""


def peak_of(path: Path, reader: str, size: tuple[int, int]) -> tuple[int, float]:
    """The number of frames decoded, and the peak in MB, of a fresh process."""
    command = [sys.executable, "-c", DECODE, str(path), reader, *map(str, size)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    frames, kilobytes = done.stdout.split()
    return int(frames), int(kilobytes) / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--frames", type=int, nargs=2, default=(1000, 100_000))
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("H", "W"))
    parser.add_argument("--suffix", default=".mp4", help="the container of the videos")
    parser.add_argument("--reader", default="pyav")
    chosen = parser.parse_args()
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for frames in chosen.frames:
            path = Path(folder) / f"{frames}{chosen.suffix}"
            lengthen(chosen.video, frames, path)
            found, peak = peak_of(path, chosen.reader, tuple(chosen.size))
            print(f"{found:8d} frames: {peak:7.1f} MB")
            peaks.append(peak)
    print(f"{100 * (peaks[1] / peaks[0] - 1):+.1f} %")


if __name__ == "__main__":
    main()
