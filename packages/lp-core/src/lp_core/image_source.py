"""Where the picture of a labelled image can be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from jaxtyping import UInt8
from numpy import ndarray


@dataclass(frozen=True)
class ImageSource:
    """One picture, and the places it can be had from.

    Attributes:
        name: Its path in a project, such as ``"labeled-data/mouse/img00012.png"``.
        file: The image file, where there is one.
        embedded: Gives (H, W, 3) RGB in frame px, where the labels' own file holds the picture.
        video: The video that it is a frame of, where that exists.
        frame: Its number in that video, counted from 0, where known.
    """

    name: str
    file: Path | None = None
    embedded: Callable[[], UInt8[ndarray, "height width 3"]] | None = field(
        default=None, compare=False
    )
    video: Path | None = None
    frame: int | None = None
