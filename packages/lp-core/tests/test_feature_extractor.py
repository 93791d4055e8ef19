"""Features of every form of batch, and images as the backbone was trained on."""

import pytest
import torch

from lp_core.errors import BatchError
from lp_core.trackers.feature_extractor import BaseFeatureExtractor, ImageNormalization
from lp_core.trackers.options import TrackerOptions


class Plain(BaseFeatureExtractor):
    pass


class Context(BaseFeatureExtractor):
    context_frames = 3


@pytest.fixture(params=["test_resnet", "test_vit"])
def options(request):
    return TrackerOptions(
        keypoint_names=("a",),
        image_size=(32, 64),
        backbone=request.param,
        backbone_pretrained=False,
    )


def _images(*shape):
    return torch.randint(0, 256, (*shape, 3, 32, 64), dtype=torch.uint8)


def test_independent_images(options):
    tracker = Plain(options).eval()
    features = tracker.get_representations(_images(2))
    stride = tracker.backbone.stride
    assert features.shape == (2, tracker.backbone.channels, 32 // stride, 64 // stride)


def test_images_with_their_context(options):
    tracker, images = Context(options).eval(), _images(2, 3)
    features = tracker.get_representations(images)
    assert features.shape[:3] == (2, 3, tracker.backbone.channels)
    for frame in range(3):
        torch.testing.assert_close(features[:, frame], tracker.encode(images[:, frame]))


def test_consecutive_frames_are_windowed_in_their_order(options):
    tracker, frames = Context(options).eval(), _images(5)
    features = tracker.get_representations(frames)
    single = tracker.encode(frames)
    assert features.shape == (3, 3, *single.shape[1:])
    for window in range(3):
        torch.testing.assert_close(features[window], single[window : window + 3])


def test_each_frame_of_a_run_is_encoded_once(options, monkeypatch):
    tracker = Context(options).eval()
    counted = []
    forward = tracker.backbone.forward
    monkeypatch.setattr(
        tracker.backbone, "forward", lambda images: counted.append(len(images)) or forward(images)
    )
    tracker.get_representations(_images(7))
    assert sum(counted) == 7


def test_forms_that_fit_no_contract_are_refused(options):
    context = Context(options)
    with pytest.raises(BatchError, match="at least 3 frames per window, got 2"):
        context.get_representations(_images(2))
    with pytest.raises(BatchError, match="exactly 3 frames per window, got 5"):
        context.get_representations(_images(2, 5))
    with pytest.raises(BatchError, match="4 or 5 dimensions"):
        context.get_representations(_images(1)[0])


def test_a_frozen_backbone_gets_no_gradient(options):
    tracker = Plain(options)
    tracker.backbone_trainable = False
    assert not tracker.get_representations(_images(1)).requires_grad
    tracker.backbone_trainable = True
    assert tracker.get_representations(_images(1)).requires_grad


def test_normalisation_is_the_models_own_and_travels_with_it():
    normalization = ImageNormalization((0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
    pixel = torch.tensor([255, 0, 51], dtype=torch.uint8).reshape(1, 3, 1, 1)
    assert normalization(pixel).flatten().tolist() == pytest.approx([1.0, -1.0, 0.2], abs=1e-6)
    other = ImageNormalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    other.load_state_dict(normalization.state_dict())
    assert torch.equal(other(pixel), normalization(pixel))


def test_head_and_backbone_share_no_parameter(options):
    tracker = Plain(options)
    tracker.head = torch.nn.Linear(3, 4)
    head = {id(parameter) for parameter in tracker.head_parameters()}
    backbone = {id(parameter) for parameter in tracker.backbone.parameters()}
    assert len(head) == 2
    assert not head & backbone
    assert head | backbone == {id(parameter) for parameter in tracker.parameters()}
