"""The backbone names of Lightning Pose, so that its configs work unchanged.

Each is a timm architecture; the animal and human ResNets take their weights from the
pose-estimation checkpoints that OpenMMLab publishes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from lp_core.backbones.contract import Backbone, BackboneRequest
from lp_core.backbones.timm_backbone import build_timm_backbone
from lp_core.backbones.weights import hub_errors

_OPENMMLAB = "https://download.openmmlab.com/mmpose/"


@dataclass(frozen=True)
class NamedBackbone:
    """A backbone under the name that Lightning Pose gives it.

    Attributes:
        timm_name: The timm architecture, with the tag of its weights.
        url: Where the weights are, if not on timm's hub.
        arguments: Further arguments of ``timm.create_model``.
    """

    timm_name: str
    url: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)

    def __call__(self, request: BackboneRequest) -> Backbone:
        """Build it as ``request`` says.

        Raises:
            BackboneError: The weights cannot be had.
        """
        if self.url is None or request.checkpoint is not None or not request.pretrained:
            return build_timm_backbone(request, timm_name=self.timm_name, **self.arguments)
        plain = replace(request, pretrained=False)
        backbone = build_timm_backbone(plain, timm_name=self.timm_name, **self.arguments)
        with hub_errors(request.name):
            _load_pose_weights(backbone, self.url)
        return backbone


def _load_pose_weights(backbone: nn.Module, url: str) -> None:
    """Load the ResNet inside an OpenMMLab pose checkpoint; its head is left out."""
    from torch.hub import load_state_dict_from_url

    checkpoint = load_state_dict_from_url(url, map_location="cpu", weights_only=True)
    state = checkpoint.get("state_dict", checkpoint)
    weights = {
        name.replace("backbone", "model", 1): value
        for name, value in state.items()
        if name.startswith("backbone.")
    }
    backbone.load_state_dict(weights, strict=True)


def _pose_resnet(path: str) -> NamedBackbone:
    return NamedBackbone("resnet50", _OPENMMLAB + path)


resnet18 = NamedBackbone("resnet18.tv_in1k")
resnet34 = NamedBackbone("resnet34.tv_in1k")
resnet50 = NamedBackbone("resnet50.tv2_in1k")
resnet101 = NamedBackbone("resnet101.tv2_in1k")
resnet152 = NamedBackbone("resnet152.tv2_in1k")
resnet50_animal_apose = _pose_resnet("animal/resnet/res50_animalpose_256x256-e1f30bff_20210426.pth")
resnet50_animal_ap10k = _pose_resnet("animal/resnet/res50_ap10k_256x256-35760eb8_20211029.pth")
resnet50_human_jhmdb = _pose_resnet(
    "top_down/resnet/res50_jhmdb_sub3_256x256-c4ec1a0b_20201122.pth"
)
resnet50_human_res_rle = _pose_resnet(
    "deeppose/deeppose_res50_mpii_256x256_rle-5f92a619_20220504.pth"
)
resnet50_human_top_res = _pose_resnet("top_down/resnet/res50_mpii_256x256-418ffc88_20200812.pth")
resnet50_human_hand = _pose_resnet("hand/resnet/res50_onehand10k_256x256-739c8639_20210330.pth")
efficientnet_b0 = NamedBackbone("efficientnet_b0")
efficientnet_b1 = NamedBackbone("efficientnet_b1")
efficientnet_b2 = NamedBackbone("efficientnet_b2")
vits_dino = NamedBackbone("vit_small_patch16_224.dino")
vitb_dino = NamedBackbone("vit_base_patch16_224.dino")
vits_dinov2 = NamedBackbone("vit_small_patch14_dinov2.lvd142m", arguments={"patch_size": 16})
vitb_dinov2 = NamedBackbone("vit_base_patch14_dinov2.lvd142m", arguments={"patch_size": 16})
vits_dinov3 = NamedBackbone("vit_small_patch16_dinov3.lvd1689m")
vitb_dinov3 = NamedBackbone("vit_base_patch16_dinov3.lvd1689m")
vitb_imagenet = NamedBackbone("vit_base_patch16_224.mae")
vitb_sam = NamedBackbone("samvit_base_patch16.sa1b")
vitt_sam2 = NamedBackbone("sam2_hiera_tiny.fb_r896_2pt1")
vits_sam2 = NamedBackbone("sam2_hiera_small.fb_r896_2pt1")
vitb_sam2 = NamedBackbone("sam2_hiera_base_plus.fb_r896_2pt1")
