"""The joint tracker of several cameras, and its semi-supervised twin."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from lp_core.backbones.build import build_token_backbone
from lp_core.backbones.contract import BackboneRequest, TokenBackbone
from lp_core.batches import LabeledBatch, LossInputs, Prediction, UnlabeledBatch, images_of
from lp_core.errors import BatchError, unknown_name
from lp_core.trackers.semi_supervised import SemiSupervisedTrackerMixin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_models.heatmap.base import BaseHeatmapTracker, Maps
from lp_models.heatmap.head import HeatmapHead
from lp_models.multiview.options import MultiviewOptions
from lp_models.multiview.random_masks import kept_patches, views_together

_LABELED, _UNLABELED = 0, 1  # so that both parts of a step have masks of their own


class MultiviewTransformerTracker(BaseHeatmapTracker):
    """Looks at all views of a frame at once.

    The patches of all views, or the cells of their feature maps, are the tokens of one sequence, in
    which each can attend to every other, whatever its view. A learned vector tells the views apart,
    and a head that they share turns the tokens of each view into heatmaps. What belongs to a camera
    without an image is masked, so that any subset of the views can be predicted: those that
    are not ``present``, or, where a session lacks a camera, by the tracker that `for_views` gives.
    """

    views = "jointly"
    Options = MultiviewOptions
    options: MultiviewOptions
    backbone: TokenBackbone

    def __init__(self, options: MultiviewOptions, **keywords: Any) -> None:
        super().__init__(options, **keywords)
        # on the CPU, so that it is the same on every machine
        random = torch.Generator().manual_seed(options.seed)
        shape = (len(options.view_names), self.backbone.identity_channels)
        first = self.backbone.identity_scale * torch.randn(shape, generator=random)
        self.view_identity = nn.Parameter(first)

    def build_backbone(self, request: BackboneRequest) -> TokenBackbone:
        """A backbone whose tokens can attend to those of other images."""
        return build_token_backbone(request, self.options.joint_blocks)

    def build_head(self, doublings: int) -> nn.Module:
        """The module from features (B, C, rows, columns) to heatmaps (B, K, h, w)."""
        return HeatmapHead(self.backbone.channels, self.num_keypoints, doublings)

    @classmethod
    def semi_supervised_class(cls) -> type[BaseSupervisedTracker]:
        """The twin that also learns from unlabelled clips."""
        return SemiSupervisedMultiviewTransformerTracker

    def for_views(self, names: Sequence[str]) -> MultiviewTransformerTracker:
        """This tracker for some of its cameras, whose batches hold the images of those alone.

        It predicts what this one does where the others are not present, in less time. The weights
        are shared; it is not meant for training.

        Args:
            names: Of its views, in the order that they have in its batches, which number them so.

        Raises:
            UnknownNameError: It was not trained with a view of that name.
        """
        known = self.options.view_names
        for name in names:
            if name not in known:
                raise unknown_name("view", name, known)
        options = replace(self.options, view_names=tuple(names))
        numbers = torch.tensor([known.index(name) for name in names])
        tracker = copy.copy(self)
        identity = nn.Parameter(self.view_identity.detach()[numbers.to(self.view_identity.device)])
        tracker.__dict__["options"] = options
        tracker.__dict__["_parameters"] = {**self._parameters, "view_identity": identity}
        return tracker

    def forward(
        self,
        images: Tensor,
        view: Int[Tensor, " batch"],
        visible: Bool[Tensor, "frames views views"],
        to_frame: Float[Tensor, "batch 2 3"],
        patches: Bool[Tensor, "batch rows columns"] | None = None,
    ) -> Maps:
        """Heatmaps (B, K, h, w), each with sum 1.

        Args:
            images: (B, 3, H, W), uint8 or 0 to 255, those of a frame one after the other.
            view: (B,) numbers of their cameras.
            visible: (F, V, V), which images of a frame see each other; each must see itself.
            to_frame: (B, 2, 3), model px → frame px.
            patches: (B, rows, columns) of the backbone's grid, False for those that are given the
                mean colour; None for none.
        """
        normalized = self.normalization(images)
        if patches is not None:
            size = self.backbone.stride
            pixels = patches.repeat_interleave(size, dim=1).repeat_interleave(size, dim=2)
            normalized = normalized * pixels.unsqueeze(1)
        learning, trainable = torch.is_grad_enabled(), self.backbone_trainable
        with torch.set_grad_enabled(learning and trainable):
            tokens = self.backbone.patch_tokens(normalized)
        with torch.set_grad_enabled(learning and (trainable or self.backbone.attention_is_new)):
            tokens = self.backbone.identified(tokens, self.view_identity[view], to_frame)
            features = self.backbone.attend(
                tokens.unflatten(0, visible.shape[:2]),
                visible,
                class_tokens=self.options.class_tokens,
            ).flatten(0, 1)
        maps: Tensor = self.head(features.transpose(1, 2).unflatten(2, self.backbone.grid))
        return maps

    def heatmaps_of(self, batch: LabeledBatch | UnlabeledBatch) -> Maps:
        """Heatmaps (B, K, h, w) of the images of a batch, or of the frames of a clip, in order.

        In training, some patches are hidden, and some views of a frame are set apart.

        Raises:
            BatchError: They are not as many images for each frame as there are views.
        """
        images = images_of(batch)
        view, visible = self._views(batch)
        patches = None
        if self.training:
            if "present" in batch:
                images = without_absent(images, batch["present"])
            part = _UNLABELED if "frames" in batch else _LABELED
            counters = (self.options.seed, self.global_step, self.global_rank, part)
            patches = self._patches(images, counters)
            visible = visible & self._together(visible, counters)
        maps: Tensor = self(images, view, visible, batch["to_frame"], patches)
        return maps

    def _views(
        self, batch: LabeledBatch | UnlabeledBatch
    ) -> tuple[Int[Tensor, " batch"], Bool[Tensor, "frames views views"]]:
        """The camera of each image of a batch, and which images of each frame see each other."""
        images, number = images_of(batch), len(self.options.view_names)
        if images.ndim != 4 or len(images) % number or batch.get("views", number) != number:
            raise BatchError(
                f"images {tuple(images.shape)} are not those of {number} views of some frames",
                remedy="give an image for each view of each frame, also where there is none, or "
                "take the tracker for fewer views with for_views",
            )
        place = torch.arange(len(images), device=images.device)
        known = cast("dict[str, Tensor]", batch)
        view, frame = known.get("view", place % number), known.get("frame", place // number)
        present = known.get("present", torch.ones_like(place, dtype=torch.bool))
        frame, present = frame.reshape(-1, number), present.reshape(-1, 1, number)
        # images of another frame would only be here by mistake
        visible = (frame.unsqueeze(2) == frame.unsqueeze(1)) & present
        # attention to nothing would not be a number
        themselves = torch.eye(number, dtype=torch.bool, device=images.device)
        return view, visible | themselves

    def _patches(
        self, images: Tensor, counters: tuple[int, ...]
    ) -> Bool[Tensor, "batch rows columns"] | None:
        """Which patches of the images stay in this step; None for all."""
        mask = self.options.patch_mask
        ratio = mask.ratio(self.current_epoch, self.global_step) if mask else 0.0
        if ratio <= 0:
            return None
        return kept_patches(len(images), self.backbone.grid, ratio, (*counters, 0), images.device)

    def _together(
        self, visible: Bool[Tensor, "frames views views"], counters: tuple[int, ...]
    ) -> Bool[Tensor, "frames views views"] | bool:
        """Which views of each frame are not set apart from each other in this step."""
        dropout = self.options.view_dropout
        if dropout <= 0:
            return True
        frames, views, _ = visible.shape
        return views_together(frames, views, dropout, (*counters, 1), visible.device)

    def get_loss_inputs_labeled(self, batch: LabeledBatch) -> LossInputs:
        """Heatmaps and keypoints, in frame px, both predicted and targeted.

        Args:
            batch: A labelled batch with ``heatmaps``.
        """
        return self.labeled_inputs(self.heatmaps_of(batch), batch)

    def predict_step(self, batch: LabeledBatch | UnlabeledBatch, batch_idx: int = 0) -> Prediction:
        """Keypoints in frame px, and confidences, which are 0 for what is not present."""
        keypoints, confidences = self.decode(self.heatmaps_of(batch), batch["to_frame"])
        if "present" in batch:
            confidences = confidences * batch["present"].unsqueeze(-1)
        return Prediction(keypoints, confidences)


def without_absent(images: Tensor, present: Bool[Tensor, " batch"]) -> Tensor:
    """Images (B, 3, H, W) of a batch, with present ones in the places of those that are not.

    No other image sees what stands there. But black images would enter the statistics of batch
    normalisation, which then would depend on how many cameras are absent.
    """
    order = torch.argsort((~present).byte(), stable=True)  # the present ones first
    absent = torch.cumsum(~present, dim=0) - 1
    stand_in = order[absent.clamp(min=0) % present.sum().clamp(min=1)]
    own = torch.arange(len(images), device=images.device)
    return images[torch.where(present, own, stand_in)]


class SemiSupervisedMultiviewTransformerTracker(
    SemiSupervisedTrackerMixin, MultiviewTransformerTracker
):
    """A joint tracker that also learns from unlabelled clips of all cameras."""

    def get_loss_inputs_unlabeled(self, batch: UnlabeledBatch) -> LossInputs:
        """Predicted heatmaps and keypoints, in frame px, of the frames in their order."""
        return self.unlabeled_inputs(self.heatmaps_of(batch), batch["to_frame"])
