"""Detections of four cameras to points in space: ours beside pairs of cameras with OpenCV.

    python tools/bench/triangulate.py [--points 1000000] [--rounds 3]

Prints seconds of one core and the root mean square of the error in space, in units of the error of
ours without outliers: with noise alone, and with a fifth of the detections of one camera somewhere
else. OpenCV undistorts the detections, triangulates each pair of cameras (``triangulatePoints``),
and the median over the pairs is taken, as Lightning Pose and Anipose's quick way do it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from itertools import combinations

import cv2
import numpy as np
import torch
from numpy import ndarray

from lp_core.allocator import keep_large_buffers
from lp_core.geometry.cameras import Camera, Rig, project, triangulate

SIZE = (640, 480)
NOISE = 1.0


def make_rig() -> Rig:
    """Four cameras around the origin, with ordinary lenses."""
    cameras = []
    for number, azimuth in enumerate(np.arange(4) * 1.5):
        position = 500.0 * np.array([np.cos(azimuth), np.sin(azimuth), 0.6])
        ahead = -position / np.linalg.norm(position)
        right = np.cross(ahead, (0.0, 0.0, 1.0))
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(ahead, right), ahead])
        matrix = np.array([[600.0, 0, 320], [0, 606.0, 240], [0, 0, 1]])
        lens = np.array([-0.2, 0.05, 0.001, -0.001, 0.0])
        cameras.append(Camera(str(number), SIZE, matrix, lens, rotation, -rotation @ position))
    return Rig(tuple(cameras), "mm")


def pairs(rig: Rig, frames: ndarray) -> ndarray:
    """The median of the points of all pairs of cameras, by OpenCV."""
    flat, poses = [], []
    for camera, seen in zip(rig, frames, strict=True):
        flat.append(cv2.undistortPoints(seen[:, None], camera.matrix, camera.distortion)[:, 0].T)
        poses.append(np.concatenate([camera.rotation, camera.translation[:, None]], axis=1))
    found = []
    for a, b in combinations(range(len(rig)), 2):
        points = cv2.triangulatePoints(poses[a], poses[b], flat[a], flat[b])
        found.append((points[:3] / points[3]).T)
    return np.median(found, axis=0)


def measured(work: Callable[[], ndarray], scene: ndarray, rounds: int) -> tuple[float, float]:
    """The least seconds of the processor, and the root mean square error."""
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        points = work()
        seconds.append(time.process_time() - start)
    return min(seconds), float(np.sqrt(np.mean(np.sum((points - scene) ** 2, axis=-1))))


def main() -> None:
    """Measure both sides on both kinds of detections."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    keep_large_buffers()  # as the command does
    random, rig = np.random.default_rng(0), make_rig()
    scene = random.uniform(-100, 100, (options.points, 3))
    frames = project(rig, scene)
    noisy = frames + random.normal(0, NOISE, frames.shape)
    spoilt = noisy.copy()
    wrong = random.random(options.points) < 0.2
    spoilt[1, wrong] = random.uniform((0, 0), SIZE, (int(wrong.sum()), 2))
    unit = None
    for kind, seen in (("noise", noisy), ("noise and outliers", spoilt)):
        for name, work in (("ours", triangulated), ("pairs by OpenCV", pairs)):
            seconds, error = measured(lambda w=work, s=seen: w(rig, s), scene, options.rounds)
            unit = unit or error
            print(f"{kind:20} {name:17} {seconds:6.2f} s   error {error / unit:7.3f}")


def triangulated(rig: Rig, frames: ndarray) -> ndarray:
    """The points of ours."""
    return triangulate(rig, frames).points


if __name__ == "__main__":
    main()
