"""How long `litpose predict` takes on a video of ten frames, beside what cannot be avoided.

    python tools/bench/start_up.py MODEL_DIR VIDEO [--rounds 5] [--imports]

Printed are the medians, over rounds in which the sides take turns, of the elapsed and the processor
time of fresh processes: importing torch and reading the weights; the same, and importing timm and
Lightning; the first, and building the tracker; and the whole command on the first ten frames of
VIDEO. With `--imports`, the slowest imports of the
command are listed as well.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from lp_data.testing.encoding import lengthen

FRAMES = 10
READ = """
import sys, torch
from pathlib import Path
from lp_io.tensor_file import read_tensor_file
read_tensor_file(Path(sys.argv[1]) / "model.safetensors")
"""
LIBRARIES = READ + "import timm, pytorch_lightning"
BUILD = """
import sys, torch
from pathlib import Path
from lp_io.checkpoint import load_model
load_model(Path(sys.argv[1]))
"""
COMMAND = "lp_pipeline.cli.main"


def timed(command: list[str]) -> tuple[float, float]:
    """Elapsed and processor seconds of a process."""
    start, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - start, used - before.children_user - before.children_system


def slow_imports(command: list[str], count: int = 25) -> list[str]:
    """The lines of `-X importtime` with the most time, their own imports included."""
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")][1:]
    return sorted(lines, key=lambda line: -int(line.split("|")[1]))[:count]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--imports", action="store_true", help="list the slowest imports")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        video = lengthen(options.video, FRAMES, folder / "ten.mp4")
        predict = [sys.executable, "-m", COMMAND, "predict", str(options.model_dir), str(video)]
        predict += ["-o", str(folder), "--overwrite", "--device", "cpu"]
        python = [sys.executable, "-c"]
        commands = {
            "import torch, read the weights": [*python, READ, str(options.model_dir)],
            "and import timm and Lightning": [*python, LIBRARIES, str(options.model_dir)],
            "and build the tracker": [*python, BUILD, str(options.model_dir)],
            "litpose predict": predict,
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for _ in range(options.rounds):
            for name, command in commands.items():
                times[name].append(timed(command))
        medians = {
            name: [statistics.median(column) for column in zip(*all_, strict=True)]
            for name, all_ in times.items()
        }
        least = next(iter(medians.values()))
        for name, (elapsed, used) in medians.items():
            print(
                f"{name:32} {elapsed:6.2f} s ({elapsed / least[0]:.2f} times)"
                f"   processor {used:6.2f} s ({used / least[1]:.2f} times)"
            )
        if options.imports:
            print(*slow_imports(predict), sep="\n")


if __name__ == "__main__":
    main()
