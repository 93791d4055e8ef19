"""Every tracker keeps the contract, supervised and semi-supervised, with both kinds of backbone."""

import pytest

from lp_core.registry import MODELS, load_plugin
from lp_core.testing import CHECKS, Subject

TRACKERS = {
    "heatmap": ("heatmap", {}),
    "conditioned": ("heatmap_conditioned", {}),
    "regression": ("regression", {}),
    "mhcrnn-recurrent": ("heatmap_mhcrnn", {"context_head": "recurrent"}),
    "mhcrnn-fusion": ("heatmap_mhcrnn", {"context_head": "fusion"}),
    "mhcrnn-trajectory": ("heatmap_mhcrnn", {"context_head": "trajectory"}),
}

BACKBONES = ["test_resnet", pytest.param("test_vit", marks=pytest.mark.slow)]


@pytest.fixture(params=TRACKERS)
def tracker(request):
    name, options = TRACKERS[request.param]
    return load_plugin(MODELS, name), options


@pytest.mark.parametrize("check", CHECKS, ids=str)
@pytest.mark.parametrize("backbone", BACKBONES)
@pytest.mark.parametrize("kind", ["supervised", "semi-supervised"])
def test_tracker(tracker, kind, backbone, check):
    tracker_class, options = tracker
    if kind == "semi-supervised":
        tracker_class = tracker_class.semi_supervised_class()
    check(Subject(tracker_class, options, backbone))
