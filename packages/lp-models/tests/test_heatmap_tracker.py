import pytest
import torch
from torch import nn

from lp_core.errors import TrackerError
from lp_core.losses.factory import LossFactory
from lp_core.registry import LOSSES, MODELS, load_plugin
from lp_models.heatmap.head import HeatmapHead, check_sizes, spatial_softmax


def _tracker(**options):
    kind = load_plugin(MODELS, "heatmap")
    defaults = {
        "keypoint_names": ("nose", "tail"),
        "image_size": (64, 96),
        "backbone": "resnet10t",
        "backbone_pretrained": False,
    }
    return kind(kind.Options(**(defaults | options))).eval()


@pytest.mark.parametrize("doublings", [2, 3, 4])
def test_head_is_the_public_one(doublings):
    head = HeatmapHead(64, 5, doublings)
    shuffle, *convolutions = head.upsampling_layers
    assert isinstance(shuffle, nn.PixelShuffle)
    assert [layer.in_channels for layer in convolutions] == [16] + [5] * (doublings - 2)
    assert all(isinstance(layer, nn.ConvTranspose2d) for layer in convolutions)
    maps = head(torch.randn(2, 64, 8, 8))
    assert maps.shape == (2, 5, 8 * 2**doublings, 8 * 2**doublings)
    assert set(head.state_dict()) == {
        f"upsampling_layers.{index}.{kind}"
        for index in range(1, doublings)
        for kind in ("weight", "bias")
    }


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("stride", [4, 8, 16, 32])
def test_every_stride_gives_heatmaps_of_the_declared_size(stride, factor):
    if stride < 2**factor:
        with pytest.raises(TrackerError, match="cannot become"):
            check_sizes((64, 96), stride, 2**factor)
        return
    tracker = _tracker(feature_stride=stride, downsample_factor=factor)
    maps = tracker(torch.randint(0, 255, (1, 3, 64, 96), dtype=torch.uint8))
    assert maps.shape == (1, 2, 64 // 2**factor, 96 // 2**factor)
    assert tracker.heatmap_size == tuple(maps.shape[2:])
    torch.testing.assert_close(maps.sum(dim=(2, 3)), torch.ones(1, 2))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(TrackerError, match="multiples of 32"):
        _tracker(image_size=(64, 80))
    with pytest.raises(TrackerError, match="14 px cannot become"):
        check_sizes((56, 56), 14, 4)
    with pytest.raises(TrackerError, match="multiple of 4"):
        HeatmapHead(30, 2, 2)


def test_softmax_keeps_its_precision_in_bfloat16():
    logits = torch.linspace(-200, 200, 64).reshape(1, 1, 8, 8)
    maps = spatial_softmax(logits.bfloat16())
    assert maps.dtype == torch.float32
    assert maps.sum() == pytest.approx(1.0, abs=1e-6)


def test_keypoints_are_in_frame_px():
    tracker = _tracker()
    images = torch.randint(0, 255, (1, 3, 64, 96), dtype=torch.uint8)
    plain = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    moved = torch.tensor([[[2.0, 0.0, 100.0], [0.0, 3.0, -50.0]]])
    here = tracker.predict_step({"frames": images, "to_frame": plain})
    there = tracker.predict_step({"frames": images, "to_frame": moved})
    expected = here.keypoints * torch.tensor([2.0, 3.0]) + torch.tensor([100.0, -50.0])
    torch.testing.assert_close(there.keypoints, expected)
    torch.testing.assert_close(there.confidences, here.confidences)


def test_missing_keypoints_get_the_target_that_the_options_say():
    batch = {
        "images": torch.zeros(1, 3, 64, 96, dtype=torch.uint8),
        "keypoints": torch.tensor([[[20.0, 20.0], [float("nan"), float("nan")]]]),
        "visibility": torch.tensor([[2, 2]]),
        "to_frame": torch.eye(3)[None, :2],
    }
    missing = _tracker(uniform_heatmaps=True).add_targets(batch)["heatmaps"][0, 1]
    assert torch.allclose(missing, torch.tensor(1 / (16 * 24)))
    missing = _tracker(uniform_heatmaps=False).add_targets(batch)["heatmaps"][0, 1]
    assert (missing == 0).all()


def test_an_image_that_is_not_there_has_no_part_in_losses_on_clips():
    kind = load_plugin(MODELS, "heatmap").semi_supervised_class()
    options = _tracker().options
    temporal = load_plugin(LOSSES, "temporal")
    losses = LossFactory([temporal(temporal.Options(epsilon=0.0))], kind.unlabeled_outputs)
    tracker = kind(options, unsupervised_losses=losses).eval()
    clip = {
        "frames": torch.randint(0, 255, (6, 3, 64, 96), dtype=torch.uint8),
        "to_frame": torch.eye(3)[:2].repeat(6, 1, 1),
        "frame": torch.arange(3).repeat_interleave(2),
        "view": torch.arange(6) % 2,
        "views": 2,
    }
    seen = clip | {"present": torch.tensor([True, False] * 3)}
    alone = {key: value[::2] for key, value in clip.items() if key != "views"}
    losses.losses["temporal"].options = temporal.Options(epsilon=0.0, prob_threshold=0.0)
    expected = tracker.evaluate_unlabeled(alone)
    assert expected > 0
    value = tracker.evaluate_unlabeled(seen)
    torch.testing.assert_close(value, expected / 2)  # a mean over the steps of both cameras
    value.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in tracker.parameters())


def test_an_occluded_keypoint_teaches_its_position_where_the_options_say_so():
    batch = {
        "images": torch.zeros(1, 3, 64, 96, dtype=torch.uint8),
        "keypoints": torch.tensor([[[20.0, 20.0], [20.0, 20.0], [float("nan"), float("nan")]]]),
        "visibility": torch.tensor([[2, 1, 1]]),
        "to_frame": torch.eye(3)[None, :2],
    }
    names = ("seen", "hidden", "nowhere")
    unsure = _tracker(keypoint_names=names).add_targets(batch)["heatmaps"][0]
    placed = _tracker(keypoint_names=names, occluded_targets="position").add_targets(batch)
    uniform = torch.full((16, 24), 1 / (16 * 24))
    torch.testing.assert_close(unsure[1:], uniform.expand(2, 16, 24))
    torch.testing.assert_close(placed["heatmaps"][0, 1], unsure[0])
    torch.testing.assert_close(placed["heatmaps"][0, 2], uniform)
    assert placed["visibility"].tolist() == [[2, 1, 1]]
