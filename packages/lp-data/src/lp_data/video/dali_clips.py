"""Unlabelled clips decoded, resized and augmented by DALI (extra ``lp-data[dali]``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from lp_core.geometry import affine
from lp_core.video import VideoSource
from lp_data.augmentation.effect import Augmented
from lp_data.datasets.clips import ClipDataset, InStep
from lp_data.errors import VideoError
from lp_data.images import interpolation
from lp_data.video import dali_backend
from lp_data.video.dali_backend import Device
from lp_data.video.dali_source import DALISource
from lp_data.video.excerpt import excerpt
from lp_data.video.pyav_source import PyAVSource

_log = logging.getLogger(__name__)

Clip = UInt8[Tensor, "frames 3 height width"]


class Change(NamedTuple):
    """What is done to all frames of a clip alike: a map from model px before to model px after.

    All gray levels are multiplied by the brightness, and their distance from medium gray by the
    contrast.
    """

    matrix: Float[Tensor, "2 3"]
    brightness: float = 1.0
    contrast: float = 1.0


class _Kind(NamedTuple):
    """What pipelines differ in.

    Attributes:
        decodes: Whether frames come encoded; else they come upright and at model size.
        transposes: Whether decoded frames are turned by a quarter.
        averages: Whether they shrink to half or less, so that areas are averaged.
    """

    decodes: bool
    transposes: bool = False
    averages: bool = False


class ClipPipelines:
    """Decodes, turns, resizes and augments clips on one device; nothing comes back to the host.

    Pipelines are built when they are needed, on the CUDA device that is the current one then.
    """

    def __init__(self, image_size: tuple[int, int], device: Device) -> None:
        self.image_size = image_size
        self.device: Device = device
        self._built: dict[_Kind, Any] = {}

    def of_encoded(self, source: DALISource, numbers: range, change: Change) -> Clip:
        """Frames ``numbers`` of a video in model px, on the device.

        Raises:
            VideoError: DALI cannot decode them.
        """
        part = excerpt(source.path, source.index, numbers[0], numbers[-1])
        turn = source.orientation
        averages = interpolation(source.size, self.image_size) == cv2.INTER_AREA
        inputs = {
            "data": part.data,
            "frames": np.array(numbers, np.int32) - part.first,
            "flip_x": np.int32(turn.flip_x),
            "flip_y": np.int32(turn.flip_y),
        }
        kind = _Kind(True, turn.transpose, averages)
        return self._run(kind, inputs, change, source.path, numbers[0])

    def of_frames(self, frames: UInt8[ndarray, "frames height width 3"], change: Change) -> Clip:
        """A clip of decoded frames at model size; they go to the device once."""
        return self._run(_Kind(False), {"pixels": frames}, change, Path("frames in memory"), 0)

    def close(self) -> None:
        """Give back the pipelines; they are built again when they are needed."""
        self._built.clear()

    def _run(
        self, kind: _Kind, inputs: Mapping[str, Any], change: Change, path: Path, frame: int
    ) -> Clip:
        pipeline = self._built.pop(kind, None)  # and back unless it fails
        if pipeline is None:
            nodes = partial(_augmented, kind, self.image_size, self.device)
            pipeline = dali_backend.build_pipeline(self.device, nodes)
        changes = {
            "matrix": _as_dali_wants(affine.invert(change.matrix)),
            "brightness": np.float32(change.brightness),
            "contrast": np.float32(change.contrast),
        }
        (frames,) = dali_backend.run_pipeline(pipeline, {**inputs, **changes}, path, frame)
        self._built[kind] = pipeline
        return from_dlpack(frames[0]).clone()  # DALI uses its own memory again


def _as_dali_wants(matrix: Float[Tensor, "2 3"]) -> Float[ndarray, "2 3"]:
    """A map in DALI's coordinates, in which the centre of the top-left pixel is (½, ½)."""
    half = affine.translation(0.5, 0.5)
    shifted = affine.compose(affine.invert(half), matrix, half)
    return shifted.numpy().astype(np.float32)


def _augmented(kind: _Kind, image_size: tuple[int, int], device: Device) -> tuple[Any]:
    """The nodes of a pipeline: frames with their channels in front."""
    from nvidia.dali import fn, types

    if kind.decodes:
        frames = _decoded(kind, image_size, device)
    else:
        frames = fn.external_source(name="pixels", layout="FHWC", dtype=types.UINT8, ndim=4)
        frames = frames.gpu() if device == "gpu" else frames
    matrix = fn.external_source(name="matrix", dtype=types.FLOAT, ndim=2)
    brightness = fn.external_source(name="brightness", dtype=types.FLOAT, ndim=0)
    contrast = fn.external_source(name="contrast", dtype=types.FLOAT, ndim=0)
    frames = fn.warp_affine(frames, matrix=matrix, fill_value=0)
    frames = fn.brightness_contrast(frames, brightness=brightness, contrast=contrast)
    return (fn.transpose(frames, perm=[0, 3, 1, 2]),)


