"""A toy problem: coloured blobs on grey noise, one colour for each keypoint."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass
from typing import Literal, TypeVar, cast

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from lp_core.batches import LabeledBatch, SemiSupervisedBatch, UnlabeledBatch
from lp_core.losses.contract import TrainingLabels
from lp_core.poses import Visibility

Batch = TypeVar("Batch", bound="LabeledBatch | UnlabeledBatch")

_BLOB = 2.5
_SPEED = 1.5
_ANIMALS = (2, 0, 2)


@dataclass(frozen=True, kw_only=True)
class ToyProblem:
    """Batches of every form, the same for the same seed.

    Attributes:
        image_size: (H, W) in model px.
        keypoints: How many, K.
        context_frames: F; labelled images come with their context if it exceeds 1.
        instances: With ``"many"``, images have two rows, none and two in turn, and clips show two
            animals.
        views: How many cameras, V; each sees the keypoints elsewhere.
        others: Whether labelled batches have the key ``others``; no other animal is drawn.
    """

    image_size: tuple[int, int]
    keypoints: int
    context_frames: int
    instances: Literal["one", "many"] = "one"
    views: int = 1
    others: bool = False

    def labeled(self, batch: int = 2, seed: int = 0) -> LabeledBatch:
        """A labelled batch of so many frames; every image has its own map to frame px."""
        random = torch.Generator().manual_seed(seed)
        batch = batch * self.views
        counts = [_ANIMALS[number % 3] for number in range(batch)]
        image = torch.arange(batch)
        if self.instances == "many":
            image = image.repeat_interleave(torch.tensor(counts))
        positions = self._positions(len(image), random)
        velocity = _SPEED * torch.randn(len(image), 1, self.keypoints, 2, generator=random)
        steps = torch.arange(self.context_frames) - self.context_frames // 2
        moving = positions[:, None] + velocity * steps[:, None, None]
        images = self._draw(moving, image, batch, random)
        images = images if self.context_frames > 1 else images[:, 0]
        labeled = _labeled(images, frame_maps(batch), positions, image, self.views)
        if self.others:
            labeled["others"] = self._positions(2 * batch, random).unflatten(0, (batch, 2))
            labeled["others"][:, 1] = torch.nan
        return labeled

    def clip(self, frames: int | None = None, seed: int = 1) -> UnlabeledBatch:
        """A clip in which every blob moves evenly; three more frames than a window by default.

        ``frames`` is how many each camera has.
        """
        random = torch.Generator().manual_seed(seed)
        frames = self.context_frames + 3 if frames is None else frames
        animals, views = 2 if self.instances == "many" else 1, self.views
        start = self._positions(animals * views, random)[:, None]
        velocity = _SPEED * torch.randn(animals * views, 1, self.keypoints, 2, generator=random)
        moving = start + velocity * torch.arange(frames)[:, None, None]
        view = torch.arange(views)
        shown = self._draw(moving, view.repeat_interleave(animals), views, random)
        clip: UnlabeledBatch = {
            "frames": shown.transpose(0, 1).flatten(0, 1),  # all views of a frame, then the next
            "to_frame": frame_maps(frames * views),
            "frame": torch.arange(frames).repeat_interleave(views),
            "view": view.repeat(frames),
        }
        if views > 1:
            clip |= {"views": views, "present": torch.ones(frames * views, dtype=torch.bool)}
        return clip

    def both(self, seed: int = 0) -> SemiSupervisedBatch:
        """A labelled batch and a clip."""
        return {"labeled": self.labeled(seed=seed), "unlabeled": self.clip(seed=seed + 100)}

    def labels(self, names: tuple[str, ...]) -> TrainingLabels:
        """Labels for losses that learn from them."""
        random = torch.Generator().manual_seed(7)
        return TrainingLabels(keypoints=self._positions(64, random), keypoint_names=names)

    def _positions(self, rows: int, random: torch.Generator) -> Float[Tensor, "rows keypoints 2"]:
        """Positions in model px that keep away from the edge."""
        height, width = self.image_size
        share = 0.2 + 0.6 * torch.rand(rows, self.keypoints, 2, generator=random)
        return share * torch.tensor([width, height])

    def _draw(
        self,
        positions: Float[Tensor, "rows frames keypoints 2"],
        image: Int[Tensor, " rows"],
        images: int,
        random: torch.Generator,
    ) -> UInt8[Tensor, "images frames 3 height width"]:
        """Images in so many frames, with a blob at each position of each row that is on them."""
        height, width = self.image_size
        rows = torch.arange(height)[:, None] - positions[..., 1, None, None]
        columns = torch.arange(width) - positions[..., 0, None, None]
        blobs = ((rows.square() + columns.square()) / (-2 * _BLOB**2)).exp()
        colours = torch.tensor(
            [colorsys.hsv_to_rgb(k / self.keypoints, 1, 1) for k in range(self.keypoints)]
        )
        shape = (images, positions.shape[1], 3, height, width)
        shown = torch.einsum("nfkyx,kc->nfcyx", blobs, colours).float()  # also under autocast
        light = torch.zeros(shape).index_add(0, image, shown)
        noise = 0.1 * torch.rand(*shape[:2], 1, height, width, generator=random)
        return (255 * (0.2 + noise + 0.7 * light)).clamp(0, 255).to(torch.uint8)


def frame_maps(rows: int) -> Float[Tensor, "rows 2 3"]:
    """A different map from model px to frame px for every row, with a far-off origin."""
    maps = []
    for row in range(rows):
        angle, scale = 0.1 * row, 3.0 + 0.5 * row
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        maps.append([[cos, -sin, 1000.0 + 50 * row], [sin, cos, 700.0 - 30 * row]])
    return torch.tensor(maps).reshape(rows, 2, 3)


def _labeled(
    images: Tensor,
    to_frame: Tensor,
    keypoints: Tensor,
    image: Int[Tensor, " rows"],
    views: int = 1,
) -> LabeledBatch:
    return {
        "images": images,
        "to_frame": to_frame,
        "frame": torch.arange(len(images)) // views,
        "view": torch.arange(len(images)) % views,
        "present": torch.ones(len(images), dtype=torch.bool),
        "keypoints": keypoints,
        "visibility": torch.full(keypoints.shape[:2], int(Visibility.VISIBLE)),
        "image": image,
        "table_row": torch.arange(len(image)),
    }


def with_frame_at_model(batch: Batch) -> Batch:
    """The batch, as if frame px were model px."""
    identity = torch.eye(3)[:2].repeat(len(batch["to_frame"]), 1, 1)
    return cast("Batch", {**batch, "to_frame": identity})


def windows_of(
    clip: UnlabeledBatch, context_frames: int, keypoints: int, views: int = 1
) -> LabeledBatch:
    """The frames of a clip that have all their context, as a labelled batch.

    The labels, one row in the middle of each image, only fill their place. With several cameras
    there is no context.
    """
    frames, rows = clip["frames"], len(clip["frames"]) - context_frames + 1
    margin = context_frames // 2
    windows = frames.unfold(0, context_frames, 1).movedim(-1, 1).contiguous()
    middle = torch.tensor([frames.shape[3] / 2, frames.shape[2] / 2])
    return _labeled(
        windows if context_frames > 1 else frames.clone(),
        clip["to_frame"][margin : margin + rows].clone(),
        middle.repeat(rows, keypoints, 1),
        torch.arange(rows),
        views,
    )
