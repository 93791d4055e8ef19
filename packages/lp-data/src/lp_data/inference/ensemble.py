"""Run the members of an ensemble over the same frames, which are decoded and resized once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from lp_core.batches import LabeledBatch, Prediction, UnlabeledBatch
from lp_core.errors import TrackerError
from lp_core.geometry import affine
from lp_core.trackers.weights import digest_of_members
from lp_core.video import Frames
from lp_data.datasets.samples import channels_first
from lp_data.images import resize
from lp_data.inference.handler import PredictionHandler

Combine = Callable[[Sequence[Prediction]], Prediction]
"""Makes one prediction of those of the members, in their order."""


class EnsembleHandler(PredictionHandler):
    """Predicts as `PredictionHandler` does, with several trackers, and combines what they find.

    Frames are read at the size of the member with the most pixels, those with the context of the
    member that looks at most frames; members that take less are given a part of it. Members of one
    size see the very frames that each would see alone.

    Args:
        members: Each runs one tracker; all on the same device, in the same precision.
        combine: Makes one prediction of theirs.
        combination: What ``combine`` depends on, as plain values.

    Attributes:
        members: The same.

    Raises:
        TrackerError: There is no member, their keypoints differ, or they do not all look at each
            view by itself, or together.
    """

    def __init__(
        self,
        members: Sequence[PredictionHandler],
        combine: Combine,
        combination: dict[str, Any] | None = None,
    ) -> None:
        if not members:
            raise TrackerError("an ensemble needs at least one member")
        _check_alike(members)
        self.members = tuple(members)
        self._combine, self._combination = combine, combination
        self.device, self.precision = members[0].device, members[0].precision
        self.chunk = min(member.chunk for member in members)
        self.tracker = max(members, key=lambda member: member.margin).tracker

    def for_views(self, views: Sequence[str]) -> EnsembleHandler:
        """That of sessions that lack views."""
        members = [member.for_views(views) for member in self.members]
        return EnsembleHandler(members, self._combine, self._combination)

    @cached_property
    def weights_digest(self) -> str:
        """`lp_core.trackers.weights.digest_of_members`."""
        return digest_of_members([own.weights_digest for own in self.members], self._combination)

    @property
    def image_size(self) -> tuple[int, int]:
        """(H, W) in model px of the frames that the member with the largest ones takes."""
        return max((member.image_size for member in self.members), key=np.prod)

    @property
    def read_size(self) -> tuple[int, int] | None:
        """(height, width) that frames are to be read at; None for their own."""
        own = any(member.tracker.resizes_frames for member in self.members)
        return None if own else self.image_size

    def features(self, frames: Frames) -> Float[Tensor, "frames channels"]:
        """Those of the member whose size the frames have; see `PredictionHandler.features`."""
        size = self.read_size
        return next(own for own in self.members if own.read_size == size).features(frames)

    def _clip(
        self, frames: UInt8[Tensor, "frames 3 height width"], to_frame: Float[Tensor, "frames 2 3"]
    ) -> UnlabeledBatch:
        return {"frames": frames, "to_frame": to_frame}

    @torch.inference_mode()
    def _start(self, batch: LabeledBatch | UnlabeledBatch) -> Callable[[], Prediction]:
        shared: dict[tuple[Any, ...], LabeledBatch | UnlabeledBatch] = {}
        started = []
        for member in self.members:
            kind = (member.image_size, member.margin, member.tracker.resizes_frames)
            if kind not in shared:
                shared[kind] = self._part_of(batch, member)
            started.append(member._start(shared[kind]))
        return lambda: self._combine([wait() for wait in started])

    def _part_of(
        self, batch: LabeledBatch | UnlabeledBatch, member: PredictionHandler
    ) -> LabeledBatch | UnlabeledBatch:
        """What a member sees of a batch: with its own context, and at its own size."""
        part = dict(batch)
        key, extra = "images" if "images" in batch else "frames", self.margin - member.margin
        images, to_frame = cast("Tensor", part[key]), batch["to_frame"]
        if extra and key == "frames":
            images, to_frame = images[extra:-extra], to_frame[extra:-extra]
        elif extra:
            images = images[:, extra:-extra]
            images = images if member.margin else images[:, 0]
        if member.image_size != self.image_size:
            to_own = affine.resizing(member.image_size, self.image_size).to(to_frame)
            to_frame = affine.compose(to_own, to_frame)
        if images.shape[-2:] != member.image_size:
            images = _resized(images, member)
        part |= {key: images.to(self.device, non_blocking=True), "to_frame": to_frame.contiguous()}
        return cast("LabeledBatch", part)


def _resized(images: Tensor, member: PredictionHandler) -> Tensor:
    """Images (..., 3, h, w) at the size that a member takes."""
    flat = images.flatten(0, -4)
    if member.tracker.resizes_frames:
        small = member.tracker.resize_frames(flat.to(member.device))
    else:
        each = flat.permute(0, 2, 3, 1).numpy()
        small = channels_first(np.stack([resize(image, member.image_size) for image in each]))
    return small.unflatten(0, images.shape[:-3])


def _check_alike(members: Sequence[PredictionHandler]) -> None:
    """Refuse members whose predictions cannot be combined."""
    first = members[0].tracker
    for number, member in enumerate(members[1:], 2):
        own = member.tracker
        if own.options.keypoint_names != first.options.keypoint_names:
            names = [", ".join(each.options.keypoint_names) for each in (first, own)]
            raise TrackerError(
                f"members of an ensemble have the same keypoints in the same order: the first has "
                f"{names[0]}; number {number} {names[1]}",
                remedy="leave it out, or train it on the same labels",
            )
        if (own.views, own.instances) != (first.views, first.instances):
            raise TrackerError(
                f"{type(own).__name__} and {type(first).__name__} cannot be members of one "
                "ensemble: one looks at several views or animals together, and the other does not",
                remedy="leave one of them out",
            )
