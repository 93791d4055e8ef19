"""Folding normalisations into convolutions changes no prediction."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lp_core.registry import MODELS, load_plugin
from lp_core.trackers.folding import with_folded_backbone


def make_tracker(backbone):
    kind = load_plugin(MODELS, "heatmap")
    torch.manual_seed(0)
    tracker = kind(
        kind.Options(
            keypoint_names=("nose", "tail"),
            image_size=(64, 64),
            backbone=backbone,
            backbone_pretrained=False,
        )
    )
    for module in tracker.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.5, 0.5)
            nn.init.uniform_(module.running_var, 0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return tracker.eval()


def normalisations(tracker):
    return [m for m in tracker.backbone.modules() if isinstance(m, nn.BatchNorm2d)]


def clip():
    frames = torch.randint(0, 255, (4, 3, 64, 64), dtype=torch.uint8)
    return {"frames": frames, "to_frame": torch.eye(3)[:2].repeat(4, 1, 1)}


@pytest.mark.parametrize("backbone", ["test_resnet", "resnet18", "efficientnet_b0"])
def test_predictions_stay_the_same(backbone):
    tracker, batch = make_tracker(backbone), clip()
    weights = {name: value.clone() for name, value in tracker.state_dict().items()}
    folded = with_folded_backbone(tracker)
    assert not normalisations(folded)
    with torch.inference_mode():
        expected, found = tracker.predict_step(batch), folded.predict_step(batch)
    torch.testing.assert_close(found.keypoints, expected.keypoints, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.confidences, expected.confidences, atol=1e-4, rtol=0)
    assert normalisations(tracker)
    assert all(torch.equal(value, weights[name]) for name, value in tracker.state_dict().items())


def test_a_backbone_without_normalisations_is_left_alone():
    tracker = make_tracker("test_vit")
    assert with_folded_backbone(tracker) is tracker


class UsedTwice(nn.Module):
    """A convolution whose output is normalised, and used as it is as well."""

    def __init__(self):
        super().__init__()
        self.convolution, self.normalisation = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward(self, images):
        output = self.convolution(images)
        return output + self.normalisation(output)


def test_an_output_that_is_used_twice_is_not_folded():
    tracker = make_tracker("test_resnet")
    tracker.backbone = UsedTwice().eval()
    nn.init.constant_(tracker.backbone.normalisation.running_mean, 3.0)
    assert with_folded_backbone(tracker) is tracker
