"""What a batch holds, and what a tracker gives to its losses.

B images, F context frames, T consecutive frames, K keypoints, H×W model px, h×w heatmap cells.
Images are uint8 until they are on the device; a model normalises them itself.
"""

from __future__ import annotations

from typing import NamedTuple, NotRequired, TypedDict, cast

from jaxtyping import Float, Int, UInt8
from torch import Tensor


class LabeledBatch(TypedDict):
    """Labelled images and their keypoints.

    Keys:
        images: Model px; (B, 3, H, W), or (B, F, 3, H, W) with context, the labelled frame in the
            middle.
        keypoints: (B, K, 2) model px, NaN where a keypoint has no position on the image.
        visibility: (B, K). 2, visible: it has a position. 1, occluded: it cannot be seen, so a
            tracker learns to be unsure of it; it may have a position. 0, unlabelled: it has none,
            and nothing is learnt of it. A visible keypoint that an augmentation moves off the image
            is never left at 2, nor clamped: it is one that cannot be seen (1) or is left out (0),
            as ``training.uniform_heatmaps_for_nan_keypoints`` says of missing keypoints.
        to_frame: (B, 2, 3) affine maps from model px to frame px.
        indices: (B,) rows of the label table.
        heatmaps: (B, K, h, w) targets, only for trackers that learn from heatmaps.
    """

    images: UInt8[Tensor, "batch 3 height width"] | UInt8[Tensor, "batch context 3 height width"]
    keypoints: Float[Tensor, "batch keypoints 2"]
    visibility: Int[Tensor, "batch keypoints"]
    to_frame: Float[Tensor, "batch 2 3"]
    indices: Int[Tensor, " batch"]
    heatmaps: NotRequired[Float[Tensor, "batch keypoints cells_y cells_x"]]


class UnlabeledBatch(TypedDict):
    """One clip of consecutive frames of one video.

    Keys:
        frames: (T, 3, H, W) model px.
        to_frame: (T, 2, 3) affine maps from model px to frame px.
    """

    frames: UInt8[Tensor, "time 3 height width"]
    to_frame: Float[Tensor, "time 2 3"]


class SemiSupervisedBatch(TypedDict):
    """What one semi-supervised training step sees."""

    labeled: LabeledBatch
    unlabeled: UnlabeledBatch


class LossInputs(TypedDict, total=False):
    """The vocabulary of the losses: N rows, each an image or a frame.

    Keys:
        heatmaps_targ, heatmaps_pred: (N, K, h, w), each map sums to 1, or to 0 where there is no
            target.
        keypoints_targ, keypoints_pred: (N, K, 2) frame px; targets are NaN where unlabelled.
        confidences: (N, K) from 0 to 1.
    """

    heatmaps_targ: Float[Tensor, "rows keypoints cells_y cells_x"]
    heatmaps_pred: Float[Tensor, "rows keypoints cells_y cells_x"]
    keypoints_targ: Float[Tensor, "rows keypoints 2"]
    keypoints_pred: Float[Tensor, "rows keypoints 2"]
    confidences: Float[Tensor, "rows keypoints"]


class Prediction(NamedTuple):
    """What a tracker says of N frames.

    Attributes:
        keypoints: (N, K, 2) frame px.
        confidences: (N, K) from 0 to 1.
    """

    keypoints: Float[Tensor, "rows keypoints 2"]
    confidences: Float[Tensor, "rows keypoints"]


def images_of(batch: LabeledBatch | UnlabeledBatch) -> Tensor:
    """The images of a labelled batch, or the frames of a clip, both in model px."""
    if "images" in batch:
        return cast("LabeledBatch", batch)["images"]
    return batch["frames"]