def _decoded(kind: _Kind, image_size: tuple[int, int], device: Device) -> Any:
    """Frames decoded, upright and at model size."""
    from nvidia.dali import fn, types

    frames = dali_backend.decoded_frames(device)
    if kind.transposes:
        frames = fn.transpose(frames, perm=[0, 2, 1, 3], output_layout="FHWC")
    flip_x = fn.external_source(name="flip_x", dtype=types.INT32, ndim=0)
    flip_y = fn.external_source(name="flip_y", dtype=types.INT32, ndim=0)
    frames = fn.flip(frames, horizontal=flip_x, vertical=flip_y)
    way = types.INTERP_TRIANGULAR if kind.averages else types.INTERP_LINEAR
    return fn.resize(frames, size=image_size, interp_type=way, antialias=kind.averages)


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
        self._ranges = (rotation, scale, brightness, contrast)
        self._device = dali_backend.chosen_device(device)

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
        """Augment frames on the host; see `lp_data.augmentation.effect.Augmenter`.

        It builds a pipeline for each call: `DALIClips` keeps one.
        """
        size = (images.shape[1], images.shape[2])
        change = self.draw(size, rng)
        moved = affine.transform(torch.from_numpy(keypoints).double(), change.matrix).numpy()
        frames = ClipPipelines(size, self._device).of_frames(images, change)
        pixels = frames.permute(0, 2, 3, 1).contiguous().cpu().numpy()
        return Augmented(pixels, moved, change.matrix.numpy())


def _about_centre(height: int, width: int, angle: float, factor: float) -> Float[Tensor, "2 3"]:
    """Rotate and scale about the centre of the image."""
    x, y = (width - 1) / 2, (height - 1) / 2
    return affine.compose(
        affine.rotation(angle, (x, y)),
        affine.translation(-x, -y),
        torch.tensor([[factor, 0.0, 0.0], [0.0, factor, 0.0]], dtype=torch.float64),
        affine.translation(x, y),
    )


class DALIClips(ClipDataset):
    """Clips as those of `ClipDataset`, from one DALI pipeline on one device.

    DALI decodes the codecs that it can on ``device``; the frames of other videos are decoded by
    PyAV and handed to DALI, which is said in the log. For one seed and epoch, the clips are the
    very ones of a `ClipDataset` without DALI. Colours may differ by a few gray levels. On a GPU,
    the frames are tensors on the CUDA device that is the current one when the first clip is loaded,
    so that each rank has its own, and they are loaded by a thread, not by worker processes.

    Args:
        videos: As for `ClipDataset`; so ``num_frames``, ``image_size`` and ``seed``.
        num_frames: T, how many frames a clip has.
        image_size: (height, width) in model px.
        augment: Whether to augment with `DALIAugmenter`.
        seed: The seed of the choice and of the augmentation.
        in_step: As for `ClipDataset`.
        device: Where DALI works; by default on a GPU where there is one.

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
        augment: bool = True,
        seed: int = 0,
        in_step: InStep | None = None,
        device: Device | None = None,
    ) -> None:
        device = dali_backend.chosen_device(device)
        super().__init__(
            videos,
            num_frames,
            image_size,
            augmenter=DALIAugmenter(device=device) if augment else None,
            seed=seed,
            open_video=partial(open_with_dali, resize_to=image_size, device=device),
            in_step=in_step,
            in_workers=device == "cpu",
        )
        self._pipelines = ClipPipelines(image_size, device)

    def close_videos(self) -> None:
        """Close the videos, and give back the pipelines."""
        super().close_videos()
        self._pipelines.close()

    def _load(
        self, video: int, boxes: object, start: int, rng: np.random.Generator
    ) -> tuple[Clip, Float[Tensor, "2 3"]]:
        source = self._source(video)
        numbers = range(start, start + self.num_frames)
        change = Change(affine.identity())
        if self.augmenter is not None:
            change = self.augmenter.draw(self.image_size, rng)
        if isinstance(source, DALISource):
            frames = self._pipelines.of_encoded(source, numbers, change)
        else:
            frames = self._pipelines.of_frames(source.read(start, numbers.stop), change)
        to_model = affine.resizing(source.size, self.image_size)
        return frames, affine.compose(to_model, change.matrix)


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
