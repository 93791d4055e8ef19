"""Learning rates are those that the options say, at every epoch or step."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from lp_core.errors import TrackerError
from lp_core.optimization import (
    OptimizationOptions,
    backbone_factor,
    configure_optimization,
    head_factor,
)


def _rates(options, ticks):
    """(backbone, head) learning rates that an optimiser really has at each tick."""
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    configured = configure_optimization(options, backbone=parameters[:1], head=parameters[1:])
    optimizer, schedule = configured["optimizer"], configured["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(ticks):
        groups = {group["name"]: group["lr"] for group in optimizer.param_groups}
        rates.append((groups["backbone"], groups["head"]))
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("interval", ["epoch", "step"])
def test_the_backbone_thaws_along_the_public_ramp(interval):
    options = OptimizationOptions(unfreeze=1, milestones=(9, 11), interval=interval)
    backbone, head = zip(*_rates(options, 13), strict=True)
    assert backbone[0] == 0
    assert backbone[1:4] == pytest.approx([1e-4, 1.5e-4, 2.25e-4])
    assert backbone[6] == pytest.approx(1e-4 * 1.5**5)
    assert backbone[7:9] == pytest.approx([1e-3, 1e-3])
    assert head[:9] == pytest.approx([1e-3] * 9)
    assert backbone[9:] == pytest.approx([5e-4, 5e-4, 2.5e-4, 2.5e-4])
    assert head[9:] == pytest.approx(backbone[9:])


def test_a_backbone_that_is_never_frozen_starts_in_full():
    assert backbone_factor(OptimizationOptions(), 0) == 1


def test_the_ramp_does_not_overflow_after_many_steps():
    options = OptimizationOptions(unfreeze=10, scheduler="constant")
    assert backbone_factor(options, 1_000_000) == 1


def test_cosine_with_warm_up():
    options = OptimizationOptions(scheduler="cosine", total=104, warmup=4)
    factors = [head_factor(options, tick) for tick in range(106)]
    assert factors[:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factors[54] == pytest.approx(0.5)
    assert factors[104] == pytest.approx(0.0, abs=1e-12)
    assert factors[105] == pytest.approx(0.0, abs=1e-12)
    assert all(a >= b for a, b in pairwise(factors[4:]))


def test_rates_after_a_restart_are_the_same():
    options = OptimizationOptions(unfreeze=3, milestones=(5, 8))
    parameters = [nn.Parameter(torch.zeros(1)) for _ in range(2)]
    first = configure_optimization(options, backbone=parameters[:1], head=parameters[1:])
    for _ in range(6):
        first["optimizer"].step()
        first["lr_scheduler"]["scheduler"].step()
    second = configure_optimization(options, backbone=parameters[:1], head=parameters[1:])
    second["optimizer"].load_state_dict(first["optimizer"].state_dict())
    second["lr_scheduler"]["scheduler"].load_state_dict(
        first["lr_scheduler"]["scheduler"].state_dict()
    )
    for configured in (first, second):
        configured["optimizer"].step()
        configured["lr_scheduler"]["scheduler"].step()
    rates = [[g["lr"] for g in c["optimizer"].param_groups] for c in (first, second)]
    assert rates[0] == rates[1] == pytest.approx([1e-4 * 1.5**4 * 0.5, 5e-4])


@pytest.mark.parametrize(
    ("optimizer", "decay", "expected"),
    [("Adam", None, 0.0), ("AdamW", None, 0.01), ("AdamW", 0.2, 0.2)],
)
def test_optimisers_and_their_weight_decay(optimizer, decay, expected):
    options = OptimizationOptions(optimizer=optimizer, weight_decay=decay)
    configured = configure_optimization(options, backbone=[], head=[nn.Parameter(torch.zeros(1))])
    assert type(configured["optimizer"]).__name__ == optimizer
    assert [group["name"] for group in configured["optimizer"].param_groups] == ["head"]
    assert configured["optimizer"].param_groups[0]["weight_decay"] == expected


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rate": 0.0}, "must be positive"),
        ({"milestones": (5, 3)}, "must rise"),
        ({"unfreeze_multiplier": 1.0}, "ramp"),
        ({"unfreeze_initial_ratio": 0.0}, "ramp"),
    ],
)
def test_senseless_options_are_refused(values, message):
    with pytest.raises(TrackerError, match=message):
        OptimizationOptions(**values)
