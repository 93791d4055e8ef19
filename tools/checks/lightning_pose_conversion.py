"""Train with Lightning Pose lightning-pose, convert, and compare predictions of a real video.

    uv run python tools/checks/lightning_pose_conversion.py PEER_PYTHON PROJECT VIDEO WORK_DIR

PEER_PYTHON is the Python of an environment that has lightning-pose 2.4.3; PROJECT a folder with
CollectedData.csv and its images. For each tracker and backbone it prints how many of the confident
keypoints (all of them for regression, which has no confidence) lie within 0.05 px of frame, and it
fails where fewer than 99 % do. What is trained already in WORK_DIR is not trained again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy import ndarray

from lp_data.video.open import open_video
from lp_pipeline.conversion.lightning_pose import convert_lightning_pose
from lp_pipeline.model import Model

PEER = Path(__file__).with_name("lightning_pose_peer.py")
TOLERANCE, SHARE, CONFIDENT = 0.05, 0.99, 0.9


class Case(NamedTuple):
    """A model of Lightning Pose."""

    model_type: str
    backbone: str
    epochs: int


CASES = (
    Case("heatmap", "resnet18", 200),
    Case("heatmap", "resnet50_animal_ap10k", 120),
    Case("heatmap", "efficientnet_b0", 200),
    Case("heatmap_mhcrnn", "resnet18", 150),
    Case("heatmap_mhcrnn", "efficientnet_b0", 150),
    Case("regression", "resnet18", 60),
    Case("regression", "efficientnet_b0", 60),
)


def train(given: argparse.Namespace, case: Case, folder: Path) -> Path:
    """Let Lightning Pose train and predict; the table of its predictions is returned."""
    table = folder / "video_preds" / f"{given.video.stem}.csv"
    if not table.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = [given.peer_python, "-W", "ignore", PEER, given.project, given.video, folder]
        command += ["--model-type", case.model_type, "--backbone", case.backbone]
        command += ["--size", given.size, "--epochs", max(1, round(case.epochs * given.effort))]
        with (folder / "peer.log").open("w") as log:
            words = [str(word) for word in command]  # the program is the user's own choice
            subprocess.run(words, check=True, stdout=log, stderr=log)
    return table


def read_table(table: Path) -> Float[ndarray, "frames keypoints 3"]:
    """Keypoints x and y, and likelihoods, of Lightning Pose."""
    values = np.genfromtxt(table, delimiter=",", skip_header=3)[:, 1:]
    return values.reshape(len(values), -1, 3)


def compare(given: argparse.Namespace, case: Case) -> bool:
    """Train, convert, predict and print; whether enough keypoints agree."""
    folder = given.work_dir / f"{case.model_type}-{case.backbone}-{given.size}"
    public = read_table(train(given, case, folder))
    ours = folder.with_name(f"{folder.name}-converted")
    convert_lightning_pose(folder, ours, overwrite=True)
    prediction = Model.from_dir(ours, device="cpu").predict_video(given.video)
    points, likelihoods = public[..., :2], public[..., 2]
    if not likelihoods.any():  # the public regression predicts in model px, and no confidence
        with open_video(given.video) as source:
            height, width = source.size
        points = points * [width / given.size, height / given.size]
        likelihoods = np.ones_like(likelihoods)
    distance = np.linalg.norm(prediction.keypoints.numpy() - points, axis=-1)
    confident = distance[likelihoods >= CONFIDENT]
    share = float((confident <= TOLERANCE).mean()) if confident.size else 0.0
    median, worst = np.quantile(confident, [0.5, 0.99]) if confident.size else (np.nan, np.nan)
    print(
        f"{case.model_type:15} {case.backbone:22} {confident.size:6} of {distance.size} confident: "
        f"{share:7.2%} within {TOLERANCE} px; median {median:.4f}, 99th percentile {worst:.4f} px",
        flush=True,
    )
    return share >= SHARE


def main() -> int:
    """Compare every case that was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer_python", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("video", type=Path)
    parser.add_argument("work_dir", type=Path)
    parser.add_argument("--size", type=int, default=256, help="height and width in model px")
    parser.add_argument("--effort", type=float, default=1.0, help="scales the numbers of epochs")
    parser.add_argument("--only", default="", help="cases whose name, such as regression, has this")
    given = parser.parse_args()
    torch.set_num_threads(1)
    cases = [case for case in CASES if given.only in f"{case.model_type}-{case.backbone}"]
    agreed = [compare(given, case) for case in cases]
    return 0 if agreed and all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
