"""Combine losses: check that they can run, weight them, add them up, and say what to log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from lp_core.batches import CAMERAS, PLACES, LossInputs
from lp_core.errors import LossError
from lp_core.losses.contract import LearnsFromLabels, Loss, LossValue, TrainingLabels

Stage = Literal["train", "val", "test"]


class LossReport(NamedTuple):
    """The weighted sum of all losses, and the values to log by name."""

    total: Float[Tensor, ""]
    logs: dict[str, Tensor]


class LossFactory(nn.Module):
    """The losses of one tracker on one kind of data, labelled or unlabelled.

    Args:
        losses: The losses, in the order in which they are logged.
        provided: The output keys that the tracker gives on this kind of data.
        tracker: What to call the tracker in messages.

    Raises:
        LossError: There is no loss, two have the same name, or one requires a key that is not
            provided.
    """

    def __init__(
        self, losses: Sequence[Loss], provided: Collection[str], *, tracker: str = "the tracker"
    ) -> None:
        super().__init__()
        _check(losses, PLACES | {CAMERAS} | frozenset(provided), tracker)
        self.losses = nn.ModuleDict({loss.name: loss for loss in losses})

    @property
    def needs_cameras(self) -> tuple[str, ...]:
        """The names of the losses that can only run where the cameras are calibrated."""
        losses = cast("dict[str, Loss]", self.losses)
        return tuple(name for name, loss in losses.items() if CAMERAS in loss.requires)

    def fit_labels(self, labels: TrainingLabels) -> None:
        """Let every loss that learns from labels do so.

        Raises:
            LossError: The labels are too few, or do not fit a loss's options.
        """
        for loss in self.losses.values():
            if isinstance(loss, LearnsFromLabels):
                loss.fit_labels(labels)

    def forward(
        self,
        stage: Stage,
        outputs: LossInputs | Sequence[LossInputs],
        anneal: float = 1.0,
    ) -> LossReport:
        """The losses of one batch.

        Args:
            stage: ``"train"``, ``"val"`` or ``"test"``; it prefixes what is logged.
            outputs: What the tracker gives; a tracker with several heads gives one item per head,
                and each loss is their mean.
            anneal: From 0 to 1; it multiplies every loss that does not supervise.

        Returns:
            The weighted sum, and for each loss ``{stage}_{name}_loss``, ``..._loss_weighted``,
            ``..._above_epsilon`` where it has an ε, and ``{name}_weight``.
        """
        heads = [outputs] if isinstance(outputs, dict) else list(outputs)
        terms: list[Tensor] = []
        logs: dict[str, Tensor] = {}
        for name, module in self.losses.items():
            loss: Loss = module  # type: ignore[assignment]
            result = _mean([loss(head) for head in heads])
            factor = loss.weight * (1.0 if loss.supervised else anneal)
            terms.append(factor * result.value)
            logs[f"{stage}_{name}_loss"] = result.value.detach()
            logs[f"{stage}_{name}_loss_weighted"] = terms[-1].detach()
            logs[f"{name}_weight"] = result.value.new_full((), loss.weight)  # on the device
            if result.above_epsilon is not None:
                logs[f"{stage}_{name}_above_epsilon"] = result.above_epsilon.detach()
        return LossReport(torch.stack(terms).sum(), logs)


def _check(losses: Sequence[Loss], provided: frozenset[str], tracker: str) -> None:
    """Refuse losses that could not run."""
    if not losses:
        raise LossError(f"{tracker} has no loss to learn from")
    names = [loss.name for loss in losses]
    for name in names:
        if names.count(name) > 1:
            raise LossError(f"the loss '{name}' is given twice")
    for loss in losses:
        absent = sorted(loss.requires - provided)
        if absent:
            usable = sorted(provided - PLACES - {CAMERAS})
            raise LossError(
                f"the loss '{loss.name}' cannot run with {tracker}: it needs {', '.join(absent)}",
                remedy=f"choose a loss that needs only {', '.join(usable)}",
            )


def _mean(values: Sequence[LossValue]) -> LossValue:
    """The mean over heads."""
    value = torch.stack([item.value for item in values]).mean()
    shares = [item.above_epsilon for item in values if item.above_epsilon is not None]
    return LossValue(value, torch.stack(shares).mean() if shares else None)
