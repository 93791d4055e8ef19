import pytest
import torch

from lp_core.losses.factory import LossFactory
from lp_core.registry import LOSSES, MODELS, load_plugin
from lp_core.testing.toy import ToyProblem
from lp_models.regression.head import RegressionHead


def _tracker(kind=None, **keywords):
    kind = kind or load_plugin(MODELS, "regression")
    options = kind.Options(
        keypoint_names=("nose", "tail"),
        image_size=(64, 96),
        backbone="test_resnet",
        backbone_pretrained=False,
    )
    torch.manual_seed(0)
    return kind(options, **keywords)


def test_the_zero_layer_predicts_the_centre_of_the_image():
    head = RegressionHead(8, 3, (64, 96))
    torch.nn.init.zeros_(head.positions.weight)
    torch.nn.init.zeros_(head.positions.bias)
    keypoints, confidences = head(torch.randn(2, 8, 2, 3))
    assert keypoints.tolist() == [[[47.5, 31.5]] * 3] * 2
    assert ((confidences > 0) & (confidences < 1)).all()


def test_positions_keep_their_precision_in_bfloat16():
    head, features = RegressionHead(8, 3, (512, 512)), torch.randn(2, 8, 2, 3)
    plain, _ = head(features)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, _ = head(features)
    torch.testing.assert_close(mixed, plain)


def test_confidence_learns_without_moving_positions_or_backbone():
    tracker = _tracker()
    toy = ToyProblem(image_size=(64, 96), keypoints=2, context_frames=1)
    inputs = tracker.get_loss_inputs_labeled(toy.labeled())
    inputs["confidences"].sum().backward()
    learning = {name for name, p in tracker.named_parameters() if p.grad is not None}
    assert learning == {"head.confidences.weight", "head.confidences.bias"}


def test_confidence_tells_right_keypoints_from_wrong_ones():
    losses = [load_plugin(LOSSES, name) for name in ("regression", "confidence")]
    kind = load_plugin(MODELS, "regression")
    assert (kind.supervised_losses[0], *kind.auxiliary_losses) == ("regression", "confidence")
    confidence = losses[1](losses[1].Options(radius=4.0))
    tracker = _tracker(losses=LossFactory([losses[0](), confidence], kind.labeled_outputs))
    toy = ToyProblem(image_size=(64, 96), keypoints=2, context_frames=1)
    batch = toy.labeled(batch=4)
    batch["to_frame"] = torch.eye(3)[:2].repeat(4, 1, 1)
    batch["keypoints"] = tracker.predict_step(batch).keypoints.detach().clone()
    batch["keypoints"][:, 1] += 20  # the second keypoint is always wrong
    optimizer = torch.optim.Adam(tracker.head.confidences.parameters(), lr=0.05)
    for _ in range(30):
        optimizer.zero_grad()
        tracker.evaluate_labeled(batch, "train").backward()
        optimizer.step()
    trust = tracker.predict_step(batch).confidences.detach()
    assert trust[:, 0].min() > 0.8
    assert trust[:, 1].max() < 0.2
    assert trust.mean().item() == pytest.approx(0.5, abs=0.1)


def test_annealing_leaves_the_supervised_loss_of_the_twin_alone():
    # Lightning Pose anneals it from 0, as it does every loss that is not named after heatmaps
    kind = load_plugin(MODELS, "regression").semi_supervised_class()
    regression, temporal = (load_plugin(LOSSES, name)() for name in ("regression", "temporal"))
    tracker = _tracker(
        kind,
        losses=LossFactory([regression], kind.labeled_outputs),
        unsupervised_losses=LossFactory([temporal], kind.unlabeled_outputs),
    )
    batch = ToyProblem(image_size=(64, 96), keypoints=2, context_frames=1).both()
    supervised = tracker.evaluate_labeled(batch["labeled"], "train").item()
    unsupervised = tracker.evaluate_unlabeled(batch["unlabeled"]).item()
    assert supervised > 0
    assert unsupervised > 0
    for importance in (0.0, 0.25, 1.0):
        tracker.total_unsupervised_importance = importance
        total = tracker.training_step(batch).item()
        assert total == pytest.approx(supervised + importance * unsupervised, rel=1e-5)
