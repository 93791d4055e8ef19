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
    layout = LAYOUTS[name]
    backbone.load_state_dict({layout(key): value for key, value in network.state_dict().items()})
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
    names = [name for name in registered(BACKBONES) if name.startswith(("resnet", "efficient"))]
    assert sorted(LAYOUTS) == sorted(names)
