"""The layouts against Lightning Pose's networks, written here from torchvision's description."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lp_core.backbones.build import build_backbone
from lp_core.backbones.contract import BackboneRequest
from lp_core.registry import BACKBONES, registered
from lp_io.errors import ConversionError
from lp_io.lightning_pose.weights import LAYOUTS, efficientnet_weight, resnet_weight


class Bottleneck(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        if stride > 1 or channels != 4 * width:
            convolution = nn.Conv2d(channels, 4 * width, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(4 * width))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(F.relu(self.bn2(self.conv2(y)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


def their_resnet50():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    channels = 64
    for width, depth in zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True):
        blocks = []
        for number in range(depth):
            stride = 2 if number == 0 and width > 64 else 1
            blocks.append(Bottleneck(channels, width, stride))
            channels = 4 * width
        layers.append(nn.Sequential(*blocks))
    return nn.Sequential(*layers)


def _convolution(channels, outputs, kernel, stride=1, groups=1, active=True):
    layers = [
        nn.Conv2d(channels, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([nn.SiLU()] if active else []))


class Squeeze(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.fc1, self.fc2 = nn.Conv2d(channels, squeezed, 1), nn.Conv2d(squeezed, channels, 1)

    def forward(self, x):
        return x * self.fc2(F.silu(self.fc1(x.mean(dim=(2, 3), keepdim=True)))).sigmoid()


class MBConv(nn.Module):
    def __init__(self, channels, outputs, kernel, stride, widening):
        super().__init__()
        wide = channels * widening
        layers = [_convolution(channels, wide, 1)] if widening > 1 else []
        layers.append(_convolution(wide, wide, kernel, stride, groups=wide))
        layers.append(Squeeze(wide, max(1, channels // 4)))
        layers.append(_convolution(wide, outputs, 1, active=False))
        self.block = nn.Sequential(*layers)
        self.adds = stride == 1 and channels == outputs

    def forward(self, x):
        return self.block(x) + x if self.adds else self.block(x)


def their_efficientnet_b0():
    stages = [  # widening, kernel, stride, channels, depth
        (1, 3, 1, 16, 1),
        (6, 3, 2, 24, 2),
        (6, 5, 2, 40, 2),
        (6, 3, 2, 80, 3),
        (6, 5, 1, 112, 3),
        (6, 5, 2, 192, 4),
        (6, 3, 1, 320, 1),
    ]
    layers, channels = [_convolution(3, 32, 3, 2)], 32
    for widening, kernel, stride, outputs, depth in stages:
        blocks = []
        for number in range(depth):
            blocks.append(MBConv(channels, outputs, kernel, 1 if number else stride, widening))
            channels = outputs
        layers.append(nn.Sequential(*blocks))
    layers.append(_convolution(320, 1280, 1))
    return nn.Sequential(nn.Sequential(*layers))


def _with_random_statistics(network):
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.2, 0.2)
    return network.eval()


@pytest.mark.parametrize(
    ("name", "network_of"),
    [
        ("resnet50", their_resnet50),
        ("resnet50_animal_ap10k", their_resnet50),
        ("efficientnet_b0", their_efficientnet_b0),
    ],
)
def test_their_weights_give_the_same_features(name, network_of):
    torch.manual_seed(0)
    network = _with_random_statistics(network_of())
    backbone = build_backbone(
        BackboneRequest(name=name, image_size=(64, 96), pretrained=False)
    ).eval()
    state = LAYOUTS[name](backbone, network.state_dict())
    backbone.load_state_dict(state)
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        expected, features = network(images), backbone(images)
    assert expected.std() > 1e-4
    torch.testing.assert_close(features, expected, rtol=1e-4, atol=1e-5 * expected.abs().max())


@pytest.mark.parametrize(
    "name", ["0.weight", "3.weight", "4", "8.weight", "0.9.0.weight", "fc.bias"]
)
def test_names_that_no_network_has_are_refused(name):
    with pytest.raises(ConversionError, match="not a weight of an EfficientNet"):
        efficientnet_weight(name)
    if name not in ("0.weight", "0.9.0.weight"):
        with pytest.raises(ConversionError, match="not a weight of a ResNet"):
            resnet_weight(name)


def test_every_convolutional_backbone_of_lightning_pose_has_a_layout():
    names = {name for name in registered(BACKBONES) if name.startswith(("resnet", "efficient"))}
    transformers = {"vits_dino", "vitb_dino", "vits_dinov2", "vitb_dinov2", "vitb_imagenet"}
    assert set(LAYOUTS) == names | transformers


NEW = {"blocks": "layers", "norm1": "layernorm_before", "norm2": "layernorm_after"}
NEW |= {"q": "attention.q_proj", "k": "attention.k_proj", "v": "attention.v_proj"}
NEW |= {"attn.proj": "attention.o_proj", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
OLD = {**NEW, "blocks": "encoder.layer", "attn.proj": "attention.output.dense"}
OLD |= {f"{name[0]}": f"attention.attention.{name}" for name in ("query", "key", "value")}
OLD |= {"mlp.fc1": "intermediate.dense", "mlp.fc2": "output.dense"}
DINOV2 = {**OLD, "norm1": "norm1", "norm2": "norm2", "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2"}
DINOV2 |= {"ls1": "layer_scale1", "ls2": "layer_scale2"}


def by_their_names(state, names):
    """Our weights of a vision transformer as the library transformers has them."""
    theirs = {
        "embeddings.cls_token": state["cls_token"],
        "embeddings.position_embeddings": state["pos_embed"],
        "embeddings.mask_token": torch.zeros(1, 384),
    }
    for kind in ("weight", "bias"):
        patches = f"embeddings.patch_embeddings.projection.{kind}"
        theirs[patches] = state[f"patch_embed.proj.{kind}"]
        theirs[f"layernorm.{kind}"] = state[f"norm.{kind}"]
        theirs[f"pooler.dense.{kind}"] = torch.zeros(2)
        for block in range(12):
            ours, place = f"blocks.{block}.", f"{names['blocks']}.{block}."
            whole = state[f"{ours}attn.qkv.{kind}"].chunk(3)
            theirs |= {
                f"{place}{names[part]}.{kind}": value
                for part, value in zip("qkv", whole, strict=True)
            }
            for layer in ("norm1", "norm2", "attn.proj", "mlp.fc1", "mlp.fc2"):
                theirs[f"{place}{names[layer]}.{kind}"] = state[f"{ours}{layer}.{kind}"]
    for name, value in state.items():
        if ".ls" in name:
            _, block, layer, _ = name.split(".")
            theirs[f"{names['blocks']}.{block}.{names[layer]}.lambda1"] = value
    return {f"vision_encoder.{name}": value for name, value in theirs.items()}


@pytest.mark.parametrize(
    ("name", "names"), [("vits_dino", OLD), ("vits_dino", NEW), ("vits_dinov2", DINOV2)]
)
def test_transformers_keep_their_weights(name, names):
    request = BackboneRequest(name=name, image_size=(64, 64), pretrained=False)
    torch.manual_seed(0)
    backbone = build_backbone(request)
    state = {key.removeprefix("model."): value for key, value in backbone.state_dict().items()}
    found = LAYOUTS[name](backbone, by_their_names(state, names))
    assert found.keys() == backbone.state_dict().keys()
    for key, value in backbone.state_dict().items():
        torch.testing.assert_close(found[key], value, atol=0, rtol=0)


def test_positions_are_resampled_to_the_images_as_transformers_does():
    request = BackboneRequest(name="vits_dino", image_size=(64, 96), pretrained=False)
    backbone = build_backbone(request)
    row = torch.linspace(-1, 1, 14)
    plane = row[:, None, None] * torch.tensor([1.0, 0.0]) + row[:, None] * torch.tensor([0.0, 1.0])
    positions = torch.cat([torch.full((1, 1, 2), 5.0), plane.reshape(1, 196, 2)], dim=1)
    name = "vision_encoder.embeddings.position_embeddings"
    found = LAYOUTS["vits_dino"](backbone, {name: positions})["model.pos_embed"]
    assert found.shape == (1, 1 + 4 * 6, 2)
    assert (found[0, 0] == 5).all()
    grid = found[0, 1:].unflatten(0, (4, 6))
    # a plane nearly stays one where the image's edge is far; cells keep their centres
    expected = ((torch.arange(4) + 0.5) * 14 / 4 - 0.5) / 6.5 - 1
    torch.testing.assert_close(grid[1:3, 2, 0], expected[1:3], atol=0.02, rtol=0)
    centre = torch.tensor([-1, 1]) * (14 / 6 / 2) / 6.5
    torch.testing.assert_close(grid[0, 2:4, 1], centre, atol=0.02, rtol=0)


@pytest.mark.parametrize("name", ["vision_encoder.encoder.layer.0.other.weight", "layernorm"])
def test_names_that_no_transformer_has_are_refused(name):
    backbone = build_backbone(
        BackboneRequest(name="vits_dino", image_size=(64, 64), pretrained=False)
    )
    with pytest.raises(ConversionError, match="not a weight of a vision transformer"):
        LAYOUTS["vits_dino"](backbone, {name: torch.zeros(1)})


def test_an_attention_without_its_query_is_refused():
    backbone = build_backbone(
        BackboneRequest(name="vits_dino", image_size=(64, 64), pretrained=False)
    )
    with pytest.raises(ConversionError, match="lacks its query"):
        LAYOUTS["vits_dino"](backbone, {"layers.0.attention.k_proj.bias": torch.zeros(384)})
