"""Train a tracker with nothing of lp but lp-core and lp-models; the last argument is its name."""

import importlib.util
import sys

import torch
from pytorch_lightning import Trainer, seed_everything

from lp_core.losses.factory import LossFactory
from lp_core.optimization import OptimizationOptions
from lp_core.registry import LOSSES, MODELS, load_plugin

assert not [name for name in ("lp_data", "lp_io", "lp_pipeline") if importlib.util.find_spec(name)]
seed_everything(0, verbose=False)

tracker_class = load_plugin(MODELS, sys.argv[-1])


def images_at(points):
    """A bright square at each point (N, 2) on a dark image of 64×64 px."""
    rows = (torch.arange(64)[:, None] - points[:, 1, None, None]).abs() < 4
    columns = (torch.arange(64) - points[:, 0, None, None]).abs() < 4
    return (255 * (rows & columns)).to(torch.uint8).unsqueeze(1).repeat(1, 3, 1, 1)


def sample(index):
    """One labelled image with its context; frame px are twice the model px."""
    point = 12 + 40 * torch.rand(2, generator=torch.Generator().manual_seed(index))
    images = images_at(point.repeat(tracker_class.context_frames, 1))
    return {
        "images": images if len(images) > 1 else images[0],
        "keypoints": point.unsqueeze(0),
        "visibility": torch.tensor([2]),
        "to_frame": torch.tensor([[2.0, 0.0, 0.5], [0.0, 2.0, 0.5]]),
    }


loss_class = load_plugin(LOSSES, tracker_class.supervised_losses[0])
options = tracker_class.Options(
    keypoint_names=("nose",), image_size=(64, 64), backbone="resnet10t", backbone_pretrained=False
)
tracker = tracker_class(
    options,
    losses=LossFactory([loss_class()], tracker_class.labeled_outputs),
    optimization=OptimizationOptions(learning_rate=3e-3, scheduler="constant"),
)
loader = torch.utils.data.DataLoader([sample(index) for index in range(32)], batch_size=8)
quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
trainer = Trainer(max_epochs=10, accelerator="cpu", enable_checkpointing=False, **quiet)


def error():
    """The mean distance in frame px of what was learned."""
    tracker.eval()
    with torch.no_grad():
        pairs = [(tracker.predict_step(batch).keypoints, batch["keypoints"]) for batch in loader]
    return float(
        torch.cat([(found - (2 * true + 0.5)).norm(dim=-1) for found, true in pairs]).mean()
    )


before = error()
tracker.train()
trainer.fit(tracker, loader)
after = error()
assert after < before / 2, f"{before:.1f} px became {after:.1f} px"

again = tracker_class(options).eval()
again.load_state_dict(tracker.state_dict(), strict=False)
batch = next(iter(loader))
with torch.no_grad():
    torch.testing.assert_close(
        again.predict_step(batch).keypoints, tracker.predict_step(batch).keypoints
    )
print(f"{before:.1f} px -> {after:.1f} px")
