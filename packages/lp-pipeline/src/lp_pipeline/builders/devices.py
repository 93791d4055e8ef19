"""The devices that a training runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from lp_pipeline.config.schema import TrainingConfig


@dataclass(frozen=True)
class TrainingDevices:
    """What Lightning is told.

    Attributes:
        accelerator: ``auto``, ``cpu``, ``gpu`` or ``mps``.
        devices: Their number, their indices, or ``auto``.
    """

    accelerator: str
    devices: Any

    @property
    def count(self) -> int:
        """How many there are, which is the number of processes on this machine."""
        if isinstance(self.devices, list):
            return len(self.devices)
        return self.devices if isinstance(self.devices, int) else 1


def training_devices(training: TrainingConfig, *, gpus: int | None = None) -> TrainingDevices:
    """Choose the devices: ``training.devices`` where it says which, else ``training.num_gpus``.

    With ``num_gpus`` the training runs on so many CUDA devices, or on as many as there are
    (``gpus``; None counts them); with 0 or without any, on what ``training.accelerator`` chooses
    else.
    """
    if training.devices != "auto":
        return TrainingDevices(training.accelerator, training.devices)
    found = torch.cuda.device_count() if gpus is None else gpus
    if training.accelerator not in ("auto", "gpu") or found == 0:
        return TrainingDevices(training.accelerator, "auto")
    if training.num_gpus == 0:
        return TrainingDevices("cpu", "auto")
    return TrainingDevices("gpu", min(training.num_gpus, found))
