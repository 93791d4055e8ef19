"""Heatmaps to keypoints and keypoints to heatmaps: ours beside Lightning Pose.

    python tools/bench/decode_heatmaps.py [--rounds 20]

Prints the median milliseconds of one call on 16×17 maps of 64×64 cells (targets: a batch of 32),
the mean error on perfect Gaussians, and ratios. Both sides run in turn, round after round, in one
process.

The public package is measured where it can be imported, for example in an environment made by
`uv pip install --no-deps lightning-pose==2.4.3` beside its dependencies and lp-core.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from lp_core.geometry.decoding import decode_heatmaps
from lp_core.geometry.targets import heatmap_targets

IMAGE, CELLS = (256, 256), (64, 64)
Work = Callable[[], object]


def with_gradients(decode: Callable[[torch.Tensor], torch.Tensor], maps: torch.Tensor) -> Work:
    """A forward and a backward pass through ``decode``."""

    def work() -> None:
        leaf = maps.clone().requires_grad_()
        decode(leaf).sum().backward()

    return work


def our_work(maps: torch.Tensor, keypoints: torch.Tensor) -> dict[str, Work]:
    """What is measured of lp."""

    def forward() -> object:
        with torch.no_grad():
            return decode_heatmaps(maps, IMAGE)

    return {
        "forward": forward,
        "with gradients": with_gradients(lambda leaf: decode_heatmaps(leaf, IMAGE)[0], maps),
        "targets": lambda: heatmap_targets(keypoints, IMAGE, CELLS),
    }


def public_work(maps: torch.Tensor, keypoints: torch.Tensor) -> dict[str, Work]:
    """The same of Lightning Pose; empty where it cannot be imported."""
    try:
        from lightning_pose.data.heatmaps import generate_heatmaps
        from lightning_pose.models.heads.heatmap import run_subpixelmaxima
    except ImportError:
        return {}
    temperature = torch.tensor(1000.0)

    def forward() -> object:
        with torch.no_grad():
            return run_subpixelmaxima(maps, 2, temperature)

    return {
        "forward": forward,
        "with gradients": with_gradients(
            lambda leaf: run_subpixelmaxima(leaf, 2, temperature)[0], maps
        ),
        "targets": lambda: generate_heatmaps(keypoints, *IMAGE, CELLS),
    }


def medians(sides: dict[str, Work], rounds: int) -> dict[str, float]:
    """Median milliseconds of each piece of work; they run in turn."""
    times: dict[str, list[float]] = {name: [] for name in sides}
    for work in sides.values():
        work()
    for _ in range(rounds):
        for name, work in sides.items():
            start = time.perf_counter()
            work()
            times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    generator = torch.Generator().manual_seed(0)
    keypoints = 20 + 216 * torch.rand(16, 17, 2, generator=generator)
    maps = heatmap_targets(keypoints, IMAGE, CELLS)
    batch = 20 + 216 * torch.rand(32, 17, 2, generator=generator)
    ours, public = our_work(maps, batch), public_work(maps, batch)
    sides = {f"ours {name}": work for name, work in ours.items()}
    sides |= {f"public {name}": work for name, work in public.items()}
    result = medians(sides, rounds)
    error = (decode_heatmaps(maps, IMAGE)[0] - keypoints).norm(dim=-1).mean()
    print(f"mean error on perfect Gaussians: {error:.6f} px")
    for name in ours:
        line = f"{name:16} ours {result[f'ours {name}']:8.2f} ms"
        if public:
            theirs = result[f"public {name}"]
            ratio = theirs / result[f"ours {name}"]
            line += f"   public {theirs:8.2f} ms   ours is {ratio:.1f} times as fast"
        print(line)
    if not public:
        print("Lightning Pose is not installed here, so it was not measured")


if __name__ == "__main__":
    main()
