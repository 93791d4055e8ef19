import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from lp_core.geometry.affine import compose, resizing, rotation, transform
from lp_core.geometry.targets import heatmap_targets
from lp_core.registry import MODELS, load_plugin
from lp_core.testing.toy import ToyProblem
from lp_io.lightning_pose.checkpoint import LightningPoseCheckpoint
from lp_io.lightning_pose.weights import get_adapter, tracker_weights
from lp_models.heatmap.decoders import HEATMAP_DECODERS
from lp_models.heatmap.soft_argmax import doubled, soft_argmax


def _one_gaussian(x, y, size=32, sigma=1.25):
    grid = torch.arange(float(size))
    columns, rows = (torch.exp(-((grid - at) ** 2) / (2 * sigma**2)) for at in (x, y))
    maps = rows[:, None] * columns
    return (maps / maps.sum())[None, None]


def test_doubling_is_bicubic_then_a_binomial_blur_with_zeros_outside():
    torch.manual_seed(0)
    maps = torch.rand(1, 2, 5, 7)
    taps = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0])
    kernel = torch.outer(taps, taps)[None, None] / 256
    larger = F.interpolate(maps, scale_factor=2, mode="bicubic", align_corners=False)
    expected = torch.cat([F.conv2d(larger[:, [k]], kernel, padding=2) for k in (0, 1)], dim=1)
    torch.testing.assert_close(doubled(maps), expected)


@pytest.mark.parametrize(("doublings", "error"), [(1, 0.3), (2, 0.02), (3, 0.02)])
def test_soft_argmax_finds_a_gaussian_and_is_sure_of_it(doublings, error):
    scale = 2**doublings
    for x, y in ((10.0, 20.0), (10.3, 19.6), (15.5, 12.5)):
        positions, confidences = soft_argmax(_one_gaussian(x, y), doublings)
        expected = (torch.tensor([x, y]) + 0.5) * scale - 0.5
        torch.testing.assert_close(positions[0, 0], expected, rtol=0, atol=error)
        assert confidences.item() > 0.8


def test_uniform_map_is_the_centre_without_confidence():
    positions, confidences = soft_argmax(torch.full((1, 1, 64, 64), 1 / 64**2), 2)
    assert positions.flatten().tolist() == pytest.approx([127.5, 127.5], abs=0.5)
    assert confidences.item() < 0.001


@pytest.mark.parametrize(("factor", "bias"), [(1, 0), (2, 0), (3, 1)])
def test_lightning_pose_decoder_scales_cells_to_frames_without_pixel_centres(factor, bias):
    # a peak at cell c is c·2^factor in model px, and s times that in frame px; at factor 3 the
    # Lightning Pose is 1 model px off, and so is what was published with it
    size = 32 * 2**factor
    to_frame = resizing((size, size), (2 * size, 3 * size)).float()[None]
    keypoints, _ = HEATMAP_DECODERS["lightning_pose"].decode(
        _one_gaussian(11, 17), (size, size), to_frame
    )
    cell = 2**factor
    expected = torch.tensor([3 * (11 * cell + bias), 2 * (17 * cell + bias)], dtype=torch.float)
    torch.testing.assert_close(keypoints[0, 0], expected, rtol=0, atol=0.2)


@settings(deadline=None, max_examples=40)
@given(
    decoder=st.sampled_from(sorted(HEATMAP_DECODERS)),
    factor=st.sampled_from([2, 3]),
    x=st.floats(30, 90),
    y=st.floats(30, 90),
    degrees=st.floats(-25, 25),
    scale=st.floats(0.4, 4.0),
)
def test_targets_are_decoded_to_their_keypoints(decoder, factor, x, y, degrees, scale):
    size = (128, 128)
    frame = (round(128 * scale), round(128 * scale))
    to_frame = compose(rotation(degrees, (60.0, 64.0)), resizing(size, frame)).float()[None]
    keypoints = torch.tensor([[[x, y]]])
    placed = HEATMAP_DECODERS[decoder].target(keypoints, to_frame, factor)
    maps = heatmap_targets(placed, size, (128 >> factor, 128 >> factor))
    found, _ = HEATMAP_DECODERS[decoder].decode(maps, size, to_frame)
    plain, _ = HEATMAP_DECODERS["local"].decode(
        heatmap_targets(keypoints, size, (64, 64)), size, to_frame
    )
    torch.testing.assert_close(found, plain, rtol=0, atol=0.05 * max(1.0, scale))


