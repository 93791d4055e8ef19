"""Train with Lightning Pose lightning-pose, convert, and compare predictions of a real video.

    uv run python tools/checks/lightning_pose_conversion.py PEER_PYTHON PROJECT VIDEO WORK_DIR
    uv run python ... --views top front

PEER_PYTHON is the Python of an environment that has lightning-pose 2.4.3; PROJECT a folder with
CollectedData.csv and its images. With views it has CollectedData_<view>.csv and no calibration, and
VIDEO is one of <session>_<view>.mp4; models of several views are compared then. For each tracker
and backbone it prints how many of the confident keypoints (all of them for regression, which has no
confidence) lie within 0.05 px of frame, and it fails where fewer than 99 % do. What is trained
already in WORK_DIR is not trained again.
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

from lp_data.sessions import ViewNames
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
CASES_OF_VIEWS = (
    Case("heatmap_multiview_transformer", "vits_dino", 200),
    Case("heatmap_multiview_transformer", "vits_dinov2", 200),
)


def videos_of(given: argparse.Namespace) -> dict[str, Path]:
    """The videos of a session by view; of one camera under an empty name."""
    if not given.views:
        return {"": given.video}
    named = ViewNames(tuple(given.views)).split(given.video.stem)
    session = named.session if named else ""
    return {view: given.video.with_stem(f"{session}_{view}") for view in given.views}


def train(given: argparse.Namespace, case: Case, folder: Path) -> list[Path]:
    """Let Lightning Pose train and predict; the tables of its predictions, one per view."""
    videos = videos_of(given).values()
    tables = [folder / "video_preds" / f"{video.stem}.csv" for video in videos]
    if not all(table.is_file() for table in tables):
        folder.mkdir(parents=True, exist_ok=True)
        command = [given.peer_python, "-W", "ignore", PEER, given.project, given.video, folder]
        command += ["--model-type", case.model_type, "--backbone", case.backbone]
        command += ["--size", given.size, "--epochs", max(1, round(case.epochs * given.effort))]
        command += ["--views", *given.views]
        with (folder / "peer.log").open("w") as log:
            words = [str(word) for word in command]  # the program is the user's own choice
            subprocess.run(words, check=True, stdout=log, stderr=log)
    return tables


def read_table(table: Path) -> Float[ndarray, "frames keypoints 3"]:
    """Keypoints x and y, and likelihoods, of Lightning Pose."""
    values = np.genfromtxt(table, delimiter=",", skip_header=3)[:, 1:]
    return values.reshape(len(values), -1, 3)


def predicted(given: argparse.Namespace, model_dir: Path) -> Float[ndarray, "frames keypoints 2"]:
    """What our model predicts in frame px, one view after the other."""
    model, videos = Model.from_dir(model_dir, device="cpu"), videos_of(given)
    if not given.views:
        return model.predict_video(given.video).keypoints.numpy()
    found = model.predict_session(videos)
    return np.concatenate([found[view].keypoints.numpy() for view in videos])


def compare(given: argparse.Namespace, case: Case) -> bool:
    """Train, convert, predict and print; whether enough keypoints agree."""
    folder = given.work_dir / f"{case.model_type}-{case.backbone}-{given.size}"
    public = np.concatenate([read_table(table) for table in train(given, case, folder)])
    ours = folder.with_name(f"{folder.name}-converted")
    convert_lightning_pose(folder, ours, overwrite=True)
    points, likelihoods = public[..., :2], public[..., 2]
    if not likelihoods.any():  # the public regression predicts in model px, and no confidence
        with open_video(given.video) as source:
            height, width = source.size
        points = points * [width / given.size, height / given.size]
        likelihoods = np.ones_like(likelihoods)
    distance = np.linalg.norm(predicted(given, ours) - points, axis=-1)
    confident = distance[likelihoods >= CONFIDENT]
    share = float((confident <= TOLERANCE).mean()) if confident.size else 0.0
    median, worst = np.quantile(confident, [0.5, 0.99]) if confident.size else (np.nan, np.nan)
    print(
        f"{case.model_type:29} {case.backbone:22} {confident.size:6} of {distance.size} confident: "
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
    parser.add_argument("--views", nargs="*", default=[], help="names of the views")
    given = parser.parse_args()
    torch.set_num_threads(1)
    known = CASES_OF_VIEWS if given.views else CASES
    cases = [case for case in known if given.only in f"{case.model_type}-{case.backbone}"]
    agreed = [compare(given, case) for case in cases]
    return 0 if agreed and all(agreed) else 1


if __name__ == "__main__":
    sys.exit(main())
