"""Decoders of heatmaps: from the positions of their peaks to keypoints in frame px, and back."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from lp_core.batches import Prediction
from lp_core.geometry.affine import transform
from lp_core.geometry.decoding import decode_heatmaps
from lp_models.heatmap.soft_argmax import soft_argmax

Decoding = Literal["local", "lightning_pose"]
"""What the option ``decoding`` may be."""

Maps = Float[Tensor, "batch keypoints cells_y cells_x"]
Points = Float[Tensor, "batch keypoints 2"]
ToFrame = Float[Tensor, "batch 2 3"]

_SHIFTS = {1: 0.5, 2: 1.5, 3: 2.5}
"""Model px that Lightning Pose takes off a position in the upsampled map; 3.5 would be right for a
downsample factor of 3, so that its positions are 1 model px too large there."""


class HeatmapDecoder:
    """A pair of maps that undo each other: heatmap to keypoint, and keypoint to target.

    Ours decodes the surroundings of the peak; every space counts from pixel centres.
    """

    def decode(self, heatmaps: Maps, image_size: tuple[int, int], to_frame: ToFrame) -> Prediction:
        """Keypoints (B, K, 2) in frame px and confidences (B, K) of heatmaps (B, K, h, w)."""
        keypoints, confidences = decode_heatmaps(heatmaps, image_size)
        return Prediction(transform(keypoints, to_frame), confidences)

    def target(self, keypoints: Points, to_frame: ToFrame, downsample_factor: int) -> Points:
        """Where, in model px, the target of a keypoint is centred: here, on the keypoint."""
        return keypoints


class LightningPoseDecoder(HeatmapDecoder):
    """The convention of Lightning Pose, for networks that were trained with it.

    It scales positions without regard to pixel centres: heatmap cell c, model px c·2^d and frame px
    s·c·2^d are the same place. Its networks therefore put the peak of a keypoint half a cell, plus
    what the resizing adds, away from where ours put it, and must be decoded by the same rule. In
    our spaces, that place is c·2^d - 1/2 in model px, and its frame px are ours plus 1/2.
    """

    def decode(self, heatmaps: Maps, image_size: tuple[int, int], to_frame: ToFrame) -> Prediction:
        """Keypoints (B, K, 2) in frame px and confidences (B, K) of heatmaps (B, K, h, w)."""
        doublings = (image_size[0] // heatmaps.shape[2]).bit_length() - 1
        pixels, confidences = soft_argmax(heatmaps, doublings)
        corners = pixels - _SHIFTS[doublings]
        return Prediction(transform(corners - 0.5, to_frame) + 0.5, confidences)

    def target(self, keypoints: Points, to_frame: ToFrame, downsample_factor: int) -> Points:
        """Where the target of a keypoint is centred so that it is decoded to the keypoint."""
        half = to_frame.new_full((to_frame.shape[0], 2, 1), 0.5)
        # without the check for a singular map, which waits for the device
        back = torch.linalg.solve_ex(to_frame[:, :, :2], half)[0].transpose(1, 2)
        # decoding takes the shift and 1/2 off a position in the enlarged map, whose pixels are ours
        return (keypoints - back + 0.5 + _SHIFTS[downsample_factor]).to(keypoints.dtype)


HEATMAP_DECODERS: dict[Decoding, HeatmapDecoder] = {
    "local": HeatmapDecoder(),
    "lightning_pose": LightningPoseDecoder(),
}