@pytest.mark.parametrize("name", ["heatmap", "heatmap_mhcrnn"])
def test_training_with_the_lightning_pose_decoder_aims_at_the_labels(name):
    kind = load_plugin(MODELS, name)
    options = kind.Options(
        keypoint_names=("nose", "tail"),
        image_size=(64, 96),
        backbone="resnet10t",
        backbone_pretrained=False,
        **get_adapter(name, "test").options,
    )
    tracker = kind(options)
    batch = ToyProblem(
        image_size=(64, 96), keypoints=2, context_frames=kind.context_frames
    ).labeled(batch=3)
    targets = tracker.add_targets(batch)
    assert torch.equal(targets["keypoints"], batch["keypoints"])
    found = tracker.decode(targets["heatmaps"], batch["to_frame"]).keypoints
    wanted = transform(batch["keypoints"], batch["to_frame"])  # its frames are 4 times as large
    torch.testing.assert_close(found, wanted, rtol=0, atol=0.2)


def test_keypoints_of_the_lightning_pose_decoder_are_differentiable():
    maps = _one_gaussian(11.2, 17.4).requires_grad_()
    positions, _ = soft_argmax(maps, 2)
    positions.sum().backward()
    assert maps.grad.abs().sum() > 0


def test_lightning_pose_regression_scales_without_pixel_centres():
    kind, adapter = load_plugin(MODELS, "regression"), get_adapter("regression", "test")
    options = kind.Options(
        keypoint_names=("nose", "tail"),
        image_size=(64, 96),
        backbone="resnet10t",
        backbone_pretrained=False,
        **adapter.options,
    )
    tracker = kind(options).eval()
    weight, bias = torch.randn(4, tracker.backbone.channels), torch.tensor([10.0, 20.0, 30.0, 40.0])
    head = adapter.head(tracker, {"linear_layer.weight": weight, "linear_layer.bias": bias})
    tracker.head.load_state_dict(head)
    images = torch.randint(0, 255, (2, 3, 64, 96), dtype=torch.uint8)
    to_frame = resizing((64, 96), (128, 288)).float().expand(2, 2, 3)
    with torch.no_grad():
        features = tracker.get_representations(images).mean(dim=(2, 3))
        found = tracker.predict_step({"frames": images, "to_frame": to_frame})
    expected = (features @ weight.T + bias).unflatten(1, (2, 2)) * torch.tensor([3.0, 2.0])
    torch.testing.assert_close(found.keypoints, expected, rtol=1e-4, atol=1e-3)
    assert (found.confidences == 0.5).all()


def test_the_multiview_transformer_takes_its_view_embeddings(tmp_path):
    """Its class tokens are left out, as in Lightning Pose; see `multiview_facts` 1.6."""
    name = "heatmap_multiview_transformer"
    kind, adapter = load_plugin(MODELS, name), get_adapter(name, "test")
    options = kind.Options(
        keypoint_names=("nose",),
        image_size=(64, 64),
        backbone="vits_dino",
        backbone_pretrained=False,
        view_names=("left", "right"),
        **adapter.options,
    )
    assert (options.class_tokens, options.decoding) == (False, "lightning_pose")
    head = {"head.upsampling_layers.1.bias": torch.ones(1)}
    backbone = {"backbone.vision_encoder.layernorm.bias": torch.ones(384)}
    given = {"view_embeddings": torch.randn(2, 384), **head, **backbone}
    tracker = kind(options)
    found = tracker_weights(tracker, LightningPoseCheckpoint(tmp_path, given, {}))
    assert set(found) <= set(tracker.state_dict())
    assert torch.equal(found["view_identity"], given["view_embeddings"])
    assert "backbone.model.norm.bias" in found
