"""Check that a training step stays on its device, and waits for nothing.

The device is a CUDA device that torch only imagines: fake tensors have shapes and devices, but no
values. So the check needs no GPU. An operation that needs a value on the host, or that mixes
devices, fails there as it would wait or fail on a GPU; a copy from the host is noticed.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorMode,
)
from torch.utils._python_dispatch import TorchDispatchMode

from lp_core.testing.subject import Subject

_REMEDY = "make tensors with device=images.device, or register them as buffers"
_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class Copies(TorchDispatchMode):
    """Notes the shapes of what is copied from the host to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _COPIES:
            source = args[0 if func is _COPIES[0] else 1]
            if source.device.type != result.device.type:
                self.shapes.append(tuple(source.shape))
        return result


def stays_on_its_device(subject: Subject) -> None:
    """A step makes no tensor on the CPU, waits for no value, and logs from its device."""
    tracker, mode, copies = subject.build(), FakeTensorMode(), Copies()
    logged: dict[str, Any] = {}
    tracker.log = lambda name, value, **_: logged.setdefault(name, value)  # type: ignore[method-assign]
    move(tracker, mode)
    batch = moved(subject.batch(), mode)
    try:
        with mode, copies:
            tracker.training_step(batch)
    except DynamicOutputShapeException as error:
        raise subject.fault(
            "its training step waits for the device: the shape of a result depends on values, "
            f"in {error.func}",
            "use torch.where instead of indexing by a condition",
        ) from error
    except DataDependentOutputException as error:
        raise subject.fault(
            f"its training step waits for the device to tell a value, in {error.func}",
            "keep the value in a tensor: no item(), float(), bool() or if on a tensor",
        ) from error
    except RuntimeError as error:
        if "device" not in str(error):
            raise
        problem = f"its training step mixes tensors of two devices: {str(error).splitlines()[0]}"
        raise subject.fault(problem, _REMEDY) from error
    if copies.shapes:
        shape = copies.shapes[0]
        problem = f"its training step copies a tensor of shape {shape} from the CPU to its device"
        raise subject.fault(problem, _REMEDY)
    for name, value in logged.items():
        if not (isinstance(value, Tensor) and value.device.type == "cuda"):
            raise subject.fault(
                f"it logs '{name}' from elsewhere than its device",
                "log detached tensors as they are",
            )


def moved(value: Any, mode: FakeTensorMode) -> Any:
    """Fake copies of tensors, or of dicts of them, on the imagined device; numbers as they are."""
    if isinstance(value, dict):
        return {key: moved(item, mode) for key, item in value.items()}
    if not isinstance(value, Tensor):
        return value
    fake = mode.from_tensor(value.detach())
    with mode:
        return fake.to("cuda")


def move(module: nn.Module, mode: FakeTensorMode) -> None:
    """Replace all parameters and buffers by fake ones on the imagined device."""
    for part in module.modules():
        for name, parameter in list(part.named_parameters(recurse=False)):
            fake = nn.Parameter(moved(parameter, mode), requires_grad=parameter.requires_grad)
            setattr(part, name, fake)
        for name, value in list(part.named_buffers(recurse=False)):
            setattr(part, name, moved(value, mode))
