"""Does the same config learn as well here as in Lightning Pose? Errors on held-out frames.

    python tools/bench/learning.py PROJECT --peer-python PEER/bin/python --seeds 0 1 2 3 --out OUT

Both sides train ResNet-18 from random weights at 128×128 px with the `dlc` preset, batches of 8 and
a heatmap's mean squared error, with the backbone frozen for 20 epochs, on the same 80 % of the
frames. The best epoch is chosen by half of the others, and the errors, in frame px, are those of
all the others. Each training's heatmaps are read by our decoding and by Lightning Pose's, so that
what a network learnt and how it is read can be told apart. Variants of ours change one thing each.
Written to OUT: `learning.md`, `learning.json`, and heatmaps as `heatmaps-*.npz`. README.md beside
this file tells how to make the peer's environment.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from pathlib import Path
from typing import Any

import learning_sides as sides
import numpy as np

PEER = "Lightning Pose"
MEASURES = ("median", "mean", "90 %")
LARGEST_FILE = 14_000_000
Errors = dict[str, list[float]]


def run_one(options: argparse.Namespace, variant: str, seed: int, folder: Path) -> dict[str, Any]:
    """Train one variant, here or in a process of the peer's environment."""
    started = time.perf_counter()
    if variant == PEER:
        found = _run_peer(options, seed, folder)
    else:
        import torch

        torch.set_num_threads(1)
        found = sides.train_ours(
            options.project, variant, seed, options.epochs, options.device, folder
        )
    return {**found, "seconds": time.perf_counter() - started}


def _run_peer(options: argparse.Namespace, seed: int, folder: Path) -> dict[str, Any]:
    """Train the peer in a process of its own, which leaves what it found in a file."""
    file = folder.with_suffix(".npz")
    command = [options.peer_python, __file__, str(options.project), "--peer-result", str(file)]
    command += ["--seeds", str(seed), "--epochs", str(options.epochs)]
    environment = {**os.environ, "PYTHONPATH": str(options.peer_path or "")}
    if options.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise RuntimeError(f"Lightning Pose cannot be trained:\n{done.stderr[-3000:]}")
    with np.load(file) as found:
        return dict(found)


