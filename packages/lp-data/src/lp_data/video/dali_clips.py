"""Unlabelled clips decoded, resized and augmented by DALI (extra ``lp-data[dali]``)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

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
from lp_data.video.dali_pipelines import (
    UNCHANGED,
    Change,
    Clip,
    ClipPipelines,
    cannot_decode,
    require_dali,
)
from lp_data.video.dali_source import DALISource
from lp_data.video.excerpt import excerpt
from lp_data.video.indexed import OTHER_READER
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
        require_dali()
        self._ranges = (rotation, scale, brightness, contrast)
        self._device = device or dali_backend.default_device()

    def draw(self, size: tuple[int, int], rng: np.random.Generator) -> Change:
        """What to do to one clip of (height, width) ``size``, in model px."""
        angle, factor, brightness, contrast = (rng.uniform(*bounds) for bounds in self._ranges)
        return Change(_about_centre(*size, angle, factor), brightness, contrast)

    def __call__(
        self,
        images: UInt8[ndarray, "frames height width 3"],
        keypoints: Float[ndarray, "*rows keypoints 2"],
        rng: np.random.Generator,
    ) -> Augmented:
        """Augment frames on the host; see `lp_data.augmentation.protocol.Augmenter`.

        It builds a pipeline for each call: `DALIClips` keeps one.
        """
        size = (images.shape[1], images.shape[2])
        change = self.draw(size, rng)
        moved = affine.transform(torch.from_numpy(keypoints).double(), change.matrix).numpy()
        frames = ClipPipelines(size, self._device).of_frames(images, change)
        pixels = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return Augmented(pixels, moved, change.matrix.numpy())


class DALIClips(ClipDataset):
    """Clips as those of `ClipDataset`, from one DALI pipeline on one device.

    DALI decodes the codecs that it can on ``device``; the frames of other videos are decoded by
    PyAV and handed to DALI, which is said in the log. For one seed and epoch, the clips are the
    very ones of a `ClipDataset` without DALI. Colours may differ by a few gray levels. On a GPU,
    the frames are tensors on the CUDA device that is the current one when the first clip is loaded,
    so that each rank has its own, and they are loaded by a thread, not by worker processes.

    Args:
        videos: Video files.
        num_frames: T, how many frames a clip has.
        image_size: (height, width) in model px.
        augmenter: What changes all frames of a clip alike; None for nothing.
        seed: The seed of the choice and of the augmentation.
        device: Where DALI works.

    Raises:
        VideoError: DALI is not installed; or as `ClipDataset`.
    """

    augmenter: DALIAugmenter | None

    def __init__(
        self,
        videos: Sequence[str | Path],
        num_frames: int,
        image_size: tuple[int, int],
        *,
        augmenter: DALIAugmenter | None,
        seed: int,
        device: Device,
    ) -> None:
        require_dali()
        super().__init__(
            videos,
            num_frames,
            image_size,
            augmenter=augmenter,
            seed=seed,
            open_video=partial(open_with_dali, resize_to=image_size, device=device),
            in_workers=device == "cpu",
        )
        self._pipelines = ClipPipelines(image_size, device)

    def close_videos(self) -> None:
        """Close the videos, and give back the pipelines."""
        super().close_videos()
        self._pipelines.close()

    def _load(
        self, video: int, start: int, rng: np.random.Generator
    ) -> tuple[Clip, Float[torch.Tensor, "2 3"]]:
        source = self._open.source(video)
        numbers = range(start, start + self.num_frames)
        change = UNCHANGED if self.augmenter is None else self.augmenter.draw(self.image_size, rng)
        if isinstance(source, DALISource):
            part = excerpt(source.path, source.index, numbers[0], numbers[-1])
            try:
                frames = self._pipelines.of_encoded(
                    part, numbers, source.size, source.orientation, change
                )
            except RuntimeError as error:
                raise cannot_decode(source.path, start, error, OTHER_READER) from error
        else:
            frames = self._pipelines.of_frames(source.read(start, numbers.stop), change)
        to_model = affine.resizing(source.size, self.image_size)
        return frames, affine.compose(to_model, change.matrix)


def dali_clips(
    videos: Sequence[str | Path],
    num_frames: int,
    image_size: tuple[int, int],
    *,
    augment: bool = True,
    seed: int = 0,
    device: Device | None = None,
) -> DALIClips:
    """Clips for semi-supervised training, through DALI's operators wherever it has them.

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
    require_dali()
    device = device or dali_backend.default_device()
    augmenter = DALIAugmenter(device=device) if augment else None
    return DALIClips(videos, num_frames, image_size, augmenter=augmenter, seed=seed, device=device)


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


def _about_centre(
    height: int, width: int, angle: float, factor: float
) -> Float[torch.Tensor, "2 3"]:
    """Rotate and scale about the centre of the image."""
    x, y = (width - 1) / 2, (height - 1) / 2
    zoom = torch.tensor([[factor, 0.0, 0.0], [0.0, factor, 0.0]], dtype=torch.float64)
    return affine.compose(
        affine.rotation(angle, (x, y)), affine.translation(-x, -y), zoom, affine.translation(x, y)
    )
