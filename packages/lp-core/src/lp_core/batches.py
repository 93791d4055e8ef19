"""What a batch holds, and what a tracker gives to its losses.

B images, F context frames, T frames of a clip, R rows, K keypoints, H×W model px, h×w heatmap
cells. A row is one animal, as one camera sees it, in one frame. Images are uint8 until they are on
the device; a model normalises them itself.

The batches of `lp_data` hold every key. A script of one's own may leave out those that are marked
as not required: its rows then belong to images 0 to B - 1, or are consecutive frames of one view.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NotRequired, TypedDict, cast

import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from lp_core.poses import PoseTable, confidence_of


class LabeledBatch(TypedDict):
    """Labelled images, and the rows of labels on them.

    A tracker that declares ``instances = "one"`` gets one row for each image: R = B, and row i is
    on image i. One that declares ``"many"`` gets as many rows as animals were labelled, also none.

    A tracker that declares ``views = "jointly"`` gets V images of each frame, one for each camera
    of the project, as neighbours and always in the same order: image ``i`` is of camera ``i % V``.
    A camera without an image of the frame has a black one, which is not present; its row has no
    labels. One that declares ``"each"`` gets the images that there are, in any order.

    Keys:
        images: Model px; (B, 3, H, W), or (B, F, 3, H, W) with context, the labelled frame in the
            middle.
        to_frame: (B, 2, 3) affine maps from model px to frame px.
        frame: (B,) numbers of the frames; the images of all cameras of one frame have the same.
        view: (B,) numbers of the cameras, from 0.
        present: (B,) False for an image that only fills the place of a camera without one.
        keypoints: (R, K, 2) model px, NaN where a keypoint has no position on the image.
        visibility: (R, K). 2, visible: it has a position. 1, occluded: it cannot be seen, so a
            tracker learns to be unsure of it; it may have a position. 0, unlabelled: it has none,
            and nothing is learnt of it. A visible keypoint that an augmentation moves off the image
            is never left at 2, nor clamped: it is one that cannot be seen (1) or is left out (0),
            as ``training.uniform_heatmaps_for_nan_keypoints`` says of missing keypoints.
        image: (R,) which of the B images each row is on.
        table_row: (R,) which row of the label table each row is; -1 for that of an image which is
            not present.
        weights: (R, K) from 0 to 1, how much each label counts in the supervised losses; without
            the key, all count 1. Only where some labels are predictions of another model.
        others: (B, N, K, 2) model px, the keypoints of the other animals on each image, NaN where
            there is none; only for trackers that declare a ``condition``.
        condition: (B, K, 2) model px, about where the animal that is meant has its keypoints, such
            as its pose in the frame before; NaN where that is not known, everywhere for an image
            that is to be predicted without. Only for trackers that declare a ``condition``, which
            make their own in training; without the key, nothing is known.
        heatmaps: (R, K, h, w) targets, only for trackers that learn from heatmaps.
        cameras: (F, V, K, 2, 4) what each camera sees near each labelled keypoint, to first order;
            see `lp_core.geometry.cameras.local_cameras`. NaN for a keypoint that the labels do not
            place in space, and for an absent camera. Only where cameras are calibrated, and the
            batch has V images of each of F frames, of one animal.
    """

    images: UInt8[Tensor, "batch 3 height width"] | UInt8[Tensor, "batch context 3 height width"]
    to_frame: Float[Tensor, "batch 2 3"]
    frame: NotRequired[Int[Tensor, " batch"]]
    view: NotRequired[Int[Tensor, " batch"]]
    present: NotRequired[Bool[Tensor, " batch"]]
    keypoints: Float[Tensor, "rows keypoints 2"]
    visibility: Int[Tensor, "rows keypoints"]
    image: NotRequired[Int[Tensor, " rows"]]
    table_row: NotRequired[Int[Tensor, " rows"]]
    weights: NotRequired[Float[Tensor, "rows keypoints"]]
    others: NotRequired[Float[Tensor, "batch others keypoints 2"]]
    condition: NotRequired[Float[Tensor, "batch keypoints 2"]]
    heatmaps: NotRequired[Float[Tensor, "rows keypoints cells_y cells_x"]]
    cameras: NotRequired[Float[Tensor, "frames views keypoints 2 4"]]


class UnlabeledBatch(TypedDict):
    """One clip of consecutive frames: of one video, or of V videos of one session in step.

    With several cameras, the V images of one frame are neighbours, in the same order in every frame
    (T · V images): image ``i`` is of frame ``i // V`` of the clip, and ``v::V`` is the run of one
    camera. A tracker that looks at views jointly gets all cameras of the project, as in a
    `LabeledBatch`; any other those that recorded the session.

    Keys:
        frames: (T, 3, H, W) model px.
        to_frame: (T, 2, 3) affine maps from model px to frame px.
        frame: (T,) numbers of the frames in their video; of several cameras in their session, so
            that images of one moment have the same.
        view: (T,) numbers of the cameras, from 0.
        present: (T,) False for an image that only fills the place of a camera without one; left out
            where all are present.
        views: V, a plain number; 1 where it is left out.
    """

    frames: UInt8[Tensor, "time 3 height width"]
    to_frame: Float[Tensor, "time 2 3"]
    frame: NotRequired[Int[Tensor, " time"]]
    view: NotRequired[Int[Tensor, " time"]]
    present: NotRequired[Bool[Tensor, " time"]]
    views: NotRequired[int]


class SemiSupervisedBatch(TypedDict):
    """What one semi-supervised training step sees."""

    labeled: LabeledBatch
    unlabeled: UnlabeledBatch


class LossInputs(TypedDict, total=False):
    """The vocabulary of the losses: R rows, each an animal on an image.

    Of a labelled batch they are the rows of the batch. A tracker of one animal per image gives one
    row for each image, and leaves the last four keys to its base class; one of many gives ``image``
    for the rows of a clip.

    Keys:
        heatmaps_targ, heatmaps_pred: (R, K, h, w), each map sums to 1, or to 0 where there is no
            target.
        peaks_targ, peaks_pred: (B, M, h, w) maps of all animals of each image, such as one for each
            keypoint: how near the nearest one is, from 0 to 1, NaN where unknown, and the
            logits of that.
        offsets_targ, offsets_pred: (B, K, 2, h, w) from each cell to the centre of the animal whose
            keypoint is there, in body lengths; targets are NaN where none is.
        keypoints_targ, keypoints_pred: (R, K, 2) frame px; targets are NaN where unlabelled.
        confidences: (R, K) from 0 to 1.
        image: (R,) which image of the batch, or frame of the clip, each row is on.
        frame: (R,) the number of that image's frame.
        view: (R,) the number of that image's camera.
        individual: (R,) numbers of the animals, from 0, where they are known from frame to frame;
            without them, all rows of a view are one animal.
        cameras: (F, V, K, 2, 4) the cameras near each keypoint, as in a `LabeledBatch`, for
            R = F · V rows. From the base class, where the batch has them.
        weights: (R, K) how much each label counts, as in a `LabeledBatch`. From the base class,
            where the batch has them; supervised losses that heed them say so (`Loss.weighs`).
    """

    heatmaps_targ: Float[Tensor, "rows keypoints cells_y cells_x"]
    heatmaps_pred: Float[Tensor, "rows keypoints cells_y cells_x"]
    peaks_targ: Float[Tensor, "images maps cells_y cells_x"]
    peaks_pred: Float[Tensor, "images maps cells_y cells_x"]
    offsets_targ: Float[Tensor, "images keypoints 2 cells_y cells_x"]
    offsets_pred: Float[Tensor, "images keypoints 2 cells_y cells_x"]
    keypoints_targ: Float[Tensor, "rows keypoints 2"]
    keypoints_pred: Float[Tensor, "rows keypoints 2"]
    confidences: Float[Tensor, "rows keypoints"]
    image: Int[Tensor, " rows"]
    frame: Int[Tensor, " rows"]
    view: Int[Tensor, " rows"]
    individual: Int[Tensor, " rows"]
    cameras: Float[Tensor, "frames views keypoints 2 4"]
    weights: Float[Tensor, "rows keypoints"]


PLACES = frozenset({"image", "frame", "view"})
"""The keys of `LossInputs` that every tracker gives, since its base class adds them."""

CAMERAS = "cameras"
"""The key that its base class adds where the batch has it; a loss that requires it can only run
where the cameras are calibrated."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a tracker says of images. It unpacks into keypoints and confidences.

    Attributes:
        keypoints: (R, K, 2) frame px; a tracker of many animals gives NaN for a keypoint that it
            did not find.
        confidences: (R, K) from 0 to 1; 0 for such a keypoint.
        image: (R,) which image each row is on; None where row i is on image i.
        scores: (R,) from 0 to 1, how sure it is that the animal is there; None for a tracker that
            always finds one.
        covariance: (R, K, 2, 2) of the keypoints in px², NaN where there is none; None for one
            tracker, which states none.
        members: What each member of an ensemble says, in their order; empty for one tracker.
    """

    keypoints: Tensor
    confidences: Tensor
    image: Tensor | None = None
    scores: Tensor | None = None
    covariance: Tensor | None = None
    members: tuple[Prediction, ...] = ()

    def __iter__(self) -> Iterator[Tensor]:
        """The keypoints, then the confidences."""
        yield from (self.keypoints, self.confidences)

    @classmethod
    def of_table(cls, table: PoseTable) -> Prediction:
        """The positions and confidences of a table of predictions."""
        keypoints, confidences = map(torch.from_numpy, (table.points, confidence_of(table)))
        return cls(keypoints.float(), confidences.float())

    @classmethod
    def joined(cls, parts: Sequence[Prediction], first_image: Sequence[int] = ()) -> Prediction:
        """The rows of one or several predictions of one tracker, one after the other.

        ``first_image`` has the number of the first image of each; without it, the images of the
        rows are left out.
        """
        image = [
            part.image + first
            for part, first in zip(parts, first_image, strict=False)
            if part.image is not None
        ]
        scores = [part.scores for part in parts if part.scores is not None]
        covariance = [part.covariance for part in parts if part.covariance is not None]
        members = zip(*(part.members for part in parts), strict=True)
        return cls(
            torch.cat([part.keypoints for part in parts]),
            torch.cat([part.confidences for part in parts]),
            torch.cat(image) if image else None,
            torch.cat(scores) if scores else None,
            torch.cat(covariance) if covariance else None,
            tuple(cls.joined(own, first_image) for own in members),
        )

    def rows(self, rows: Tensor | slice) -> Prediction:
        """Some rows, in that order, of a tracker with a row for each image."""
        covariance = None if self.covariance is None else self.covariance[rows]
        members = tuple(member.rows(rows) for member in self.members)
        found = self.keypoints[rows], self.confidences[rows]
        return Prediction(*found, covariance=covariance, members=members)


def images_of(batch: LabeledBatch | UnlabeledBatch) -> Tensor:
    """The images of a labelled batch, or the frames of a clip, both in model px."""
    if "images" in batch:
        return cast("LabeledBatch", batch)["images"]
    return batch["frames"]


def runs_of_views(clip: UnlabeledBatch) -> list[UnlabeledBatch]:
    """The clip of each camera by itself, in the order of the cameras in the clip."""
    views = clip.get("views", 1)
    return [
        cast(
            "UnlabeledBatch",
            {key: value[view::views] for key, value in clip.items() if isinstance(value, Tensor)},
        )
        for view in range(views)
    ]


def with_places(
    outputs: LossInputs, batch: LabeledBatch | UnlabeledBatch, margin: int
) -> LossInputs:
    """What a tracker gives to its losses, with the image, frame and view of each row.

    Args:
        outputs: Of a labelled batch or a clip; what they hold already is kept.
        batch: The batch. Where it does not say its frames and views, neither does the result. A row
            on an image that is not present has no position and no confidence.
        margin: Frames of context on each side: without ``image``, the rows of a clip are those of
            the frames that have all their context.
    """
    images = images_of(batch)
    if "image" in outputs:
        image = outputs["image"]
    elif "image" in batch:
        image = cast("LabeledBatch", batch)["image"]
    else:
        first = 0 if "images" in batch else margin
        image = torch.arange(first, len(images) - first, device=images.device)
    known = {key: batch[key][image] for key in ("frame", "view") if key in batch}
    whole = cast("LabeledBatch", batch)
    known |= {key: whole[key] for key in ("cameras", "weights") if key in whole}
    placed = {"image": image, **known, **outputs}
    if "present" in batch:
        there = batch["present"][image].unsqueeze(-1)
        if "keypoints_pred" in outputs:
            points = outputs["keypoints_pred"]
            unknown = points.new_full((), torch.nan)
            placed["keypoints_pred"] = torch.where(there.unsqueeze(-1), points, unknown)
        if "confidences" in outputs:
            placed["confidences"] = outputs["confidences"] * there
    return cast("LossInputs", placed)
