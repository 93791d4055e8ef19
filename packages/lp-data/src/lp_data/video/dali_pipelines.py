"""One DALI pipeline from encoded frames to augmented ones, on one device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor
from torch.utils.dlpack import from_dlpack

from lp_core.geometry import affine
from lp_data.errors import VideoError
from lp_data.images import interpolation
from lp_data.video import dali_backend
from lp_data.video.dali_backend import Device
from lp_data.video.excerpt import Excerpt
from lp_data.video.orientation import Orientation

Clip = UInt8[Tensor, "frames 3 height width"]


@dataclass(frozen=True, eq=False)
class Change:
    """What is done to all frames of a clip alike.

    Attributes:
        matrix: From model px before to model px after.
        brightness: Factor of all gray levels.
        contrast: Factor of the distance from medium gray.
    """

    matrix: Float[Tensor, "2 3"]
    brightness: float = 1.0
    contrast: float = 1.0


UNCHANGED = Change(affine.translation(0.0, 0.0))


@dataclass(frozen=True)
class _Kind:
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

    Args:
        image_size: (height, width) in model px.
        device: Where DALI works.
    """

    def __init__(self, image_size: tuple[int, int], device: Device) -> None:
        self.image_size = image_size
        self.device = device
        self._built: dict[_Kind, Any] = {}

    def of_encoded(
        self,
        part: Excerpt,
        numbers: Sequence[int],
        size: tuple[int, int],
        orientation: Orientation,
        change: Change,
    ) -> Clip:
        """A clip of encoded frames.

        Args:
            part: The packets that hold them.
            numbers: Their indices in the whole video.
            size: (height, width) in frame px of the frames as displayed.
            orientation: How they are turned for display.
            change: The augmentation.

        Returns:
            The frames in model px, on the device.

        Raises:
            RuntimeError: DALI cannot decode them.
        """
        averages = interpolation(size, self.image_size) == cv2.INTER_AREA
        inputs = {
            "data": part.data,
            "frames": np.array(numbers, np.int32) - part.first,
            "flip_x": np.int32(orientation.flip_x),
            "flip_y": np.int32(orientation.flip_y),
        }
        return self._run(_Kind(True, orientation.transpose, averages), inputs, change)

    def of_frames(self, frames: UInt8[ndarray, "frames height width 3"], change: Change) -> Clip:
        """A clip of decoded frames at model size; they go to the device once."""
        return self._run(_Kind(False), {"pixels": frames}, change)

    def close(self) -> None:
        """Give back the pipelines; they are built again when they are needed."""
        self._built.clear()

    def _run(self, kind: _Kind, inputs: Mapping[str, Any], change: Change) -> Clip:
        if kind not in self._built:
            self._built[kind] = _build(kind, self.image_size, self.device)
        pipeline = self._built[kind]
        changes = {
            "matrix": _as_dali_wants(affine.invert(change.matrix)),
            "brightness": np.float32(change.brightness),
            "contrast": np.float32(change.contrast),
        }
        for name, value in {**inputs, **changes}.items():
            pipeline.feed_input(name, [value])
        try:
            (frames,) = pipeline.run()
        except RuntimeError:
            del self._built[kind]
            raise
        return from_dlpack(frames[0]).clone()  # DALI uses its own memory again


def require_dali() -> None:
    """Check that DALI is there.

    Raises:
        VideoError: It is not installed.
    """
    problem = dali_backend.missing()
    if problem is not None:
        raise VideoError(problem)


def cannot_decode(path: Path, frame: int, error: RuntimeError, remedy: str) -> VideoError:
    """What to tell where a pipeline fails."""
    problem = f"DALI cannot decode this: {dali_backend.reason(error)}"
    return VideoError(problem, where=f"{path}, frame {frame}", remedy=remedy)


def _as_dali_wants(matrix: Float[Tensor, "2 3"]) -> Float[ndarray, "2 3"]:
    """A map in DALI's coordinates, in which the centre of the top-left pixel is (½, ½)."""
    half = affine.translation(0.5, 0.5)
    shifted = affine.compose(affine.invert(half), matrix, half)
    return shifted.numpy().astype(np.float32)


def _build(kind: _Kind, image_size: tuple[int, int], device: Device) -> Any:
    from nvidia.dali import Pipeline, fn, types

    pipeline = Pipeline(**dali_backend.pipeline_options(device), prefetch_queue_depth=1)
    with pipeline:
        frames = _decoded(kind, image_size, device) if kind.decodes else _given(device)
        matrix = fn.external_source(name="matrix", dtype=types.FLOAT, ndim=2)
        brightness = fn.external_source(name="brightness", dtype=types.FLOAT, ndim=0)
        contrast = fn.external_source(name="contrast", dtype=types.FLOAT, ndim=0)
        frames = fn.warp_affine(frames, matrix=matrix, fill_value=0)
        frames = fn.brightness_contrast(frames, brightness=brightness, contrast=contrast)
        pipeline.set_outputs(fn.transpose(frames, perm=[0, 3, 1, 2]))
    pipeline.build()
    return pipeline


def _decoded(kind: _Kind, image_size: tuple[int, int], device: Device) -> Any:
    """Frames decoded, upright and at model size, within a pipeline."""
    from nvidia.dali import fn, types

    data = fn.external_source(name="data", dtype=types.UINT8, ndim=1)
    numbers = fn.external_source(name="frames", dtype=types.INT32, ndim=1)
    flip_x = fn.external_source(name="flip_x", dtype=types.INT32, ndim=0)
    flip_y = fn.external_source(name="flip_y", dtype=types.INT32, ndim=0)
    where = "mixed" if device == "gpu" else "cpu"
    frames = fn.decoders.video(data, device=where, frames=numbers)
    if kind.transposes:
        frames = fn.transpose(frames, perm=[0, 2, 1, 3], output_layout="FHWC")
    frames = fn.flip(frames, horizontal=flip_x, vertical=flip_y)
    way = types.INTERP_TRIANGULAR if kind.averages else types.INTERP_LINEAR
    return fn.resize(frames, size=image_size, interp_type=way, antialias=kind.averages)


def _given(device: Device) -> Any:
    from nvidia.dali import fn, types

    frames = fn.external_source(name="pixels", layout="FHWC", dtype=types.UINT8, ndim=4)
    return frames.gpu() if device == "gpu" else frames