def run_all(options: argparse.Namespace, folder: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Every training that ends within the budget; a seed's before the next one's."""
    deadline = time.monotonic() + options.budget
    variants = [PEER] * bool(options.peer_python) + options.variants
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(options.jobs, mp_context=context)
    running: dict[Future[dict[str, Any]], tuple[str, int]] = {}
    for seed, variant in itertools.product(options.seeds, variants):
        place = folder / f"{variants.index(variant)}-{seed}"
        running[pool.submit(run_one, options, variant, seed, place)] = (variant, seed)
    while running and (left := deadline - time.monotonic()) > 0:
        done, _ = wait(running, timeout=left, return_when=FIRST_COMPLETED)
        for future in done:
            variant, seed = running.pop(future)
            if (error := future.exception()) is not None:
                print(f"{variant}, seed {seed}: {error}", file=sys.stderr, flush=True)
                continue
            print(f"{variant}, seed {seed}: {future.result()['seconds']:.0f} s", flush=True)
            yield variant, seed, future.result()
    for process in list((pool._processes or {}).values()) if running else []:
        process.terminate()
    pool.shutdown(wait=not running, cancel_futures=True)


# ----------------------------------------------------------------------------------------- errors
class HeldOut:
    """The frames that no side learns from, with their labels in frame px."""

    def __init__(self, project: Path) -> None:
        from lp_data.images import read_image
        from lp_data.labels import read_labels

        table = read_labels(project / "CollectedData.csv")
        _, validation, test = sides.split(len(table))
        rows = [*validation, *test]
        sizes = [read_image(project / table.image_paths[row]).shape[:2] for row in rows]
        self.keypoints = table.points[rows]
        self.scales = np.array(sizes)[:, None, ::-1] / sides.SIDE

    def errors(self, frame_points: np.ndarray) -> list[float]:
        """Distances of the labelled keypoints, in frame px."""
        distances = np.linalg.norm(frame_points - self.keypoints, axis=-1)
        return [float(value) for value in distances[np.isfinite(distances)]]

    def read(self, maps: np.ndarray, *, ours: bool) -> dict[str, list[float]]:
        """Errors by decoder, with the coordinates by which the network learnt.

        Model px of Lightning Pose are scaled to frame px without regard to pixel centres, and its
        heatmap cell c is at 4 c model px.
        """
        found = {}
        for decoder, points in decoded(maps).items():
            if ours:
                found[decoder] = self.errors((points + 0.5) * self.scales - 0.5)
            else:
                found[decoder] = self.errors((points - 1.5) * self.scales)
        return found


def decoded(maps: np.ndarray) -> dict[str, np.ndarray]:
    """(N, K, 2) by decoder, in the pixels of the enlarged map, counted from their centres."""
    import torch

    from lp_core.geometry.decoding import decode_heatmaps
    from lp_models.heatmap.soft_argmax import soft_argmax

    given = torch.from_numpy(maps).float()
    local, _ = decode_heatmaps(given, (sides.SIDE, sides.SIDE))
    public, _ = soft_argmax(given, 2)
    return {"our decoding": local.numpy(), "Lightning Pose's": public.numpy()}


def measures(errors: list[float]) -> dict[str, float]:
    """The three figures that count."""
    return {
        "median": statistics.median(errors),
        "mean": statistics.fmean(errors),
        "90 %": float(np.percentile(errors, 90)),
    }


# ----------------------------------------------------------------------------------------- report
def judged(held_out: HeldOut, variant: str, found: dict[str, Any]) -> Errors:
    """The errors of one training by row of the table."""
    if variant == PEER:
        own = held_out.errors(found["positions"] * held_out.scales)
        other = held_out.read(found["best"], ours=False)
        return {PEER: own, f"{PEER}, our decoding": other["our decoding"]}
    rows: Errors = {}
    for epoch, decoder in itertools.product(("best", "last"), ("our decoding", "Lightning Pose's")):
        title = variant + (", last epoch" if epoch == "last" else "")
        title += f", {decoder} decoding" if decoder != "our decoding" else ""
        rows[title] = held_out.read(found[epoch], ours=True)[decoder]
    return rows


def table(results: dict[str, dict[int, dict[str, float]]]) -> str:
    """Mean and standard deviation over the seeds, and the ratio to the peer's mean."""
    lines = [
        "| | seeds | median | mean | 90 % | to Lightning Pose's |",
        "|---|---|---|---|---|---|",
    ]
    for title, by_seed in results.items():
        cells = []
        ratios = []
        for measure in MEASURES:
            values = [found[measure] for found in by_seed.values()]
            spread = statistics.stdev(values) if len(values) > 1 else float("nan")
            cells.append(f"{statistics.fmean(values):.1f} ± {spread:.1f}")
            if PEER in results:
                peer = statistics.fmean(found[measure] for found in results[PEER].values())
                ratios.append(f"{statistics.fmean(values) / peer:.2f}")
        cells = [title, str(len(by_seed)), *cells, " / ".join(ratios)]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(options: argparse.Namespace, results: Any, maps: dict[str, np.ndarray]) -> None:
    """Write what there is so far."""
    options.out.mkdir(parents=True, exist_ok=True)
    note = (
        f"Errors in frame px of {options.project.name}, {options.epochs} epochs on "
        f"{options.device}; mean ± standard deviation over seeds.\n\n"
    )
    (options.out / "learning.md").write_text(note + table(results))
    (options.out / "learning.json").write_text(json.dumps(results, indent=1))
    packed: list[dict[str, np.ndarray]] = [{}]
    for name, array in maps.items():
        if sum(each.nbytes for each in packed[-1].values()) + array.nbytes > LARGEST_FILE:
            packed.append({})
        packed[-1][name] = array
    for number, arrays in enumerate(packed):
        np.savez_compressed(options.out / f"heatmaps-{number}.npz", **arrays)


def parsed() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path, help="a folder with CollectedData.csv")
    parser.add_argument("--out", type=Path, default=Path("learning"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3])
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--variants", nargs="*", choices=sides.VARIANTS, default=["ours"])
    parser.add_argument("--all-variants", action="store_true")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at a time")
    parser.add_argument("--budget", type=float, default=36_000, help="seconds, then it stops")
    parser.add_argument("--peer-python", help="the Python of an environment with Lightning Pose")
    parser.add_argument("--peer-path", help="a folder of packages that this Python needs besides")
    parser.add_argument("--peer-result", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.project = options.project.resolve()
    if options.all_variants:
        options.variants = list(sides.VARIANTS)
    return options


def main() -> None:
    """Train, judge, write."""
    options = parsed()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.peer_result:
            found = sides.train_peer(options.project, options.seeds[0], options.epochs, folder)
            np.savez(options.peer_result, **found)
            return
        held_out = HeldOut(options.project)
        results: dict[str, dict[int, dict[str, float]]] = {}
        maps: dict[str, np.ndarray] = {}
        for variant, seed, found in run_all(options, folder):
            for title, errors in judged(held_out, variant, found).items():
                results.setdefault(title, {})[seed] = measures(errors)
            maps[f"{variant}-{seed}"] = found["best"].astype(np.float16)
        write(options, results, maps)
        print((options.out / "learning.md").read_text())


if __name__ == "__main__":
    main()
