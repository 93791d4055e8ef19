"""Backbones: any timm model that gives feature maps, and Lightning Pose's names."""

import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from lp_core.backbones import weights
from lp_core.backbones.build import build_backbone
from lp_core.backbones.contract import BackboneRequest
from lp_core.errors import BackboneError, UnknownNameError


def request(name, **options):
    return BackboneRequest(name=name, **{"image_size": (64, 96), "pretrained": False} | options)


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("resnet10t", None),
        ("resnet10t", 8),
        ("mobilenetv3_small_050", None),
        ("efficientvit_b0", None),
        ("swin_tiny_patch4_window7_224", 8),
        ("vit_tiny_patch16_224", None),
        ("vits_dinov3", None),
        ("vitt_sam2", None),
    ],
)
def test_feature_maps_have_the_stated_channels_and_stride(name, stride):
    size = (64, 96) if "vit" not in name else (64, 64)
    backbone = build_backbone(request(name, image_size=size, feature_stride=stride)).eval()
    with torch.no_grad():
        features = backbone(torch.zeros(2, 3, *size))
    expected = (2, backbone.channels, size[0] // backbone.stride, size[1] // backbone.stride)
    assert features.shape == expected


def test_mean_and_std_are_those_of_the_models_training():
    backbone = build_backbone(request("tf_efficientnet_lite0"))
    assert backbone.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(("name", "stride"), [("resnet18", None), ("resnet10t", 8)])
def test_all_of_a_residual_network_with_random_weights_learns_from_the_first_step(name, stride):
    torch.manual_seed(0)
    backbone = build_backbone(request(name, feature_stride=stride))
    backbone(torch.randn(2, 3, 64, 96)).square().sum().backward()
    convolutions = {
        name: layer for name, layer in backbone.named_modules() if isinstance(layer, nn.Conv2d)
    }
    assert [name for name, layer in convolutions.items() if not layer.weight.grad.any()] == []


def test_weights_are_taken_from_a_local_file(tmp_path):
    torch.manual_seed(3)
    source = timm.create_model("resnet10t", pretrained=False)
    save_file(source.state_dict(), tmp_path / "weights.safetensors")
    loaded = build_backbone(request("resnet10t", checkpoint=tmp_path / "weights.safetensors"))
    torch.testing.assert_close(loaded.model.conv1[0].weight, source.conv1[0].weight)


def test_a_local_file_that_is_no_safetensors_file_is_never_loaded(tmp_path):
    named_wrongly = tmp_path / "weights.pth"
    named_wrongly.write_bytes(pickle.dumps({}))
    with pytest.raises(BackboneError, match=r"must be a \.safetensors file"):
        build_backbone(request("resnet10t", checkpoint=named_wrongly))
    disguised = tmp_path / "weights.safetensors"
    disguised.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(BackboneError, match="not a readable safetensors file"):
        build_backbone(request("resnet10t", checkpoint=disguised))


def test_weights_of_another_architecture_are_refused(tmp_path):
    save_file(timm.create_model("resnet18").state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(BackboneError, match="do not fit the backbone 'resnet10t'"):
        build_backbone(request("resnet10t", checkpoint=tmp_path / "other.safetensors"))


@pytest.mark.parametrize("stride", [None, 16])
def test_a_file_without_some_layers_is_refused_instead_of_leaving_them_random(tmp_path, stride):
    weights = timm.create_model("resnet10t").state_dict()
    part = {name: value for name, value in weights.items() if not name.startswith("layer2")}
    save_file(part, tmp_path / "part.safetensors")
    with pytest.raises(BackboneError, match=r"layer2\.0\.conv1\.weight"):
        build_backbone(
            request("resnet10t", checkpoint=tmp_path / "part.safetensors", feature_stride=stride)
        )


@pytest.mark.parametrize("stride", [None, 16])
def test_the_file_of_a_whole_tracker_is_refused(tmp_path, stride):
    weights = timm.create_model("resnet10t").state_dict()
    whole = {f"backbone.model.{name}": value for name, value in weights.items()}
    save_file(whole, tmp_path / "model.safetensors")
    with pytest.raises(BackboneError, match="conv1") as error:
        build_backbone(
            request("resnet10t", checkpoint=tmp_path / "model.safetensors", feature_stride=stride)
        )
    assert "model.checkpoint" in str(error.value)
    assert len(str(error.value)) < 700


def test_reading_a_local_file_leaves_the_seed_alone(tmp_path):
    save_file(timm.create_model("resnet10t").state_dict(), tmp_path / "weights.safetensors")
    torch.manual_seed(3)
    build_backbone(request("resnet10t", checkpoint=tmp_path / "weights.safetensors"))
    assert torch.initial_seed() == 3


def test_a_missing_local_file_is_named(tmp_path):
    with pytest.raises(BackboneError, match="not there"):
        build_backbone(request("resnet10t", checkpoint=tmp_path / "none.safetensors"))


def test_a_hub_out_of_reach_says_what_to_do_instead():
    with (
        pytest.raises(BackboneError, match="could not be fetched") as error,
        weights.hub_errors("resnet18"),
    ):
        raise ConnectionError("no route to host")
    assert "model.backbone_checkpoint=" in str(error.value)
    assert "model.backbone_pretrained=false" in str(error.value)


def test_a_misspelt_backbone_names_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'resnet18'"):
        build_backbone(request("resnt18"))


def test_a_stride_that_the_model_does_not_have_lists_those_it_has():
    with pytest.raises(BackboneError, match=r"\[16\]"):
        build_backbone(request("vit_tiny_patch16_224", feature_stride=8))
