"""Optimisers and learning-rate schedules.

Every learning rate is a pure function of the epoch (or step), so a run that resumes follows the
same one.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import nn, optim
from torch.optim.lr_scheduler import LambdaLR

from lp_core.errors import TrackerError


@dataclass(frozen=True, kw_only=True)
class OptimizationOptions:
    """How a tracker learns.

    A "tick" is an epoch, or an optimiser step where ``interval`` is ``"step"``.

    Attributes:
        optimizer: Adam or AdamW.
        learning_rate: Of the head; the backbone's follows it after unfreezing.
        weight_decay: None takes the optimiser's own default (Adam 0, AdamW 0.01).
        scheduler: ``"multisteplr"`` multiplies by ``gamma`` at each milestone; ``"cosine"`` falls
            to 0 at ``total`` along half a cosine; ``"constant"`` does neither.
        milestones: Ticks, rising.
        gamma: Factor at each milestone.
        total: Ticks until a cosine reaches 0.
        warmup: Ticks of linear warm-up from near 0, with every scheduler.
        interval: What a tick is.
        unfreeze: Tick at which the backbone starts to learn; 0 is from the start.
        unfreeze_initial_ratio: Its learning rate then, relative to the head's.
        unfreeze_multiplier: What that ratio is multiplied by at each later tick, until it is 1.
    """

    optimizer: Literal["Adam", "AdamW"] = "Adam"
    learning_rate: float = 1e-3
    weight_decay: float | None = None
    scheduler: Literal["multisteplr", "cosine", "constant"] = "multisteplr"
    milestones: tuple[int, ...] = (150, 200, 250)
    gamma: float = 0.5
    total: int = 300
    warmup: int = 0
    interval: Literal["epoch", "step"] = "epoch"
    unfreeze: int = 0
    unfreeze_initial_ratio: float = 0.1
    unfreeze_multiplier: float = 1.5

    def __post_init__(self) -> None:
        if self.learning_rate <= 0:
            raise TrackerError(f"the learning rate must be positive, got {self.learning_rate}")
        if list(self.milestones) != sorted(self.milestones):
            raise TrackerError(f"milestones must rise, got {list(self.milestones)}")
        if self.unfreeze_multiplier <= 1 or not 0 < self.unfreeze_initial_ratio <= 1:
            raise TrackerError("the unfreeze ramp must start in (0, 1] and rise")


def head_factor(options: OptimizationOptions, tick: int) -> float:
    """What the head's learning rate is multiplied by at ``tick``."""
    factor = min(1.0, (tick + 1) / (options.warmup + 1)) if options.warmup else 1.0
    if options.scheduler == "multisteplr":
        return factor * options.gamma ** bisect.bisect_right(options.milestones, tick)
    if options.scheduler == "cosine":
        span = max(1, options.total - options.warmup)
        progress = min(1.0, max(0.0, (tick - options.warmup) / span))
        return factor * 0.5 * (1 + math.cos(math.pi * progress))
    return factor


def backbone_factor(options: OptimizationOptions, tick: int) -> float:
    """What the backbone's learning rate is multiplied by at ``tick``: ramp times head's factor."""
    if tick < options.unfreeze:
        return 0.0
    if options.unfreeze == 0:
        return head_factor(options, tick)
    # in logarithms, since the power overflows after some thousand steps
    exponent = (tick - options.unfreeze) * math.log(options.unfreeze_multiplier)
    ratio = math.exp(min(0.0, math.log(options.unfreeze_initial_ratio) + exponent))
    return ratio * head_factor(options, tick)


def configure_optimization(
    options: OptimizationOptions, *, backbone: list[nn.Parameter], head: list[nn.Parameter]
) -> dict[str, Any]:
    """What ``configure_optimizers`` returns: two parameter groups, backbone and head."""
    decay = options.weight_decay
    extra: dict[str, Any] = {} if decay is None else {"weight_decay": decay}
    groups = [
        {"params": parameters, "name": name}
        for name, parameters in (("backbone", backbone), ("head", head))
        if parameters
    ]
    kind = optim.AdamW if options.optimizer == "AdamW" else optim.Adam
    optimizer = kind(groups, lr=options.learning_rate, **extra)
    functions = {"backbone": backbone_factor, "head": head_factor}
    factors: list[Callable[[int], float]] = [
        partial(functions[str(group["name"])], options) for group in groups
    ]
    scheduler = LambdaLR(optimizer, factors)
    return {
        "optimizer": optimizer,
        "lr_scheduler": {"scheduler": scheduler, "interval": options.interval, "name": "lr"},
    }
