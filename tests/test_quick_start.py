"""``litpose predict`` starts without the libraries of training, and predicts the same."""

import subprocess
import sys

import pytest

HEAVY = (
    "torch._dynamo",
    "torch._inductor",
    "torchvision",
    "huggingface_hub.hf_api",
    "sympy",
    "matplotlib",
    "scipy",
    "triton",
    "pandas",
)

PREDICT = """
import sys
from lp_pipeline.cli import predict
from lp_pipeline.cli.main import main
if sys.argv.pop(1) == "plainly":
    predict.import_quickly = lambda: None
try:
    main()
except SystemExit as stop:
    assert not stop.code, stop.code
print("loaded:", *sorted(name for name in sys.modules if name in HEAVY))
"""

AFTERWARDS = """
import sys
from lp_pipeline.cli.quick_start import import_quickly
from lp_pipeline.cli.stand_ins import StandIn
import_quickly()
assert {"timm", "pytorch_lightning"} <= set(sys.modules)
assert not any(isinstance(module, StandIn) for module in sys.modules.values())
import pytorch_lightning as pl
import torch
"""


def run(code, *arguments):
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def predict(how, model_dir, video, folder):
    code = f"HEAVY = {HEAVY!r}\n{PREDICT}"
    out = run(code, how, "predict", str(model_dir), str(video), "-o", str(folder), "--device=cpu")
    tables = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    return out.split("loaded:")[1].split(), tables


def test_predicting_loads_nothing_of_training_and_changes_no_byte(model_dir, project, tmp_path):
    loaded, tables = predict("quickly", model_dir, project.test_video, tmp_path / "quickly")
    assert not loaded, (
        f"`litpose predict` imports {', '.join(loaded)}, which is slow and not needed: see "
        "who does with `python -X importtime`; see lp_pipeline/cli/quick_start.py"
    )
    before, same = predict("plainly", model_dir, project.test_video, tmp_path / "plainly")
    assert "torch._dynamo" in before
    assert tables
    assert tables == same


USES = {
    "the compiler": """
from pytorch_lightning.utilities.compile import OptimizedModule
assert not isinstance(torch.nn.Linear(2, 2), OptimizedModule)
assert "torch._dynamo" not in sys.modules
from lp_pipeline.cli.quick_start import disable
seen = disable(torch.compiler.is_compiling)
assert not seen()
assert "torch._dynamo" not in sys.modules
inside = torch.compile(lambda x: (x + 1, torch.compiler.is_compiling(), seen()), backend="eager")
assert inside(torch.ones(1))[1:] == (True, False)
import torch._dynamo.config
assert torch._dynamo.config.cache_size_limit > 0
assert sys.modules["torch._dynamo"] is torch._dynamo
function = torch.compile(lambda x: x.sin() + 1, backend="eager")
assert torch.allclose(function(torch.ones(2)), torch.ones(2).sin() + 1)
from pytorch_lightning.utilities.compile import OptimizedModule
compiled = torch.compile(torch.nn.Linear(2, 2), backend="eager")
assert isinstance(compiled, OptimizedModule)
assert not isinstance(torch.nn.Linear(2, 2), OptimizedModule)
from pytorch_lightning.utilities.compile import OptimizedModule
class Mine(OptimizedModule): pass
import torch._dynamo
assert issubclass(Mine, torch._dynamo.OptimizedModule)
""",
    "training and its metrics": """
assert "torchmetrics.functional" not in sys.modules
from torch.utils.data import DataLoader
class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)
    def training_step(self, batch, index):
        loss = (self.layer(batch) - 2).square().mean()
        self.log("loss", loss, on_epoch=True)
        return loss
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)
trainer = pl.Trainer(max_epochs=20, accelerator="cpu", logger=False,
                     enable_checkpointing=False, enable_progress_bar=False)
trainer.fit(Line(), DataLoader(torch.ones(8, 1), batch_size=4))
assert trainer.callback_metrics["loss_epoch"] < 0.1
import torchmetrics.functional.regression
import torchmetrics
mean = torchmetrics.MeanMetric()
mean.update(torch.tensor([1.0, 3.0]))
assert mean.compute() == 2
assert isinstance(mean, pl.core.module.Metric)
assert torchmetrics.utilities.plot.plot_single_or_multi_val
import matplotlib
matplotlib.use("agg")
assert mean.plot()
""",
    "torchvision and the hub": """
assert "torchvision" not in sys.modules
import timm
from timm.layers import freeze_batch_norm_2d
from timm.models import FeatureGraphNet
network = timm.create_model("resnet10t")
frozen = freeze_batch_norm_2d(torch.nn.BatchNorm2d(2))
assert not isinstance(network, timm.layers.norm_act.FrozenBatchNorm2d)
assert len(FeatureGraphNet(network, (1, 2))(torch.zeros(1, 3, 64, 64))) == 2
from torchvision.ops.misc import FrozenBatchNorm2d
assert isinstance(frozen, FrozenBatchNorm2d)
assert isinstance(frozen, timm.layers.norm_act.FrozenBatchNorm2d)
import timm.data
assert timm.data.create_transform(32)
assert timm.data.IMAGENET_DEFAULT_MEAN == network.default_cfg["mean"]
from huggingface_hub import HfApi
from timm.models._hub import HfApi as TimmsApi, hf_hub_download
assert isinstance(TimmsApi(), HfApi)
import huggingface_hub.errors
try:
    hf_hub_download("timm/resnet18", "none", cache_dir="none", local_files_only=True)
except huggingface_hub.errors.EntryNotFoundError:
    pass
""",
    "metrics of another release": """
for name in [name for name in sys.modules if f"{name}.".startswith("torchmetrics.")]:
    del sys.modules[name]
from lp_pipeline.cli import quick_start
quick_start.EARLY = (("torchmetrics.metric", ("Metric", "NoSuchName")),)
with quick_start.postponed():
    from torchmetrics import MeanMetric
assert MeanMetric
""",
}


@pytest.mark.parametrize("use", USES)
def test_what_was_postponed_works_afterwards(use):
    run(AFTERWARDS + USES[use])


def test_a_name_that_nobody_foresaw_comes_from_the_true_module():
    run(
        "import sys\n"
        "from lp_pipeline.cli.quick_start import POSTPONED, postponed\n"
        "import torch\n"
        "with postponed():\n"
        "    from torch._dynamo.utils import same, is_compile_supported\n"
        "assert same is sys.modules['torch._dynamo.utils'].same\n"
        "assert isinstance(is_compile_supported('cpu'), bool)\n"
    )
