"""The labelled loader and heatmap targets on one core: ours beside Lightning Pose.

    python tools/bench/labeled_loader.py PROJECT [--peer-python PEER/bin/python] [--rounds 3]

Measured are samples per second with the `dlc` preset, in batches of 16 with their heatmap targets:
the first epoch, in which images are decoded, and later ones; and milliseconds for the heatmap
targets of a batch of 32 alone. Each side runs in a process of its own, without workers, bound to
one core, and the two take turns. README.md beside this file tells how to make the peer's
environment; without it, ours is measured alone.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

BATCH, TARGETS, SIDE, CELLS, KEYPOINTS = 16, 32, 256, 64, 17
LABELS = "CollectedData.csv"
Epoch = Callable[[], Iterator[int]]
"""Loads every sample once, and yields how many images each batch has."""


def our_epoch(project: Path) -> Epoch:
    """Ours: targets are made for the batch."""
    from torch.utils.data import DataLoader

    from lp_core.geometry.targets import heatmap_targets
    from lp_data.augmentation.build import build_augmenter
    from lp_data.datasets.labeled import LabeledDataset, collate
    from lp_data.labels import read_labels

    table = read_labels(project / LABELS)
    augmenter = build_augmenter("dlc", table.skeleton)
    dataset = LabeledDataset(table, project, (SIDE, SIDE), augmenter=augmenter)

    def epoch() -> Iterator[int]:
        for batch in DataLoader(dataset, batch_size=BATCH, collate_fn=collate):
            heatmap_targets(
                batch["keypoints"], (SIDE, SIDE), (CELLS, CELLS), visibility=batch["visibility"]
            )
            yield len(batch["images"])

    return epoch


def public_epoch(project: Path) -> Epoch:
    """The public package: targets are made for each sample."""
    from lightning_pose.data.augmentations import expand_imgaug_str_to_dict, imgaug_transform
    from lightning_pose.data.datasets import HeatmapDataset
    from torch.utils.data import DataLoader

    transform = imgaug_transform(expand_imgaug_str_to_dict("dlc"))
    dataset = HeatmapDataset(str(project), LABELS, SIDE, SIDE, imgaug_transform=transform)

    def epoch() -> Iterator[int]:
        for batch in DataLoader(dataset, batch_size=BATCH):
            yield len(batch["heatmaps"])

    return epoch


def our_targets(points: Any) -> object:
    """Our heatmap targets of a batch."""
    from lp_core.geometry.targets import heatmap_targets

    return heatmap_targets(points, (SIDE, SIDE), (CELLS, CELLS))


def public_targets(points: Any) -> object:
    """The public package's heatmap targets of a batch."""
    from lightning_pose.data.heatmaps import generate_heatmaps

    return generate_heatmaps(points, SIDE, SIDE, (CELLS, CELLS))


def measure(side: str, project: Path, epochs: int) -> dict[str, float]:
    """Samples per second, and milliseconds, of one side, in this process on one core."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    epoch = our_epoch(project) if side == "ours" else public_epoch(project)
    rates = []
    for _ in range(epochs + 1):
        start = time.perf_counter()
        rates.append(sum(epoch()) / (time.perf_counter() - start))
    targets = our_targets if side == "ours" else public_targets
    points = 20 + 216 * torch.rand(TARGETS, KEYPOINTS, 2)
    times = []
    for _ in range(50):
        start = time.perf_counter()
        targets(points)
        times.append(1e3 * (time.perf_counter() - start))
    later, alone = statistics.median(rates[1:]), statistics.median(times)
    return {"first epoch, samples/s": rates[0], "later, samples/s": later, "targets, ms": alone}


def measured(python: str, side: str, project: Path, epochs: int) -> dict[str, float]:
    """What one side measures in a process of its own."""
    command = [python, __file__, str(project), "--side", side, "--epochs", str(epochs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise SystemExit(f"{side} cannot be measured:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def report(found: dict[str, list[dict[str, float]]]) -> None:
    """Print the medians of all rounds, and how many times as fast ours is."""
    for name in found["ours"][0]:
        medians = {
            side: statistics.median(each[name] for each in all_) for side, all_ in found.items()
        }
        line = "".join(f"  {side} {value:8.2f}" for side, value in medians.items())
        if "public" in medians:
            ratio = medians["ours"] / medians["public"]
            line += f"  ours is {1 / ratio if 'ms' in name else ratio:.1f} times as fast"
        print(f"{name:24s}{line}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, help=f"a folder with {LABELS}")
    parser.add_argument("--peer-python", help="the Python of an environment with the peer")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3, help="later epochs of each round")
    parser.add_argument("--side", choices=("ours", "public"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.side:
        print(json.dumps(measure(chosen.side, chosen.project, chosen.epochs)))
        return
    pythons = {"ours": sys.executable}
    if chosen.peer_python:
        pythons["public"] = chosen.peer_python
    found: dict[str, list[dict[str, float]]] = {side: [] for side in pythons}
    for _ in range(chosen.rounds):
        for side, python in pythons.items():
            found[side].append(measured(python, side, chosen.project, chosen.epochs))
    report(found)


if __name__ == "__main__":
    main()
