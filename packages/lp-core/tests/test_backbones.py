"""Backbones: any timm model that gives feature maps, and Lightning Pose's names."""

import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from lp_core.backbones import weights
from lp_core.backbones.build import build_backbone, build_token_backbone
from lp_core.backbones.contract import BackboneRequest, TokenBackbone
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


def with_tokens(name, size=(64, 96), **options):
    """A backbone with tokens, whose layers all say something from the start."""
    torch.manual_seed(0)
    backbone = build_token_backbone(request(name, image_size=size, **options), 2).eval()
    with torch.no_grad():
        for parameter_name, parameter in backbone.named_parameters():
            if "gamma" in parameter_name:  # timm's factor of each layer, 1e-5 at first
                parameter.fill_(1.0)
    return backbone


def maps_of(backbone, features):
    return features.flatten(0, 1).transpose(1, 2).unflatten(2, backbone.grid)


TOKENS = [
    ("test_vit", (64, 96)),  # a class token, absolute positions
    ("test_vit4", (96, 64)),  # a register token
    ("vits_dinov2", (64, 96)),
    ("vits_dinov3", (96, 64)),  # rotary positions
    ("vit_small_patch16_rope_mixed_224", (64, 96)),  # other ones in each layer
    ("eva02_tiny_patch14_224", (56, 84)),  # both kinds of positions
]


@pytest.mark.parametrize(("name", "size"), TOKENS)
@torch.no_grad()
def test_tokens_of_images_that_do_not_see_each_other_are_the_feature_map(name, size):
    """Images need not be square, and what embeds positions is resampled (multiview fault 39)."""
    backbone = with_tokens(name, size)
    images = torch.randn(4, 3, *size)
    expected, tokens = backbone(images), backbone.patch_tokens(images)
    alone = backbone.attend(tokens.unsqueeze(1))
    torch.testing.assert_close(maps_of(backbone, alone), expected, atol=1e-4, rtol=1e-4)
    nobody_else = torch.eye(2, dtype=torch.bool).expand(2, 2, 2)
    apart = backbone.attend(tokens.unflatten(0, (2, 2)), nobody_else)
    torch.testing.assert_close(maps_of(backbone, apart), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("name", "size"), TOKENS)
@torch.no_grad()
def test_an_image_is_looked_at_with_those_that_it_sees_and_no_others(name, size):
    backbone = with_tokens(name, size)
    tokens = backbone.patch_tokens(torch.randn(3, 3, *size)).unsqueeze(0)
    pair = backbone.attend(tokens[:, :2])
    alone = backbone.attend(tokens[:, :1])
    assert (pair[:, :1] - alone).abs().max() > 1e-3
    visible = torch.tensor([[[True, True, False], [True, True, False], [True, True, True]]])
    torch.testing.assert_close(backbone.attend(tokens, visible)[:, :2], pair, atol=1e-4, rtol=1e-4)
    exchanged = backbone.attend(tokens[:, [1, 0]])
    torch.testing.assert_close(exchanged[:, [1, 0]], pair, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_class_tokens_can_be_left_out():
    backbone = with_tokens("test_vit")
    tokens = backbone.patch_tokens(torch.randn(1, 3, 64, 96)).unsqueeze(0)
    blocks = backbone.model.blocks(tokens[0])
    without = backbone.attend(tokens, class_tokens=False)[0]
    torch.testing.assert_close(without, backbone.model.norm(blocks))
    assert (without - backbone.attend(tokens)[0]).abs().max() > 1e-3


@pytest.mark.parametrize("name", ["resnet18", "vitt_sam2", "beit_base_patch16_224"])
def test_convolutions_windows_and_relative_positions_have_no_tokens_themselves(name):
    backbone = build_backbone(request(name, image_size=(64, 64)))
    assert not isinstance(backbone, TokenBackbone)


FEATURES = [
    ("resnet10t", {"feature_stride": 16}),
    ("vitt_sam2", {"size": (64, 64)}),
    ("test_vit", {"feature_stride": 16}),
]


@pytest.mark.parametrize(("name", "options"), FEATURES)
@torch.no_grad()
def test_cells_of_any_feature_map_are_tokens_which_at_first_say_what_the_backbone_says(
    name, options
):
    backbone = with_tokens(name, **options)
    rows, columns = backbone.grid
    images = torch.randn(2, 3, rows * backbone.stride, columns * backbone.stride)
    expected = backbone.network(images)
    torch.testing.assert_close(backbone(images), expected, atol=1e-5, rtol=1e-5)
    features = backbone.attend(identified(backbone, images).unsqueeze(0))
    torch.testing.assert_close(maps_of(backbone, features), expected, atol=1e-5, rtol=1e-5)


def identified(backbone, images, *, moved=(0.0, 0.0), identity=None):
    """The tokens of images whose first pixels are at a place of their frames."""
    to_frame = torch.eye(3)[:2].repeat(len(images), 1, 1)
    to_frame[:, :, 2] = torch.tensor(moved)
    if identity is None:
        identity = torch.zeros(len(images), backbone.identity_channels)
    return backbone.identified(backbone.patch_tokens(images), identity, to_frame)


def stirred_features(blocks=2):
    """A convolutional backbone whose blocks say something."""
    backbone = build_token_backbone(request("resnet10t", feature_stride=16), blocks).eval()
    with torch.no_grad():
        backbone.update[1].weight.normal_()
    return backbone


@torch.no_grad()
def test_feature_cells_see_the_images_that_they_are_to_see_and_no_others():
    torch.manual_seed(0)
    backbone = stirred_features()
    tokens = identified(backbone, torch.randn(3, 3, 64, 96)).unsqueeze(0)
    pair, alone = backbone.attend(tokens[:, :2]), backbone.attend(tokens[:, :1])
    assert (pair[:, :1] - alone).abs().max() > 1e-2
    visible = torch.tensor([[[True, True, False], [True, True, False], [True, True, True]]])
    torch.testing.assert_close(backbone.attend(tokens, visible)[:, :2], pair, atol=1e-4, rtol=1e-4)
    changed = torch.cat([tokens[:, :2], torch.randn_like(tokens[:, 2:])], dim=1)
    same = backbone.attend(changed, visible)[:, :2]
    assert torch.equal(same, backbone.attend(tokens, visible)[:, :2])


@torch.no_grad()
def test_feature_cells_know_their_places_in_the_frame_and_their_image():
    torch.manual_seed(0)
    backbone, images = stirred_features(), torch.randn(1, 3, 64, 96)
    marks = torch.randn(2, 1, backbone.identity_channels)
    one = backbone.attend(identified(backbone, images, identity=marks[0]).unsqueeze(0))
    for other in (
        identified(backbone, images, identity=marks[1]),
        identified(backbone, images, identity=marks[0], moved=(8.0, 0.0)),
        identified(backbone, images, identity=marks[0], moved=(0.0, 8.0)),
    ):
        assert (backbone.attend(other.unsqueeze(0)) - one).abs().max() > 1e-2


def test_blocks_over_features_learn_with_the_head_and_the_network_as_the_backbone():
    backbone = stirred_features()
    late = {id(parameter) for parameter in backbone.backbone_parameters()}
    names = {name for name, parameter in backbone.named_parameters() if id(parameter) not in late}
    assert {name.split(".")[0] for name in names} == {"embedding", "blocks", "update"}
    assert len(names) == len(list(backbone.parameters())) - len(late)
    transformer = build_backbone(request("test_vit"))
    assert len(transformer.backbone_parameters()) == len(list(transformer.parameters()))
