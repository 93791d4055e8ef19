"""Two processes normalise by the images of both, forwards and backwards."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import distributed, nn

from lp_core.batch_norm import SynchronizeBatchNorm

SHARES = (slice(0, 3), slice(3, 5))  # of five images; processes need not have as many


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        BatchNormAct2d(4, act_layer=nn.SiLU),
        nn.Conv2d(4, 5, 3, bias=False),
        nn.BatchNorm2d(5, momentum=None),
        nn.SiLU(),
        nn.BatchNorm2d(5, affine=False),
    )
    return layers.double()


def images():
    generator = torch.Generator().manual_seed(1)
    scales = torch.arange(1.0, 6.0).reshape(-1, 1, 1, 1)
    return 100 + scales * torch.randn(5, 3, 8, 8, generator=generator).double()


def learned(model, part, whole):
    """What is known after two batches: outputs, gradients, buffers."""
    pixels = whole.clone().requires_grad_()
    for _ in range(2):
        out = model(pixels[part])
        (out.sigmoid() * torch.arange(5.0).double().reshape(1, -1, 1, 1)).sum().backward()
    weights = {name: value.grad for name, value in model.named_parameters()}
    return out.detach(), pixels.grad[part], weights, model.state_dict()


def learn(rank, folder):
    distributed.init_process_group("gloo", f"file://{folder}/meeting", rank=rank, world_size=2)
    model = SynchronizeBatchNorm().apply(network())
    torch.save(learned(model, SHARES[rank], images()), folder / f"{rank}.pt")
    distributed.destroy_process_group()


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    command = [sys.executable, __file__, str(folder)]
    processes = [subprocess.Popen([*command, str(rank)]) for rank in range(2)]
    assert [process.wait(280) for process in processes] == [0, 0]
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def test_two_processes_normalise_as_one_does(both):
    out, pixels, weights, state = learned(network(), slice(None), images())
    torch.testing.assert_close(torch.cat([one[0] for one in both]), out)
    torch.testing.assert_close(torch.cat([one[1] for one in both]), pixels)
    for name, gradient in weights.items():
        torch.testing.assert_close(both[0][2][name] + both[1][2][name], gradient)
    for one in both:
        assert one[3].keys() == state.keys()
        for name, value in state.items():
            torch.testing.assert_close(one[3][name], value)


def test_alone_it_does_what_the_layer_does_and_gives_it_back():
    plain, model = network(), SynchronizeBatchNorm().apply(network())
    assert model.state_dict().keys() == plain.state_dict().keys()
    expected, found = (learned(one, slice(None), images()) for one in (plain, model))
    torch.testing.assert_close(found[0], expected[0])
    SynchronizeBatchNorm().revert(model)
    assert [type(layer) for layer in model] == [type(layer) for layer in plain]
    torch.testing.assert_close(model.eval()(images()), plain.eval()(images()))


if __name__ == "__main__":
    learn(int(sys.argv[2]), Path(sys.argv[1]))
