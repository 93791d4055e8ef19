"""Resize frames that are tensors, on their device, as `lp_data.images.resize` does on the host."""

from __future__ import annotations

import cv2
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lp_data.images import interpolation


def resize_on_device(
    frames: UInt8[Tensor, "frames 3 height width"], size: tuple[int, int]
) -> UInt8[Tensor, "frames 3 rows columns"]:
    """Resize frames; the map of coordinates is `lp_core.geometry.affine.resizing`.

    Areas are averaged, or pixels interpolated bilinearly, by the same rule as on the host. Gray
    levels may differ by 1 from there, where OpenCV rounds in between.

    Args:
        frames: (T, 3, H, W) in frame px.
        size: (height, width) in model px.

    Returns:
        (T, 3, height, width) in model px, on the same device.
    """
    source = (frames.shape[2], frames.shape[3])
    if source == size:
        return frames
    averages = interpolation(source, size) == cv2.INTER_AREA
    weights = _area_weights if averages else _linear_weights
    rows = weights(source[0], size[0]).to(frames.device, non_blocking=True)
    columns = weights(source[1], size[1]).to(frames.device, non_blocking=True)
    resized = rows @ frames.float() @ columns.T
    return resized.round_().clamp_(0, 255).to(torch.uint8)


def _area_weights(source: int, target: int) -> Float[Tensor, "target source"]:
    """The share that each pixel has of the area of each resized one."""
    scale = source / target
    starts = torch.arange(target, dtype=torch.float64)[:, None] * scale
    pixels = torch.arange(source, dtype=torch.float64)[None]
    overlap = torch.minimum(starts + scale, pixels + 1) - torch.maximum(starts, pixels)
    return (overlap.clamp(min=0) / scale).float()


def _linear_weights(source: int, target: int) -> Float[Tensor, "target source"]:
    """The weights of the two pixels between whose centres that of each resized one lies."""
    centres = (torch.arange(target, dtype=torch.float64) + 0.5) * (source / target) - 0.5
    centres = centres.clamp(0, source - 1)
    distance = (centres[:, None] - torch.arange(source, dtype=torch.float64)[None]).abs()
    return (1 - distance).clamp(min=0).float()
