"""Between two logged steps, a training never waits for the device that it runs on.

On the CPU nothing waits, but the same operations are called: those that bring a value to the host,
those whose result has a size that depends on values, and tensors made from Python's numbers, which
would have to be copied to the device.
"""

import pytest
import torch
from pytorch_lightning import Callback
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader

from lp_io.training_state.metrics_log import KeepMetrics, MetricsLog
from lp_io.training_state.progress import ReportProgress
from lp_pipeline.config.load import load_config
from lp_pipeline.training.setup import set_up
from lp_pipeline.training.trainer import get_callbacks, get_trainer

STEPS = 6
WATCHED = range(2, 5)
WAITING = {
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::masked_select",
    "aten::lift_fresh",  # torch.tensor of Python's numbers
    "aten::_unique2",
    "aten::unique_dim",
    "aten::repeat_interleave.Tensor",
    "aten::_linalg_check_errors",
    "aten::equal",
}
BY_INDEX = {"aten::index.Tensor", "aten::index_put_", "aten::index_put"}
ALL = "temporal,pca_singleview,pca_multiview"
MAPS = "unimodal_mse,unimodal_kl,temporal_heatmap_mse,temporal_heatmap_kl"
TRACKERS = {
    "heatmap": ("model.model_type=heatmap", f"model.losses_to_use=[{ALL},{MAPS}]"),
    "lightning_pose": (
        "model.model_type=heatmap",
        "model.decoding=lightning_pose",
        f"model.losses_to_use=[{ALL}]",
    ),
    "fusion": (
        "model.model_type=heatmap_mhcrnn",
        "model.context_head=fusion",
        f"model.losses_to_use=[{ALL},{MAPS}]",
    ),
    "trajectory": (
        "model.model_type=heatmap_mhcrnn",
        "model.context_head=trajectory",
        f"model.losses_to_use=[{ALL}]",
    ),
    "regression": ("model.model_type=regression", f"model.losses_to_use=[{ALL}]"),
}
SETTINGS = (
    "data.mirrored_column_matches=[[0,1,2,3,4,5,6,7,8,9],[10,11,12,13,14,15,16,17,18,19]]",
    "losses.pca_singleview.centering_method=null",
    *(f"losses.{name}.log_weight=5" for name in MAPS.split(",")),
    "dali.base.train.sequence_length=6",
    "dali.context.train.batch_size=6",
    "training.train_prob=0.85",
    "training.val_prob=0.1",
    "training.max_epochs=1",
    f"training.steps_per_epoch={STEPS}",
    f"training.log_every_n_steps={STEPS}",
    "training.unfreezing_epoch=0",
    "training.accelerator=cpu",
)


class Watch(TorchDispatchMode):
    """Counts what would wait, leaving out the optimiser's count of steps, which is on the CPU."""

    def __init__(self, trainer):
        super().__init__()
        self.trainer, self.found = trainer, []

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        name = function.name()
        boolean = name in BY_INDEX and any(
            index is not None and index.dtype in (torch.bool, torch.uint8) for index in arguments[1]
        )
        if boolean or (name in WAITING and not self._counts_steps(arguments[0])):
            self.found.append(name)
        return function(*arguments, **(keywords or {}))

    def _counts_steps(self, value):
        states = self.trainer.optimizers[0].state.values()
        return any(value is state.get("step") for state in states)


class WatchSteps(Callback):
    """Watches whole turns of Lightning's loop, from the start of a step to the start of a later."""

    watch = None

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        if batch_idx == WATCHED.start:
            self.watch = Watch(trainer)
            self.watch.__enter__()
        elif batch_idx == WATCHED.stop:
            self.watch.__exit__(None, None, None)


@pytest.mark.parametrize("semi", [False, True], ids=["supervised", "semi-supervised"])
@pytest.mark.parametrize("tracker", TRACKERS)
def test_no_step_waits_for_the_device(tracker, semi, config_file, tiny_training, tmp_path):
    *chosen, losses = TRACKERS[tracker]
    losses = losses if semi else "model.losses_to_use=[]"
    loaded = load_config(config_file, (*tiny_training, *SETTINGS, *chosen, losses))
    setup = set_up(loaded.config)
    first = next(iter(setup.data.train_dataloader()))
    batch = first[0] if semi else first
    log, watching = MetricsLog(tmp_path), WatchSteps()
    progress = ReportProgress(lambda completed, note="": None, STEPS, tmp_path)
    callbacks = [watching, *get_callbacks(loaded.config), KeepMetrics(log), progress]
    trainer = get_trainer(loaded.config, tmp_path, callbacks, STEPS, log)
    trainer.fit(setup.tracker, DataLoader([batch] * STEPS, batch_size=None))
    assert trainer.global_step == STEPS
    assert watching.watch.found == []
    assert any("train_supervised_loss" in row for row in log.rows)
