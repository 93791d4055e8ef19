"""Smooth the tables of three members of an ensemble: ours beside ensemble-kalman-smoother.

    python tools/bench/smooth.py WORK --peer-python peer/bin/python [--frames 100000] [--search]

Prints, of both sides, the seconds of the processor of the smoother alone (arrays to arrays) and of
everything (tables to table), the peak memory, and the ratios; and how far the smoothed positions
and variances are from each other, where both take the same medians, variances and smoothness. With
``--search`` both look for the smoothness; ours then drops outliers too.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from lp_analysis.smoothing import (
    Motion,
    Observations,
    OneView,
    Outputs,
    Sample,
    Search,
    Smoother,
    SmoothingOptions,
    find_parameters,
    smooth_tables,
)
from lp_analysis.smoothing.source import sampled
from lp_io.predictions import read_predictions
from lp_io.predictions.smoothed import EnsembleTable, smoothed_writer

KEYPOINTS = 17


def members(folder: Path, frames: int) -> list[Path]:
    """The tables of three members, made once: random walks of 1 px, with noise of 1 px."""
    paths = [folder / f"{frames}_{member}.csv" for member in range(3)]
    if all(path.exists() for path in paths):
        return paths
    random = np.random.default_rng(0)
    steps = random.normal(0, 1, (frames, KEYPOINTS, 2))
    truth = 300 + 0.2 * np.cumsum(steps, axis=0)
    for path in paths:
        noisy = truth + random.normal(0, 1, truth.shape)
        values = np.concatenate([noisy, random.uniform(0.8, 1, (frames, KEYPOINTS, 1))], axis=-1)
        names = [f"k{number}" for number in range(KEYPOINTS)]
        with smoothed_writer(path, names, (), scorer="member") as append:
            append(range(frames), values[:, None])
    return paths


def alone(medians: Path, smoothness: float | None) -> float:
    """Seconds of the processor of our smoother on arrays, with the search if there is one."""
    table = EnsembleTable(medians)
    seen = Observations(table.frames, KEYPOINTS, 1)
    for frames, points, variance, _ in table.parts(4096):
        seen.points.write(frames.start, points[:, 0, :, None])
        seen.variance.write(frames.start, variance[:, 0, :, None])
    start = time.process_time()
    sample = Sample(sampled(seen.points), sampled(seen.variance), OneView())
    noise = np.full(KEYPOINTS, smoothness or 1.0)
    if smoothness is None:
        found = find_parameters(sample, Search())
        noise, seen.scale = found.noise, found.scale
    Smoother(seen, OneView(), Motion("position", np.repeat(noise, 2), *sample.start())).run()
    return time.process_time() - start


def peak_memory() -> float:
    """MB, on Linux; the resource module also counts what the parent had before this one began."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def ours(tables: list[Path], medians: Path, smoothness: float | None, work: Path) -> None:
    """Print our side, as `smooth_peer.py` prints the other."""
    options = SmoothingOptions(smoothness=smoothness, gate=None if smoothness else 20.0)
    start = time.process_time()
    smooth_tables({"": tables}, Outputs({"": work / "ours.csv"}), options)
    everything = time.process_time() - start
    megabytes = peak_memory()
    found = {"all": [everything], "smoother": [alone(medians, smoothness)]}
    print(json.dumps({**found, "megabytes": megabytes}))


def said_by(command: list[object]) -> dict[str, Any]:
    """What a side prints in its last line."""
    said = subprocess.run([*map(str, command)], check=True, capture_output=True, text=True)
    return json.loads(said.stdout.splitlines()[-1])


def main() -> None:
    """Measure both sides, and compare what they give."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path)
    parser.add_argument("--peer-python", type=Path)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--smoothness", type=float, default=10.0)
    parser.add_argument("--search", action="store_true")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    smoothness = None if given.search else given.smoothness
    tables, theirs = members(given.work, given.frames), given.work / "theirs.csv"
    if given.peer_python is None:  # the side of ours, in a process of its own
        ours(tables, theirs, smoothness, given.work)
        return
    value = [] if given.search else ["--smoothness", smoothness]
    command = [given.peer_python, Path(__file__).with_name("smooth_peer.py"), *tables]
    peer = said_by([*command, "--output", theirs, *value])
    how = ["--search"] if given.search else value
    own = said_by([sys.executable, __file__, given.work, "--frames", given.frames, *how])
    for what in ("smoother", "all"):
        one, other = own[what][0], peer[what][0]
        print(f"{what:8} ours {one:7.2f} s  peer {other:7.2f} s  {other / one:6.1f} times")
    print(f"memory   ours {own['megabytes']:7.0f} MB peer {peer['megabytes']:7.0f} MB")
    if smoothness is not None:
        compare(theirs, given.work / "same.csv", smoothness)


def compare(theirs: Path, ours: Path, smoothness: float) -> None:
    """Smooth the medians of the peer with its variances, and look at the differences."""
    options = SmoothingOptions(smoothness=smoothness, gate=None, least_noise=1e-3)
    smooth_tables({"": [theirs]}, Outputs({"": ours}, nine_columns=True), options)
    one, other = read_predictions(theirs), read_predictions(ours)
    off = np.abs(one.points - other.points)
    deviations = [
        np.sqrt(np.diagonal(table.covariance, axis1=-2, axis2=-1)) for table in (one, other)
    ]
    unsure = np.abs(deviations[0] - deviations[1])
    print(f"largest difference: {off.max():.2g} px, of standard deviations {unsure.max():.2g} px")


if __name__ == "__main__":
    main()
