"""Batch normalisation by the images of all processes that train together.

``torch.nn.SyncBatchNorm`` does that on GPUs only, and waits for the device in every layer. This one
runs on any device for which ``torch.distributed`` has a backend, and waits for none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from pytorch_lightning.plugins import LayerSync
from torch import Tensor, nn
from torch.nn import functional as F

from lp_core.processes import number_of_processes, process_number, summed

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class SynchronizeBatchNorm(LayerSync):
    """Lightning's plug-in for it: ``Trainer(plugins=[SynchronizeBatchNorm()])``.

    Strategies with one process per device apply it when a training starts; others ignore it.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the batch normalisations of a model by synchronised ones."""
        return _replaced(model, _BATCH_NORMS, SynchronizedBatchNorm)

    def revert(self, model: nn.Module) -> nn.Module:
        """Bring back what `apply` replaced, with all that was learnt since."""
        return _replaced(model, (SynchronizedBatchNorm,), SynchronizedBatchNorm.original)


def _replaced(
    model: nn.Module, kinds: tuple[type[nn.Module], ...], change: Callable[[Any], nn.Module]
) -> nn.Module:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, kinds):
                setattr(parent, name, change(child))
    return model


class SynchronizedBatchNorm(nn.Module):
    """One layer, with the parameters, buffers and names of the one that it replaces.

    A layer of timm, which drops out and activates too, does so here.

    Args:
        layer: The layer; this one takes its parameters and buffers.
    """

    weight: Tensor | None
    bias: Tensor | None
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.eps: float = layer.eps  # type: ignore[assignment]
        self.momentum: float | None = layer.momentum  # type: ignore[assignment]
        for name in ("weight", "bias"):
            self.register_parameter(name, getattr(layer, name))
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(layer, name))
        for name, child in layer.named_children():
            self.add_module(name, child)
        self.train(layer.training)
        self._layer = (layer,)  # in a tuple, or it would be a part of this one

    def original(self) -> nn.Module:
        """The layer that this one replaced, with the buffers of now."""
        layer = self._layer[0]
        for name, buffer in self.named_buffers(recurse=False):
            setattr(layer, name, buffer)
        layer.train(self.training)
        return layer

    def forward(self, images: Tensor) -> Tensor:
        """Normalise (B, C, ...); in training by mean and variance over all processes."""
        if self.training or self.running_mean is None:
            mean, variance, count = _moments(images)
            if self.training:
                self._follow(mean, variance, count)
            values: Tensor = _Normalize.apply(
                images, self.weight, self.bias, mean, variance, count, self.eps
            )
        else:
            values = F.batch_norm(
                images, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        for child in self.children():
            values = child(values)
        return values

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        """Move the running moments towards those of this batch."""
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        unbiased = variance * (count / (count - 1).clamp_min(1))
        share = mean.new_ones(()) / self.num_batches_tracked  # of a plain mean over all batches
        if self.momentum is not None:
            share = share.new_full((), self.momentum)
        for running, value in ((self.running_mean, mean), (self.running_var, unbiased)):
            running.lerp_(value.to(running.dtype), share.to(running.dtype))


def _others(images: Tensor) -> list[int]:
    """All dimensions but that of the channels."""
    return [dim for dim in range(images.ndim) if dim != 1]


def _precise(values: Tensor) -> Tensor:
    """The values in float32, or in float64 if that is what they are."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


@torch.no_grad()
def _moments(
    images: Tensor,
) -> tuple[Float[Tensor, " channels"], Float[Tensor, " channels"], Float[Tensor, ""]]:
    """Mean, variance and number of the values of each channel, over all processes.

    Each process tells its own; the variance of all is the mean of their variances and of the
    squared distances of their means from the common one, each weighted by its number of values.
    """
    variance, mean = torch.var_mean(_precise(images), dim=_others(images), correction=0)
    count = mean.new_full((1,), images.numel() / images.shape[1])
    own = torch.cat([mean, variance, count])
    before, after = process_number(), number_of_processes() - process_number() - 1
    told = summed(F.pad(own.unsqueeze(0), [0, 0, before, after]))  # a row for each process
    means, variances, counts = told.split([len(mean), len(mean), 1], dim=1)
    total = counts.sum()
    shares = counts / total
    common = (shares * means).sum(dim=0)
    spread = variances + (means - common).square()
    return common, (shares * spread).sum(dim=0), total


class _Normalize(torch.autograd.Function):
    """(x - mean) / sqrt(variance + ε) · weight + bias, for moments over all processes.

    The gradient is that of the sum of what all processes minimise (Ioffe & Szegedy, 2015):
    dx = weight / sqrt(variance + ε) · (dy - mean(dy) - x̂ · mean(dy · x̂)), with means over all
    processes; those of weight and bias are this process's part.
    """

    @staticmethod
    def forward(
        context: Any,
        images: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        variance: Tensor,
        count: Tensor,
        eps: float,
    ) -> Tensor:
        context.save_for_backward(images, weight, mean, variance, count)
        context.eps = eps
        return F.batch_norm(images, mean, variance, weight, bias, eps=eps)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, mean, variance, count = context.saved_tensors
        shape = [1, -1] + [1] * (images.ndim - 2)
        scale = (variance + context.eps).rsqrt()
        normalized = (_precise(images) - mean.view(shape)) * scale.view(shape)
        slope = _precise(gradient)
        others = _others(images)
        sums = torch.stack([slope.sum(dim=others), (slope * normalized).sum(dim=others)])
        common, along = (summed(sums) / count).unbind()
        factor = scale if weight is None else scale * weight
        centred = slope - common.view(shape) - normalized * along.view(shape)
        inner = (centred * factor.view(shape)).to(images.dtype)
        own = (None, None) if weight is None else sums.flip(0).to(weight.dtype).unbind()
        return inner, *own, None, None, None, None
