import pytest
import torch

from lp_core.registry import MODELS, load_plugin
from lp_core.testing import Subject

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def _to(batch, device):
    if isinstance(batch, torch.Tensor):
        return batch.to(device)
    return {key: _to(value, device) for key, value in batch.items()}


@pytest.mark.gpu
@CUDA
@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["heatmap", "heatmap_mhcrnn", "regression"])
def test_learns_and_predicts_on_cuda(name, precision):
    subject = Subject(load_plugin(MODELS, name).semi_supervised_class())
    tracker = subject.build().to("cuda")
    batch = _to(subject.batch(), "cuda")
    with torch.autocast("cuda", precision, enabled=precision != torch.float32):
        loss = tracker.training_step(batch)
        prediction = tracker.eval().predict_step(batch["unlabeled"])
    loss.backward()
    assert loss.isfinite()
    assert prediction.keypoints.dtype == torch.float32
    assert prediction.keypoints.isfinite().all()


@pytest.mark.gpu
@CUDA
@pytest.mark.parametrize("name", ["heatmap", "heatmap_mhcrnn", "regression"])
def test_a_step_does_not_wait_for_cuda(name):
    subject = Subject(load_plugin(MODELS, name).semi_supervised_class())
    tracker = subject.build().to("cuda")
    optimizer = tracker.configure_optimizers()["optimizer"]
    batch = _to(subject.batch(), "cuda")
    for mode in ("default", "default", "error"):  # first, everything is set up
        torch.cuda.set_sync_debug_mode(mode)
        try:
            optimizer.zero_grad()
            tracker.training_step(batch).backward()
            optimizer.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
