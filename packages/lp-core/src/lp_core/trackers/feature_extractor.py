"""The part that all trackers share: images in, feature maps out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional as F

from lp_core.backbones.build import build_backbone
from lp_core.backbones.contract import Backbone, BackboneRequest
from lp_core.errors import BatchError
from lp_core.optimization import OptimizationOptions, configure_optimization
from lp_core.trackers.options import TrackerOptions


class ImageNormalization(nn.Module):
    """(image / 255 - mean) / std per channel, as one multiplication and one addition.

    Mean and standard deviation are buffers, so that a checkpoint is complete in itself.

    Args:
        mean: Per channel, in 0 to 1.
        std: Per channel, in 0 to 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).reshape(-1, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(-1, 1, 1))

    def forward(self, images: Tensor) -> Float[Tensor, "*batch channels height width"]:
        """Normalise images (..., 3, H, W) with values from 0 to 255."""
        scale = 1 / (255 * self.std)
        return torch.addcmul(-self.mean / self.std, images.to(scale.dtype), scale)


class BaseFeatureExtractor(LightningModule):
    """A backbone with its normalisation, for every batch form.

    Attributes:
        Options: The dataclass of a tracker's options; a subclass may extend it.
        context_frames: F, the frames that a tracker looks at for one prediction; odd, 1 for no
            context.
        backbone_trainable: Whether gradients reach the backbone;
            `lp_core.callbacks.UnfreezeBackbone` sets it.

    Args:
        options: The tracker's options.
        optimization: How it learns; None takes the defaults.
    """

    Options: ClassVar[type[TrackerOptions]] = TrackerOptions
    context_frames: ClassVar[int] = 1

    def __init__(
        self, options: TrackerOptions, *, optimization: OptimizationOptions | None = None
    ) -> None:
        super().__init__()
        self.options = options
        self.optimization = optimization or OptimizationOptions()
        self.backbone_trainable = True
        checkpoint = options.backbone_checkpoint
        self.backbone = self.build_backbone(
            BackboneRequest(
                name=options.backbone,
                image_size=options.image_size,
                pretrained=options.backbone_pretrained or checkpoint is not None,
                checkpoint=Path(checkpoint) if checkpoint else None,
                feature_stride=options.feature_stride,
            )
        )
        self.normalization = ImageNormalization(self.backbone.mean, self.backbone.std)

    def build_backbone(self, request: BackboneRequest) -> Backbone:
        """What ``request`` names; a tracker that needs more of a backbone says so here.

        Raises:
            UnknownNameError: No backbone has that name.
            BackboneError: It cannot be built as requested, or is not one that the tracker can use.
        """
        return build_backbone(request)

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints, K."""
        return self.options.num_keypoints

    @property
    def resizes_frames(self) -> bool:
        """Whether video frames are to come at their own size, for `resize_frames`."""
        return False

    def resize_frames(self, frames: Tensor) -> Float[Tensor, "frames 3 height width"]:
        """Frames (T, 3, h, w), uint8 or 0 to 255, at model size: bilinear, not rounded.

        Lightning Pose makes them so. It does not average, so that detail turns into noise where
        frames shrink to less than half; its networks are read with that noise.
        """
        size = self.options.image_size
        # one at a time: as floats, many large frames would fill the memory
        each = (F.interpolate(f.float(), size=size, mode="bilinear") for f in frames.split(1))
        return torch.cat(list(each))

    def encode(self, images: Tensor) -> Float[Tensor, "batch channels rows columns"]:
        """Feature maps (N, C, h, w) of independent images (N, 3, H, W), uint8 or 0 to 255."""
        return self.encode_normalized(self.normalization(images))

    def encode_normalized(self, images: Tensor) -> Float[Tensor, "batch channels rows columns"]:
        """Feature maps (N, C, h, w) of images (N, 3, H, W) that `normalization` gave."""
        normalized = images.contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.backbone_trainable):
            features: Tensor = self.backbone(normalized)
        return features

    def get_representations(self, images: Tensor) -> Tensor:
        """Feature maps of every batch form, of images in model px, uint8 or 0 to 255.

        Returns:
            (B, C, h, w) for independent images (B, 3, H, W); (B, F, C, h, w) for images with their
            context (B, F, 3, H, W); (T - F + 1, F, C, h, w) for consecutive frames (T, 3, H, W) if
            F > 1, each of which is encoded once.

        Raises:
            BatchError: The shape is none of these, or there are fewer than F consecutive frames.
        """
        if images.ndim == 5:
            batch, frames = images.shape[:2]
            self._check_context(frames, exactly=True)
            return self.encode(images.flatten(0, 1)).unflatten(0, (batch, frames))
        if images.ndim != 4:
            raise BatchError(f"images must have 4 or 5 dimensions, got {tuple(images.shape)}")
        if self.context_frames == 1:
            return self.encode(images)
        self._check_context(images.shape[0], exactly=False)
        windows = self.encode(images).unfold(0, self.context_frames, 1)
        return windows.movedim(-1, 1)

    def _check_context(self, frames: int | torch.SymInt, *, exactly: bool) -> None:
        """Refuse a number of frames that gives this tracker no whole window."""
        needed = self.context_frames
        if (exactly and frames != needed) or frames < needed:
            kind = "exactly" if exactly else "at least"
            raise BatchError(
                f"{type(self).__name__} needs {kind} {needed} frames per window, got {frames}"
            )

    def head_parameters(self) -> list[torch.nn.Parameter]:
        """Every parameter that does not learn as the backbone does."""
        backbone = {id(parameter) for parameter in self.backbone.backbone_parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in backbone]

    def configure_optimizers(self) -> Any:
        """Lightning's hook: the optimiser with its schedule, as `OptimizationOptions` says."""
        return configure_optimization(
            self.optimization,
            backbone=self.backbone.backbone_parameters(),
            head=self.head_parameters(),
        )
