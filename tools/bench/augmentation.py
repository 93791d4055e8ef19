"""Samples per second of each augmentation preset, and microseconds per effect, on one core.

    python tools/bench/augmentation.py [--images FOLDER] [--size 256] [--seconds 2]

Times are processor times, so that other work on the machine disturbs them less. Without a folder
the images are synthetic: gray, all channels equal, as from an infrared camera, and in colour.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy import ndarray

from lp_core.poses import Skeleton
from lp_core.registry import AUGMENTATIONS, registered
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.effect import Augmenter
from lp_data.augmentation.presets import PRESETS

KEYPOINTS = 17
WARM_UP = 20


def synthetic_images(size: int, colour: bool, count: int = 16) -> list[ndarray]:
    """Smooth random images (1, size, size, 3)."""
    rng = np.random.default_rng(0)
    channels = 3 if colour else 1
    coarse = rng.integers(0, 256, (count, 16, 16, channels), dtype=np.uint8)
    smooth = [cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC) for image in coarse]
    return [
        np.broadcast_to(i.reshape(size, size, -1), (size, size, 3)).copy()[None] for i in smooth
    ]


def folder_images(folder: Path, size: int) -> list[ndarray]:
    """The images of a folder, resized."""
    images = [cv2.imread(str(path)) for path in sorted(folder.iterdir())]
    return [cv2.resize(image, (size, size))[None] for image in images if image is not None]


def seconds_per_sample(augmenter: Augmenter, images: list[ndarray], duration: float) -> float:
    """Mean processor time of one call over at least ``duration`` seconds."""
    rng = np.random.default_rng(0)
    keypoints = rng.uniform(0, images[0].shape[1], (KEYPOINTS, 2)).astype(np.float32)
    for index in range(WARM_UP):
        augmenter(images[index % len(images)], keypoints, rng)
    calls, start = 0, time.process_time()
    while time.process_time() - start < duration:
        for image in images:
            augmenter(image, keypoints, rng)
        calls += len(images)
    return (time.process_time() - start) / calls


def augmenters() -> Iterator[tuple[str, Augmenter]]:
    """Every preset, then every effect with probability 1."""
    names = [f"keypoint{index}" for index in range(KEYPOINTS)]
    for preset in PRESETS:
        yield f"preset {preset}", build_augmenter(preset, Skeleton(tuple(names)))
    for effect in registered(AUGMENTATIONS):
        options = {"rotation": [-25, 25]} if effect == "affine" else {}
        yield (
            f"effect {effect}",
            build_augmenter([{"name": effect, **options}], Skeleton(tuple(names))),
        )


def report(kinds: dict[str, list[ndarray]], duration: float) -> Iterable[str]:
    """One line per augmenter and kind of images."""
    for name, augmenter in augmenters():
        for kind, images in kinds.items():
            seconds = seconds_per_sample(augmenter, images, duration)
            yield f"{name:32s} {kind:8s} {seconds * 1e6:8.0f} µs {1 / seconds:10.0f} samples/s"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=Path, help="a folder of images; else synthetic ones")
    parser.add_argument("--size", type=int, default=256, help="height and width in model px")
    parser.add_argument("--seconds", type=float, default=1.0, help="time for each measurement")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    if arguments.images:
        kinds = {"folder": folder_images(arguments.images, arguments.size)}
    else:
        kinds = {
            "gray": synthetic_images(arguments.size, colour=False),
            "colour": synthetic_images(arguments.size, colour=True),
        }
    for line in report(kinds, arguments.seconds):
        print(line)


if __name__ == "__main__":
    main()
