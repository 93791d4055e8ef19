"""Look at single animals of frames, in crops around them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from lp_core.batches import Prediction
from lp_core.geometry import affine
from lp_core.regions import Box
from lp_core.video import Frames
from lp_data.datasets.samples import channels_first
from lp_data.inference.handler import PredictionHandler
from lp_data.regions import centred_box, cutting, resized_part


class CropReader:
    """Runs a tracker of one animal on crops of consecutive frames.

    Args:
        handler: Runs the tracker.
        crop_size: (height, width) of the crops in frame px.
    """

    def __init__(self, handler: PredictionHandler, crop_size: tuple[int, int]) -> None:
        self.handler, self.crop_size = handler, crop_size

    def look(
        self,
        run: Frames,
        place: Sequence[int],
        centres: Float[ndarray, "animals 2"],
        condition: Float[ndarray, "animals keypoints 2"] | None = None,
    ) -> Prediction:
        """Keypoints in frame px, and confidences, of one animal in each crop.

        Args:
            run: Frames with their context.
            place: For each animal the number of its frame among those that have all their context.
            centres: For each animal the middle of its crop, frame px; those that are not on the
                frame are taken to be on its edge.
            condition: About where the keypoints of each animal are, frame px, NaN where that is not
                known; only for a tracker that takes a condition.
        """
        size, window = (run.shape[1], run.shape[2]), 2 * self.handler.margin + 1
        middles = np.clip(centres, 0, (size[1] - 1, size[0] - 1)).tolist()
        boxes = [centred_box(middle, self.crop_size) for middle in middles]
        if not boxes:
            return self.handler.predict_images([], torch.empty(0, 2, 3))
        to_model = torch.stack([cutting(size, box, self.handler.image_size) for box in boxes])
        crops = [
            self._crop(run[at : at + window], box) for at, box in zip(place, boxes, strict=True)
        ]
        told = None if condition is None else torch.from_numpy(condition)
        return self.handler.predict_images(
            crops,
            affine.invert(to_model).float(),
            None if told is None else affine.transform(told, to_model).float(),
        )

    def _crop(self, frames: Frames, box: Box) -> UInt8[Tensor, "*context 3 down across"]:
        """What the tracker sees of an animal: (3, H, W), or (F, 3, H, W) with context."""
        size = self.handler.image_size
        crops = channels_first(np.stack([resized_part(frame, box, size) for frame in frames]))
        return crops if self.handler.margin else crops[0]
