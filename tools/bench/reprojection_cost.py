"""What the reprojection loss adds to a training step of the joint tracker of several cameras.

    python tools/bench/reprojection_cost.py [--device cuda] [--views 4] [--frames 4]

Forward, losses, backward and the optimiser's step on batches of random images, with and without the
loss. Both take turns, and the medians are compared.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np
import torch

from lp_core.geometry.cameras import Camera, Rig, local_cameras
from lp_core.losses.factory import LossFactory
from lp_core.testing.toy import ToyProblem
from lp_models.losses.heatmap import HeatmapMSELoss
from lp_models.losses.reprojection import ReprojectionLoss
from lp_models.multiview.tracker import MultiviewTransformerTracker


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--backbone", default="vits_dino")
    parser.add_argument("--views", type=int, default=4)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--keypoints", type=int, default=17)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--frozen", action="store_true", help="the backbone does not learn yet")
    return parser.parse_args()


def rig_of(views: int) -> Rig:
    """Cameras with distortion around the origin."""
    cameras = []
    for number in range(views):
        angle = 2 * np.pi * number / views
        position = np.array([500 * np.cos(angle), 500 * np.sin(angle), 200.0])
        ahead = -position / np.linalg.norm(position)
        right = np.cross(ahead, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        matrix = np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]])
        cameras.append(
            Camera(
                name=f"cam{number}",
                size=(640, 480),
                matrix=matrix,
                distortion=np.array([-0.2, 0.05, 0.001, -0.001, 0.0]),
                rotation=rotation,
                translation=-rotation @ position,
            )
        )
    return Rig(tuple(cameras), "mm")


def tracker_of(given: argparse.Namespace, *, reprojection: bool) -> MultiviewTransformerTracker:
    """A tracker with or without the loss."""
    torch.manual_seed(0)
    options = MultiviewTransformerTracker.Options(
        keypoint_names=tuple(f"k{number}" for number in range(given.keypoints)),
        image_size=(given.size, given.size),
        backbone=given.backbone,
        backbone_pretrained=False,
        view_names=tuple(f"cam{number}" for number in range(given.views)),
    )
    losses = [HeatmapMSELoss(), *[ReprojectionLoss()] * reprojection]
    tracker = MultiviewTransformerTracker(
        options, losses=LossFactory(losses, MultiviewTransformerTracker.labeled_outputs)
    )
    tracker.log = lambda *_, **__: None  # type: ignore[method-assign]
    tracker.backbone_trainable = not given.frozen
    return tracker.to(given.device).train()


def main() -> None:
    """Measure, and print the medians and their ratio."""
    given = arguments()
    toy = ToyProblem(
        image_size=(given.size, given.size),
        keypoints=given.keypoints,
        context_frames=1,
        views=given.views,
    )
    batch = {key: value.to(given.device) for key, value in toy.labeled(given.frames).items()}
    batch["to_frame"] = torch.eye(3, device=given.device)[:2].expand(len(batch["images"]), 2, 3)
    scene = torch.randn(given.keypoints, 3, dtype=torch.float64) * 50
    cameras = local_cameras(rig_of(given.views), scene).float().to(given.device)
    batch["cameras"] = cameras.expand(given.frames, *cameras.shape).contiguous()
    sides = {}
    for reprojection in (False, True):
        tracker = tracker_of(given, reprojection=reprojection)
        sides[reprojection] = (tracker, tracker.configure_optimizers()["optimizer"])
    # on a CPU the time that other programs take does not count
    clock = time.process_time if given.device == "cpu" else time.perf_counter
    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(given.steps + 2):
        for side, (tracker, optimizer) in sides.items():
            begin = clock()
            optimizer.zero_grad()
            tracker.training_step(batch).backward()
            optimizer.step()
            if given.device != "cpu":
                torch.cuda.synchronize()
            times[side].append(clock() - begin)
    without, with_it = (statistics.median(times[side][2:]) for side in (False, True))
    print(f"without the reprojection loss {1000 * without:.1f} ms, with it {1000 * with_it:.1f} ms")
    print(f"ratio {with_it / without:.3f}")


if __name__ == "__main__":
    main()
