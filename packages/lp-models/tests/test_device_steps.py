"""A training step stays on the tracker's device: what it logs is there, and nothing waits for it.

The device is a CUDA device that torch only imagines: fake tensors have shapes and devices, but no
values. An operation that needs a value on the host, or that mixes devices, fails there as it would
wait or fail on a GPU; a copy from the host is counted.
"""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from lp_core.losses.contract import TrainingLabels
from lp_core.losses.factory import LossFactory
from lp_core.registry import LOSSES, MODELS, load_plugin, registered
from lp_core.testing import Subject
from lp_core.testing.devices import Copies, move, moved

KEYPOINTS = ("nose_top", "tail_top", "nose_side", "tail_side")
VIEWS = ((0, 1), (2, 3))
TRACKERS = {
    "heatmap": ("heatmap", {}),
    "heatmap, Lightning Pose's reading": ("heatmap", {"decoding": "lightning_pose"}),
    "conditioned": ("heatmap_conditioned", {}),
    "regression": ("regression", {}),
    "context, fusion": ("heatmap_mhcrnn", {"context_head": "fusion"}),
    "context, recurrent": ("heatmap_mhcrnn", {"context_head": "recurrent", "feature_stride": 16}),
    "context, trajectory": ("heatmap_mhcrnn", {"context_head": "trajectory"}),
}


def losses(kind, *, supervised):
    """All registered losses that can run, fitted to labels in two views."""
    provided = kind.labeled_outputs if supervised else kind.unlabeled_outputs
    known = [load_plugin(LOSSES, name) for name in registered(LOSSES)]
    built = [
        loss() for loss in known if loss.supervised == supervised and loss.requires <= provided
    ]
    factory = LossFactory(built, provided)
    generator = torch.Generator().manual_seed(0)
    poses = 50 * torch.rand(40, len(KEYPOINTS), 2, generator=generator)
    factory.fit_labels(
        TrainingLabels(keypoints=poses, keypoint_names=KEYPOINTS, mirrored_column_matches=VIEWS)
    )
    return factory


@pytest.fixture(params=TRACKERS)
def subject(request):
    name, options = TRACKERS[request.param]
    kind = load_plugin(MODELS, name)
    kind = kind.semi_supervised_class() if request.node.callspec.params["semi"] else kind
    return Subject(kind, {"keypoint_names": KEYPOINTS, **options})


@pytest.mark.parametrize("semi", [False, True], ids=["supervised", "semi-supervised"])
def test_a_step_neither_leaves_the_device_nor_waits_for_it(subject, semi):
    mode, copies, logged = FakeTensorMode(), Copies(), {}
    tracker = subject.build(learning=False)
    tracker.losses = losses(subject.tracker_class, supervised=True)
    if semi:
        tracker.unsupervised_losses = losses(subject.tracker_class, supervised=False)
    tracker.log = lambda name, value, **_: logged.setdefault(name, value)
    move(tracker, mode)
    batch = moved(subject.batch(), mode)
    labeled = batch["labeled"] if semi else batch
    with mode, copies:
        tracker.training_step(batch)
        tracker.eval()
        tracker.on_validation_epoch_start()
        tracker.validation_step(labeled)
        tracker.on_validation_epoch_end()
    assert copies.shapes == []
    assert {"train_supervised_loss", "val_supervised_loss", "val_pixel_error"} <= logged.keys()
    for loss in (*tracker.losses.losses, *(tracker.unsupervised_losses.losses if semi else ())):
        assert f"{loss}_weight" in logged
    elsewhere = {name: value for name, value in logged.items() if not on_device(value)}
    assert elsewhere == {}


def on_device(value):
    return isinstance(value, torch.Tensor) and value.device.type == "cuda"
