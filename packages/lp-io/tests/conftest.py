"""A plug-in's distribution, installed for the length of a test."""

import importlib
from pathlib import Path

import pytest
import torch

from lp_core.losses.contract import TrainingLabels
from lp_core.losses.factory import LossFactory
from lp_core.optimization import OptimizationOptions

ENTRY_POINTS = """
[lp.models]
tiny = tiny_plugin:TinyTracker
[lp.backbones]
tiny_backbone = tiny_plugin:tiny_backbone
[lp.losses]
tiny_distance = tiny_plugin:TinyDistance
tiny_spread = tiny_plugin:TinySpread
"""


@pytest.fixture
def plugin(tmp_path_factory, monkeypatch):
    """The plug-in's module, with its distribution lp-tiny 1.2.3 installed."""
    site = tmp_path_factory.mktemp("site")
    info = site / "lp_tiny-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lp-tiny\nVersion: 1.2.3\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(str(Path(__file__).parent / "plugin_source"))
    monkeypatch.syspath_prepend(str(site))
    module = importlib.import_module("tiny_plugin")
    module.BUILT_WITH_PRETRAINED.clear()
    return module


@pytest.fixture
def make_tracker(plugin):
    """Makes tiny trackers, semi-supervised on demand, with random weights."""

    def make(*, semi_supervised=False, seed=0, names=("nose", "tail base"), **options):
        torch.manual_seed(seed)
        options = plugin.TinyOptions(
            keypoint_names=names, image_size=(16, 24), backbone="tiny_backbone", **options
        )
        losses = LossFactory([plugin.TinyDistance()], plugin.TinyTracker.labeled_outputs)
        keywords = {"losses": losses, "optimization": OptimizationOptions(learning_rate=0.02)}
        if not semi_supervised:
            return plugin.TinyTracker(options, **keywords)
        spread = plugin.TinySpread(plugin.SpreadOptions(log_weight=2.0, epsilon=1.5))
        labels = TrainingLabels(keypoints=torch.rand(5, 2, 2) * 20, keypoint_names=names)
        unsupervised = LossFactory([spread], plugin.TinyTracker.unlabeled_outputs)
        unsupervised.fit_labels(labels)
        return plugin.TinyTwin(options, unsupervised_losses=unsupervised, **keywords)

    return make


@pytest.fixture
def trusted(monkeypatch):
    """Leaves out the process that reads a file first, which takes longer than all the rest."""
    monkeypatch.setattr("lp_io.untrusted.probe.check_readable", lambda path: None)
