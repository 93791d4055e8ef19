"""Unlabelled clips decoded and augmented by DALI's operators (extra ``lp-data[dali]``)."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray

from lp_core.geometry import affine
from lp_core.video import VideoSource
from lp_data.augmentation.protocol import Augmented
from lp_data.datasets.clips import ClipDataset
from lp_data.errors import VideoError
from lp_data.video import dali_backend
from lp_data.video.dali_backend import Device
from lp_data.video.dali_source import DALISource
from lp_data.video.pyav_source import PyAVSource

_log = logging.getLogger(__name__)


class DALIAugmenter:
    """Rotates, scales, brightens and stretches the contrast of clips, through DALI.

    All frames of a clip are changed alike, always, by values drawn evenly from the ranges. The
    defaults are those of Lightning Pose's video pipeline, but for its noise: DALI draws noise from
    a state of its own, so that a clip would depend on those before it.

    Args:
        rotation: Range of angles in degrees, about the centre of the image.
        scale: Range of factors, about the centre of the image.
        brightness: Range of factors of all gray levels.
        contrast: Range of factors of the distance from medium gray.
        device: Where DALI works; by default on a GPU where there is one.

    Raises:
        VideoError: DALI is not installed.
    """

    def __init__(
        self,
        *,
        rotation: tuple[float, float] = (-10.0, 10.0),
        scale: tuple[float, float] = (0.8, 1.2),
        brightness: tuple[float, float] = (0.75, 1.25),
        contrast: tuple[float, float] = (0.75, 1.25),
        device: Device | None = None,
    ) -> None:
        _require_dali()
        self._ranges = (rotation, scale, brightness, contrast)
        self._device = device or dali_backend.default_device()
        self._pipeline: Any = None
        self._built_by = os.getpid()
        self._inherited: list[object] = []

    def __getstate__(self) -> dict[str, Any]:
        """All but the pipeline: every process builds its own."""
        return {**self.__dict__, "_pipeline": None, "_inherited": []}

    def __call__(
        self,
        images: UInt8[ndarray, "frames height width 3"],
        keypoints: Float[ndarray, "keypoints 2"],
        rng: np.random.Generator,
    ) -> Augmented:
        """Augment the frames of one clip; see `lp_data.augmentation.protocol.Augmenter`."""
        angle, factor, brightness, contrast = (rng.uniform(*bounds) for bounds in self._ranges)
        matrix = _about_centre(images.shape[1], images.shape[2], angle, factor)
        moved = affine.transform(torch.from_numpy(keypoints).double(), matrix).numpy()
        pipeline = self._own_pipeline()
        pipeline.feed_input("frames", [images])
        pipeline.feed_input("matrix", [_as_dali_wants(affine.invert(matrix))])
        pipeline.feed_input("brightness", [np.float32(brightness)])
        pipeline.feed_input("contrast", [np.float32(contrast)])
        (augmented,) = pipeline.run()
        return Augmented(np.array(augmented.as_cpu()[0]), moved, matrix.numpy())

    def _own_pipeline(self) -> Any:
        """The pipeline of this process.

        One that a forked worker inherits has lost its threads. It is kept all the same: to release
        it would be to wait for them.
        """
        if self._built_by != os.getpid():
            self._inherited.append(self._pipeline)
            self._pipeline, self._built_by = None, os.getpid()
        if self._pipeline is None:
            self._pipeline = _build(self._device)
        return self._pipeline


def dali_clips(
    videos: Sequence[str | Path],
    num_frames: int,
    image_size: tuple[int, int],
    *,
    augment: bool = True,
    seed: int = 0,
    device: Device | None = None,
) -> ClipDataset:
    """Clips for semi-supervised training, through DALI's operators wherever it has them.

    DALI decodes the codecs that it can on ``device``; the frames of other videos are decoded by
    PyAV and handed to DALI, which is said in the log. For one seed and epoch, the clips are the
    very ones of a `ClipDataset` without DALI. Colours may differ by a few gray levels.

    Args:
        videos: Video files.
        num_frames: T, how many frames a clip has.
        image_size: (height, width) in model px.
        augment: Whether to augment with `DALIAugmenter`.
        seed: The seed of the choice and of the augmentation.
        device: Where DALI works; by default on a GPU where there is one.

    Raises:
        VideoError: DALI is not installed; or as `ClipDataset`.
    """
    _require_dali()
    device = device or dali_backend.default_device()
    return ClipDataset(
        videos,
        num_frames,
        image_size,
        augmenter=DALIAugmenter(device=device) if augment else None,
        seed=seed,
        open_video=partial(open_with_dali, resize_to=image_size, device=device),
        in_workers=device == "cpu",
    )


def open_with_dali(
    path: Path, *, resize_to: tuple[int, int] | None = None, device: Device | None = None
) -> VideoSource:
    """Open a video with DALI's decoders where they can read it exactly, and else with PyAV.

    The choice, and the reason, are logged.

    Raises:
        VideoError: The file is not a video.
    """
    pyav = PyAVSource(path, resize_to=resize_to)
    try:
        dali = DALISource(path, resize_to=resize_to, index=pyav.index, device=device)
    except VideoError as refusal:
        _log.info("%s: decoded with PyAV and handed to DALI: %s", path, refusal.problem)
        return pyav
    _log.info("%s: decoded with DALI on the %s", path, dali.device.upper())
    pyav.close()
    return dali


def _require_dali() -> None:
    problem = dali_backend.missing()
    if problem is not None:
        raise VideoError(problem)


def _about_centre(
    height: int, width: int, angle: float, factor: float
) -> Float[torch.Tensor, "2 3"]:
    """Rotate and scale about the centre of the image."""
    x, y = (width - 1) / 2, (height - 1) / 2
    zoom = torch.tensor([[factor, 0.0, 0.0], [0.0, factor, 0.0]], dtype=torch.float64)
    return affine.compose(
        affine.rotation(angle, (x, y)), affine.translation(-x, -y), zoom, affine.translation(x, y)
    )


def _as_dali_wants(matrix: Float[torch.Tensor, "2 3"]) -> Float[ndarray, "2 3"]:
    """A map in DALI's coordinates, in which the centre of the top-left pixel is (½, ½)."""
    half = affine.translation(0.5, 0.5)
    shifted = affine.compose(affine.invert(half), matrix, half)
    return shifted.numpy().astype(np.float32)


def _build(device: Device) -> Any:
    from nvidia.dali import Pipeline, fn, types

    pipeline = Pipeline(**dali_backend.pipeline_options(device), prefetch_queue_depth=1)
    with pipeline:
        frames = fn.external_source(name="frames", layout="FHWC", dtype=types.UINT8, ndim=4)
        matrix = fn.external_source(name="matrix", dtype=types.FLOAT, ndim=2)
        brightness = fn.external_source(name="brightness", dtype=types.FLOAT, ndim=0)
        contrast = fn.external_source(name="contrast", dtype=types.FLOAT, ndim=0)
        frames = frames.gpu() if device == "gpu" else frames
        moved = fn.warp_affine(frames, matrix=matrix, fill_value=0)
        pipeline.set_outputs(
            fn.brightness_contrast(moved, brightness=brightness, contrast=contrast)
        )
    pipeline.build()
    return pipeline
