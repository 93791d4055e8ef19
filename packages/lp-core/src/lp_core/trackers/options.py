"""What every tracker can be told."""

from __future__ import annotations

from dataclasses import dataclass

from lp_core.errors import TrackerError


@dataclass(frozen=True, kw_only=True)
class TrackerOptions:
    """Options common to all trackers; a tracker with more of them subclasses this.

    They are plain values, so that a config can give them and a checkpoint's manifest can keep them.

    Attributes:
        keypoint_names: The K keypoints, in the order of every output.
        image_size: (H, W) in model px.
        backbone: A registered backbone or a timm model.
        backbone_pretrained: Start from pre-trained weights.
        backbone_checkpoint: A local ``.safetensors`` file with those weights, instead of the hub.
        feature_stride: Model px per feature cell; None takes the backbone's deepest feature map.
    """

    keypoint_names: tuple[str, ...]
    image_size: tuple[int, int] = (256, 256)
    backbone: str = "resnet50"
    backbone_pretrained: bool = True
    backbone_checkpoint: str | None = None
    feature_stride: int | None = None

    def __post_init__(self) -> None:
        names = self.keypoint_names
        if not names:
            raise TrackerError("a tracker needs at least one keypoint")
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise TrackerError(f"the keypoint '{twice[0]}' is named twice")
        if min(self.image_size) < 1:
            raise TrackerError(f"the image size must be positive, got {self.image_size}")

    @property
    def num_keypoints(self) -> int:
        """The number of keypoints, K."""
        return len(self.keypoint_names)
