"""Predict a video of 100,000 frames: constant memory, a row for each frame, and a kill in between.

    python tools/checks/long_video.py [--frames 100000]

Makes a short synthetic video and repeats it, makes a tiny tracker with random weights, and calls
`litpose predict` on 1,000 and on all frames. Then it predicts all frames once more, kills the
process (SIGKILL) in the middle, and goes on with `--resume`. Printed are the peak memory of each
call and the rows of each table; the tables with and without the kill, and all files beside them,
must be the same, bit for bit. Exits with 1 if anything is not so.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from lp_core.registry import MODELS, load_plugin
from lp_data.testing.encoding import Encoding, encode, lengthen
from lp_io.checkpoint import save_model

SHORT = 1_000
MOST_GROWTH = 1.1


def make_model(folder: Path, model_type: str) -> Path:
    """A model directory with a tiny tracker."""
    kind = load_plugin(MODELS, model_type)
    torch.manual_seed(0)
    options = kind.Options(  # type: ignore[attr-defined]
        keypoint_names=("nose", "tail"),
        image_size=(64, 64),
        backbone="test_resnet",
        backbone_pretrained=False,
    )
    save_model(folder, kind(options), split={}, metrics={})
    return folder


def start(model: Path, video: Path, folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """`litpose predict` as a process."""
    command = [sys.executable, "-m", "lp_pipeline.cli.main", "predict", str(model), str(video)]
    command += ["--device", "cpu", "-o", str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def finish(process: subprocess.Popen[bytes]) -> float:
    """Wait for its end; its peak memory in MiB."""
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit("litpose predict failed")
    return usage.ru_maxrss / 1024


def rows(table: Path) -> int:
    """The rows of a table, less its header."""
    with table.open("rb") as file:
        return sum(1 for _ in file) - 3


def kill_in_the_middle(process: subprocess.Popen[bytes], folder: Path, frames: int) -> int:
    """Kill it when about half of the rows are there; how many there were."""
    done = 0
    while done < frames // 2 and process.poll() is None:
        time.sleep(0.2)
        done = max((rows(file) for file in folder.glob(".*.partial")), default=0)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return done


def same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same files."""
    contents = [{file.name: file.read_bytes() for file in each.iterdir()} for each in (one, other)]
    return contents[0] == contents[1]


def check(folder: Path, frames: int, model_type: str) -> bool:
    """Run the check in an empty folder."""
    model = make_model(folder / "model", model_type)
    clip = encode(folder / "clip.mp4", Encoding(count=500, grain=10))
    videos = {n: lengthen(clip, n, folder / f"long{n}.mp4") for n in (SHORT, frames)}
    peaks, counts = {}, {}
    for number, video in videos.items():
        begun = time.perf_counter()
        peaks[number] = finish(start(model, video, folder / f"whole{number}"))
        seconds = time.perf_counter() - begun
        counts[number] = rows(folder / f"whole{number}" / f"{video.stem}.csv")
        print(
            f"{number} frames: {counts[number]} rows, peak {peaks[number]:.0f} MiB, {seconds:.1f} s"
        )
    killed = folder / "killed"
    done = kill_in_the_middle(start(model, videos[frames], killed), killed, frames)
    print(f"killed after {done} rows")
    peak = finish(start(model, videos[frames], killed, "--resume"))
    alike = same(folder / f"whole{frames}", killed)
    print(f"resumed: peak {peak:.0f} MiB, files {'identical' if alike else 'DIFFERENT'}")
    growth = peaks[frames] / peaks[SHORT]
    print(f"memory grew by a factor of {growth:.3f}")
    return alike and counts == {n: n for n in counts} and growth < MOST_GROWTH


def main() -> None:
    """Run the check and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--model-type", default="heatmap")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        sys.exit(0 if check(Path(name), options.frames, options.model_type) else 1)


if __name__ == "__main__":
    main()
