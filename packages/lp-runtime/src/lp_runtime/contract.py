"""What runs the graph of an exported model; registered under ``lp.runtimes``."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Float32, UInt8
from numpy import ndarray

from lp_core.registry import RUNTIMES, load_plugin

Images = UInt8[ndarray, "images 3 height width"]


class Found(NamedTuple):
    """What a graph gives.

    Attributes:
        keypoints: (R, K, 2) model px.
        confidences: (R, K) from 0 to 1.
    """

    keypoints: Float32[ndarray, "rows keypoints 2"]
    confidences: Float32[ndarray, "rows keypoints"]


@runtime_checkable
class Runtime(Protocol):
    """Runs a graph."""

    def run(self, images: Images) -> Found:
        """Keypoints of images; with context, of a run of frames, less the margins at both ends."""
        ...


def load_runtime(name: str) -> Callable[..., Runtime]:
    """What makes a runtime from the bytes of a graph and the number of threads, by its name.

    None as the number of threads leaves it to the runtime.

    Raises:
        PluginError: There is none, or what it needs is not installed.
    """
    return load_plugin(RUNTIMES, name)  # type: ignore[return-value]
