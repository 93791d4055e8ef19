"""Three alike animals that cross and touch: how well each of two top-down trackers finds them.

    python tools/bench/animals_in_contact.py --workdir WORK --weights FILE [--seed 0 ...]

For each seed a synthetic project is made (`SyntheticSettings.several(3)`: 60 labelled frames, a
held-out minute of video with at least 20 crossings and 6 touches). On it are trained, by `litpose
train`, a `heatmap` and a `heatmap_conditioned` tracker; the detector is that of the first. Each
predicts the held-out video (`litpose predict`); its table is smoothed (`litpose smooth`) and
tracked again frame by frame (`litpose track --online`). Printed is what `litpose evaluate` says of
all these. What is in WORK already is not made again, and a training that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

from lp_synthetic import SyntheticSettings, generate_project

ANIMALS = 3
MODELS = ("heatmap", "heatmap_conditioned")
LEVELS = ("all", "touching")
SHOWN = ("AP", "found", "visible_pixel_error", "false_per_frame", "IDF1")


def litpose(*words: object) -> None:
    """Run the command; what it says is shown if it fails."""
    command = [sys.executable, "-m", "lp_pipeline.cli.main", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-2000:])


def config(project: Path, model: str, options: argparse.Namespace) -> dict:
    """What is trained; the steps decide how long, and the last weights count."""
    return {
        "data": {"data_dir": str(project), "video_dir": "videos"},
        "model": {"model_type": model, "backbone": options.backbone, "losses_to_use": [],
                  "backbone_checkpoint": str(options.weights)},
        "training": {
            "imgaug": "dlc-top-down", "max_steps": options.steps, "max_epochs": None,
            "train_batch_size": 16, "check_val_every_n_epoch": None, "val_check_interval": 250,
            "unfreezing_epoch": None, "unfreezing_step": 30, "train_prob": 0.9, "val_prob": 0.1,
            "num_workers": 0, "lr_scheduler": "cosine", "optimizer_params": {"learning_rate": 2e-3},
        },
        "eval": {"predict_vids_after_training": False},
        "animals": {"count": ANIMALS,
                    "detector": {"training": {"max_steps": options.detector_steps}}},
    }  # fmt: skip


def train(folder: Path, settings: dict, detector: Path | None) -> None:
    """Train a model directory, or go on with it; with the detector of another one."""
    if (folder / "minutes").exists():
        return
    started = time.monotonic()
    if (folder / "config.yaml").exists():
        litpose("train", "--resume", folder)
    else:
        if detector is not None:
            settings["animals"]["detector"] = {"training": {"max_steps": 1}}
        path = folder.with_suffix(".yaml")
        path.write_text(yaml.safe_dump(settings))
        litpose("train", path, "-o", folder)
    if detector is not None:
        shutil.rmtree(folder / "detector")
        shutil.copytree(detector, folder / "detector")
    (folder / "minutes").write_text(f"{(time.monotonic() - started) / 60:.1f}\n")


def tables(model: Path, video: Path) -> dict[str, Path]:
    """The tables of a model of a video: as predicted, smoothed, and tracked frame by frame."""
    predicted = model / "video_preds" / f"{video.stem}.csv"
    smoothed, online = (model / f"{name}.csv" for name in ("smoothed", "online"))
    if not predicted.exists():
        litpose("predict", model, video)
    if not smoothed.exists():
        litpose("smooth", predicted, "-o", smoothed, "--dynamics", "velocity")
    if not online.exists():
        litpose("track", predicted, "-o", online, "--online", "--animals", ANIMALS)
    return {"predicted": predicted, "smoothed": smoothed, "online": online}


def main() -> None:
    """Make, train, predict, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workdir", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True, help="of the backbone")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--seed", type=int, action="append", help="default: 0, 1 and 2")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--detector-steps", type=int, default=800)
    options = parser.parse_args()
    for seed in options.seed or (0, 1, 2):
        root = options.workdir / f"seed{seed}"
        project = root / "project"
        if not project.exists():
            root.mkdir(parents=True, exist_ok=True)
            generate_project(project, SyntheticSettings.several(ANIMALS, seed=seed))
        truth = project / "truth" / "test.csv"
        for model in MODELS:
            folder = root / model
            detector = None if model == MODELS[0] else root / MODELS[0] / "detector"
            train(folder, config(project, model, options), detector)
            for name, table in tables(folder, project / "videos_test" / "test.mp4").items():
                found = folder / f"{name}.json"
                litpose("evaluate", table, "--truth", truth, "-o", found)
                print(json.dumps({"seed": seed, "model": model, "table": name, **told(found)}))


def told(path: Path) -> dict[str, float | None]:
    """The figures that are shown, of all animals and of those that touch."""
    values = json.loads(path.read_text())["metrics"]
    return {
        f"{name}, {level}": values[level][name]["value"]
        for level in LEVELS
        for name in SHOWN
        if name in values[level]
    }


if __name__ == "__main__":
    main()
