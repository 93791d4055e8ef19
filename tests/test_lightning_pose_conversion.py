"""Whole conversions, against the public computation written here anew."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf
from torch import nn
from torch.nn import functional as F

from lp_core.errors import LPError
from lp_io.checkpoint import load_model
from lp_io.lightning_pose.checkpoint import find_lightning_pose_checkpoint
from lp_io.start_weights import start_from
from lp_pipeline.conversion.convert import convert
from lp_pipeline.model import Model

NAMES = ["nose", "paw", "tail"]
SIZE, FRAME = (64, 96), (150, 250)
"""(height, width) of model and frame."""


class BasicBlock(nn.Module):
    def __init__(self, channels, width, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        if channels != width:
            convolution = nn.Conv2d(channels, width, 1, stride, bias=False)
            self.downsample = nn.Sequential(convolution, nn.BatchNorm2d(width))

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


def _resnet18():
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2, 1))
    channels = 64
    for width in (64, 128, 256, 512):
        first = BasicBlock(channels, width, 1 if width == 64 else 2)
        layers.append(nn.Sequential(first, BasicBlock(width, width, 1)))
        channels = width
    return nn.Sequential(*layers)


def _up(channels):
    return nn.ConvTranspose2d(channels, len(NAMES), 3, 2, 1, 1)


def _heatmap_head():
    head = nn.Module()
    head.upsampling_layers = nn.Sequential(nn.PixelShuffle(2), _up(128), _up(len(NAMES)))
    return head


def _recurrent_head():
    def step():
        k = len(NAMES)
        narrow = nn.Conv2d(k, 16 * k, 2, 2, groups=k)
        return nn.Sequential(narrow, nn.ConvTranspose2d(16 * k, k, 2, 2, groups=k))

    head = nn.Module()
    head.head_sf, head.head_mf = _heatmap_head(), nn.Module()
    multi = head.head_mf
    multi.W_pre, multi.W_f, multi.W_b = _up(128), _up(len(NAMES)), _up(len(NAMES))
    multi.H_f, multi.H_b = step(), step()
    multi.layers = nn.ModuleList([multi.W_pre, multi.W_f, multi.H_f, multi.W_b, multi.H_b])
    return head


def _linear_head():
    head = nn.Module()
    head.linear_layer = nn.Linear(512, 2 * len(NAMES))
    nn.init.uniform_(head.linear_layer.bias, 20, 60)
    return head


HEADS = {"heatmap": _heatmap_head, "heatmap_mhcrnn": _recurrent_head, "regression": _linear_head}


def _network(model_type):
    torch.manual_seed(1)
    network = nn.Module()
    network.backbone, network.head = _resnet18(), HEADS[model_type]()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 1.5)
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.3)  # peaks that are worth a decoding
    return network.eval()


def _soft_argmax(maps):
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    kernel = (torch.outer(taps, taps) / 256).expand(len(NAMES), 1, 5, 5)
    for _ in range(2):
        maps = F.interpolate(maps, scale_factor=2, mode="bicubic", align_corners=False)
        maps = F.conv2d(maps, kernel, padding=2, groups=len(NAMES))
    mass = (maps.flatten(2) * 1000).softmax(-1).unflatten(2, maps.shape[2:])
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in maps.shape[2:]), indexing="ij")
    x, y = (mass * columns).sum((2, 3)), (mass * rows).sum((2, 3))
    confidences = torch.zeros_like(x)
    padded = F.pad(mass, (2, 2, 2, 2))
    for index in np.ndindex(*x.shape):
        row, column = int(y[index]), int(x[index])
        confidences[index] = padded[index][row : row + 5, column : column + 5].sum()
    return torch.stack([x, y], dim=-1) - 1.5, confidences


def _softmax(maps):
    return maps.flatten(2).softmax(-1).unflatten(2, maps.shape[2:])


def _multi_frame(head, windows):
    features = [F.pixel_shuffle(frame, 2) for frame in windows.unbind(1)]
    maps = [head.W_pre(frame) for frame in features]
    ahead, behind = head.W_f(maps[0]), head.W_b(maps[-1])
    for step in range(1, 5):
        ahead = head.W_f(maps[step]) + head.H_f(ahead)
        behind = head.W_b(maps[-1 - step]) + head.H_b(behind)
    return _softmax((ahead + behind) / 2)


def _public(network, model_type, frames):
    """Keypoints in frame px, as the public conventions scale them, and confidences."""
    images = torch.from_numpy(frames).permute(0, 3, 1, 2).float() / 255
    images = F.interpolate(images, size=SIZE, mode="bilinear", align_corners=False)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    features = network.backbone((images - mean[:, None, None]) / std[:, None, None])
    scale = torch.tensor([FRAME[1] / SIZE[1], FRAME[0] / SIZE[0]])
    if model_type == "regression":
        points = network.head.linear_layer(features.mean((2, 3))).unflatten(1, (-1, 2))
        return points * scale, torch.full(points.shape[:2], 0.5)
    single = getattr(network.head, "head_sf", network.head).upsampling_layers
    points, confidences = _soft_argmax(_softmax(single(features)))
    if model_type == "heatmap":
        return points * scale, confidences
    windows = torch.stack([features[t - 2 : t + 3] for t in range(2, len(features) - 2)])
    multi, multi_confidences = _soft_argmax(_multi_frame(network.head.head_mf, windows))
    points, confidences = points[2:-2], confidences[2:-2]
    better = multi_confidences > confidences
    points = torch.where(better[..., None], multi, points)
    return points * scale, torch.maximum(confidences, multi_confidences)


def _write(folder: Path, network, model_type="heatmap", weights=None, **changes):
    """A model directory as Lightning Pose leaves it."""
    config = {
        "data": {
            "image_resize_dims": {"height": SIZE[0], "width": SIZE[1]},
            "data_dir": "/gone/project",
            "video_dir": "/gone/project/videos",
            "csv_file": "CollectedData.csv",
            "downsample_factor": 2,
            "num_keypoints": 3,
            "keypoint_names": NAMES,
        },
        "training": {"imgaug": "dlc", "train_batch_size": 8},
        "model": {
            "model_type": model_type,
            "backbone": "resnet18",
            "losses_to_use": [],
            "lightning_pose_version": "2.4.3",
        },
    }
    for key, value in changes.items():
        section, name = key.split("__")
        config[section][name] = value
    checkpoints = folder / "tb_logs" / "test" / "version_0" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "CollectedData.csv").write_text("scorer,a,a\n")
    hyper_parameters = {
        "num_keypoints": 3,
        "backbone": "resnet18",
        "downsample_factor": 2,
        "optimizer_params": OmegaConf.create({"learning_rate": 1e-3, "name": "Adam"}),
        "lr_scheduler_params": OmegaConf.create({"milestones": [1, 2], "gamma": 0.5}),
    }
    state = network.state_dict() if weights is None else weights
    content = {"epoch": 1, "state_dict": state, "hyper_parameters": hyper_parameters}
    torch.save(content, checkpoints / "epoch=1-step=2-best.ckpt")
    return folder


@pytest.mark.parametrize("model_type", sorted(HEADS))
def test_a_converted_model_predicts_what_the_public_one_does(tmp_path, model_type):
    network = _network(model_type)
    source, target = _write(tmp_path / "theirs", network, model_type), tmp_path / "ours"
    report = convert(source, target)
    assert any("epoch=1-step=2-best.ckpt" in text for text in report.kept)
    assert any("optimiser" in text for text in report.left_out)
    assert {"config.yaml", "model.safetensors", "manifest.json", "CollectedData.csv"} == {
        file.name for file in target.iterdir()
    }
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (9, *FRAME, 3), dtype=np.uint8)
    with torch.no_grad():
        points, confidences = _public(network, model_type, frames)
    model = Model.from_dir(target)
    parts = list(model.predict_frames(frames))
    found = torch.cat([part.keypoints for part in parts])
    trust = torch.cat([part.confidences for part in parts])
    if model_type == "heatmap_mhcrnn":
        found, trust = found[2:-2], trust[2:-2]
    assert points.std() > 0.5
    torch.testing.assert_close(found, points, rtol=0, atol=0.05)
    torch.testing.assert_close(trust, confidences, rtol=0, atol=0.01)


def test_a_converted_model_of_several_views_knows_them(tmp_path):
    views = {"data__view_names": ["top", "side"], "data__csv_file": ["a_top.csv", "a_side.csv"]}
    convert(_write(tmp_path / "theirs", _network("heatmap"), **views), tmp_path / "ours")
    assert Model.from_dir(tmp_path / "ours").views.names == ("top", "side")


@pytest.mark.parametrize("model_type", sorted(HEADS))
def test_a_training_starts_from_a_public_checkpoint(tmp_path, model_type):
    source, target = (
        _write(tmp_path / "theirs", _network(model_type), model_type),
        tmp_path / "ours",
    )
    convert(source, target)
    expected = load_model(target).tracker.state_dict()
    options = load_model(target).tracker.options
    kind = type(load_model(target).tracker)
    for checkpoint in (source, find_lightning_pose_checkpoint(source)):
        tracker = kind(options)
        lines = start_from(tracker, checkpoint)
        assert not any("random" in line for line in lines)
        for name, value in tracker.state_dict().items():
            assert torch.equal(value, expected[name]), name
    other = kind(dataclasses.replace(options, keypoint_names=("a", "b", "c", "d")))
    lines = start_from(other, source)
    assert any("random weights: head." in line for line in lines)
    for name, value in other.state_dict().items():
        assert name.startswith("head.") or torch.equal(value, expected[name]), name


def test_a_converted_model_can_be_trained_further_by_its_config(tmp_path):
    from lp_pipeline.config.load import load_config

    source = _write(tmp_path / "theirs", _network("heatmap"))
    convert(source, tmp_path / "ours")
    config = load_config(tmp_path / "ours" / "config.yaml").config
    assert config.model.options == {"decoding": "lightning_pose"}
    assert config.data.keypoint_names == NAMES
    assert config.model.backbone == "resnet18"


def _without(state, name):
    return {key: value for key, value in state.items() if key != name}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda s: _without(s, "head.upsampling_layers.2.bias"),
            "upsampling_layers.2.bias' is mis",
        ),
        (lambda s: _without(s, "backbone.1.running_mean"), "bn1.running_mean' is missing"),
        (lambda s: {**s, "backbone.9.weight": s["backbone.0.weight"]}, "not a weight of a ResNet"),
        (lambda s: {**s, "head.more": s["backbone.0.weight"]}, "'head.more' belongs nowhere"),
        (
            lambda s: {**s, "head.upsampling_layers.2.bias": torch.zeros(4)},
            r"is \(4,\), not \(3,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_named(tmp_path, spoil, message):
    network = _network("heatmap")
    source = _write(tmp_path / "theirs", network, weights=spoil(network.state_dict()))
    with pytest.raises(LPError, match=message):
        convert(source, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data__view_names": ["top", "side"]}, "2 views, but 1 files"),
        ({"model__backbone": "vits_dinov3"}, "weights of a 'vits_dinov3' cannot be converted"),
        ({"model__backbone": "vits_dino"}, "with backbone resnet18, but the config says vits_dino"),
        ({"model__backbone": "resnet34"}, "with backbone resnet18, but the config says resnet34"),
        ({"data__downsample_factor": 3}, "downsample_factor 2, but the config says 3"),
        ({"data__keypoint_names": None}, "does not name the keypoints"),
    ],
)
def test_what_cannot_be_converted_says_why(tmp_path, changes, message):
    source = _write(tmp_path / "theirs", _network("heatmap"), **changes)
    with pytest.raises(LPError, match=message):
        convert(source, tmp_path / "ours")
    assert not (tmp_path / "ours").exists()


def test_weights_of_losses_are_left_out_and_told(tmp_path):
    network = _network("heatmap")
    state = {**network.state_dict(), "loss_factory.epsilon": torch.tensor([1.0])}
    report = convert(_write(tmp_path / "theirs", network, weights=state), tmp_path / "ours")
    assert any("loss_factory.epsilon" in text for text in report.left_out)


def test_a_target_that_is_there_stays(tmp_path):
    source = _write(tmp_path / "theirs", _network("heatmap"))
    target = tmp_path / "ours"
    target.mkdir()
    (target / "kept.txt").touch()
    for overwrite in (False, True):
        with pytest.raises(LPError, match="already"):
            convert(source, target, overwrite=overwrite)
        assert [file.name for file in target.iterdir()] == ["kept.txt"]
    (target / "kept.txt").unlink()
    convert(source, target)
    (target / "old.txt").touch()
    convert(source, target, overwrite=True)
    assert (target / "manifest.json").is_file()
    assert not (target / "old.txt").exists()
    with pytest.raises(LPError, match="leave --to out"):
        convert(source, tmp_path / "x.h5", to="h5")
