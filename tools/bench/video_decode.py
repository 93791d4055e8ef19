"""Decode and resize one video: ours beside OpenCV, PyAV and torchcodec used plainly.

    python tools/bench/video_decode.py VIDEO [--size 256 256] [--rounds 5]

All ways run in turn, round after round, in one process, so that the load of the machine falls on
all alike. Printed are the best and the median frames per second, and how much faster ours is.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import av
import cv2
import numpy as np

from lp_data.video.index import build_index
from lp_data.video.pyav_source import PyAVSource

Size = tuple[int, int]


def ours(path: Path, size: Size) -> int:
    """Our default reader, the file's index included."""
    with PyAVSource(path, resize_to=size) as source:
        return sum(len(chunk) for chunk in source.chunks(32))


def opencv(path: Path, size: Size) -> int:
    """``cv2.VideoCapture`` and ``cv2.resize``."""
    capture, count = cv2.VideoCapture(str(path)), 0
    while (found := capture.read())[0]:
        cv2.resize(found[1], size[::-1])
        count += 1
    capture.release()
    return count


def pyav(path: Path, size: Size) -> int:
    """PyAV to RGB and ``cv2.resize``, decoding on several threads."""
    count = 0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            cv2.resize(frame.to_ndarray(format="rgb24"), size[::-1])
            count += 1
    return count


def torchcodec(path: Path, size: Size) -> int:
    """Torchcodec in chunks of 32 and ``cv2.resize``."""
    from torchcodec.decoders import VideoDecoder

    decoder = VideoDecoder(str(path), dimension_order="NHWC", num_ffmpeg_threads=0)
    for start in range(0, len(decoder), 32):
        stop = min(start + 32, len(decoder))
        for frame in decoder.get_frames_in_range(start, stop).data.numpy():
            cv2.resize(frame, size[::-1])
    return len(decoder)


WAYS: dict[str, Callable[[Path, Size], int]] = {
    "ours": ours,
    "OpenCV": opencv,
    "PyAV": pyav,
    "torchcodec": torchcodec,
}


def measure(path: Path, size: Size, rounds: int) -> dict[str, list[float]]:
    """Frames per second of each way that works here, in each round."""
    speeds: dict[str, list[float]] = {}
    for way, run in WAYS.items():
        try:
            run(path, size)  # imports, and the file into the cache
            speeds[way] = []
        except (ImportError, RuntimeError) as error:
            print(f"{way} is left out: {str(error).splitlines()[0]}")
    for _ in range(rounds):
        for way, found in speeds.items():
            start = time.perf_counter()
            frames = WAYS[way](path, size)
            found.append(frames / (time.perf_counter() - start))
    return speeds


def report(speeds: dict[str, list[float]]) -> None:
    """Print a table of the speeds, and by how much ours is faster."""
    own = statistics.median(speeds["ours"])
    print(f"{'decode + resize':16s}{'best':>8s}{'median':>8s}  ours is")
    for way, found in speeds.items():
        middle = statistics.median(found)
        ratio = "" if way == "ours" else f"{own / middle:.2f} times as fast"
        print(f"{way:16s}{max(found):8.0f}{middle:8.0f}  {ratio}")


def random_access(path: Path, size: Size, frames: int = 30) -> None:
    """Print how many single frames a second come from random places."""
    places = np.random.default_rng(0).integers(0, len(build_index(path)), frames).tolist()
    with closing(PyAVSource(path, resize_to=size)) as source:
        start = time.perf_counter()
        for place in places:
            source.read_indices([place])
    print(f"random single frames, ours: {frames / (time.perf_counter() - start):.0f} per second")


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("video", type=Path)
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), metavar=("H", "W"))
    parser.add_argument("--rounds", type=int, default=5)
    chosen = parser.parse_args()
    size = (chosen.size[0], chosen.size[1])
    start = time.perf_counter()
    count = len(build_index(chosen.video))
    print(f"{count} frames; index found in {1000 * (time.perf_counter() - start):.0f} ms")
    report(measure(chosen.video, size, chosen.rounds))
    random_access(chosen.video, size)


if __name__ == "__main__":
    main()
