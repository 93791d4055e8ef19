"""Predictions of videos in model directories, by ranges of frames."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_core.listing import visible
from lp_core.poses import PoseTable, confidence_of
from lp_io.model_directory import VIDEO_FOLDER, video_tables
from lp_io.predictions import holds_several, in_frame_order, read_predictions

_DEPTH = 3  # folders within the project in which model directories are looked for
_MOST_KEPT = 4
LONGEST = 2000
"""Frames that are given at once, at most."""


def name_of(path: Path) -> str:
    """A short text that tells a file from others, and says nothing about where it is."""
    return hashlib.blake2b(
        str(path.absolute()).encode("utf-8", "surrogateescape"), digest_size=8
    ).hexdigest()


def find_models(folder: Path) -> list[Path]:
    """The folders with predictions of videos in a folder, at most three levels down."""
    return sorted(_models(folder, _DEPTH))


def _models(folder: Path, depth: int) -> Iterator[Path]:
    if (folder / VIDEO_FOLDER).is_dir():
        yield folder
    if not depth:
        return
    for inner in visible(folder):
        if inner.is_dir() and not inner.is_symlink():
            yield from _models(inner, depth - 1)


def table_of(model: Path, video: Path) -> Path | None:
    """The predictions of a video in a model directory; None where it has none."""
    return next((path for path in video_tables(model) if path.stem == video.stem), None)


@dataclass(frozen=True, eq=False)
class PredictedVideo:
    """The predictions of one video, sorted by frame, in float32.

    Attributes:
        keypoints: K names.
        individuals: The animals that occur.
        edges: The first row of each frame, and the number of rows at the end.
        who: For each row the place in ``individuals``, -1 for an animal without a name.
        values: (R, K, 3): x and y in frame px, and the confidence; NaN where there is none.
    """

    keypoints: tuple[str, ...]
    individuals: tuple[str, ...]
    edges: Int[ndarray, " frames_and_end"]
    who: Int[ndarray, " rows"]
    values: Float[ndarray, "rows keypoints 3"]

    def frames(self, start: int, stop: int) -> list[list[dict[str, Any]]]:
        """For each frame its animals as JSON holds them; numbers are rounded to 0.01."""
        last = len(self.edges) - 1
        return [self._animals(frame) if frame < last else [] for frame in range(start, stop)]

    def _animals(self, frame: int) -> list[dict[str, Any]]:
        rows = range(int(self.edges[frame]), int(self.edges[frame + 1]))
        return [
            {
                "name": self.individuals[self.who[row]] if self.who[row] >= 0 else None,
                "keypoints": [
                    [None if value != value else round(value, 2) for value in point]
                    for point in self.values[row].tolist()
                ],
            }
            for row in rows
            if np.isfinite(self.values[row, :, :2]).any()
        ]


def read_predicted(path: Path) -> PredictedVideo:
    """Read a table of predictions.

    Raises:
        PoseError: It cannot be read.
    """
    table = in_frame_order(read_predictions(path, several=holds_several(path)), path)
    return _packed(table)


def _packed(table: PoseTable) -> PredictedVideo:
    numbers = np.array(
        [each if isinstance(each, int) else row for row, each in enumerate(table.frame)]
    )
    order = np.argsort(numbers, kind="stable")
    names = [table.individual[row] for row in order] if table.individual else [None] * len(order)
    individuals = tuple(dict.fromkeys(name for name in names if name is not None))
    place = {name: number for number, name in enumerate(individuals)}
    edges = np.searchsorted(numbers[order], np.arange(int(numbers.max(initial=-1)) + 2))
    values = np.concatenate([table.points, confidence_of(table)[..., None]], axis=-1)
    who = np.array([-1 if name is None else place[name] for name in names], dtype=np.int64)
    return PredictedVideo(
        table.keypoint_names, individuals, edges, who, values[order].astype(np.float32)
    )


class Predictions:
    """The predictions of the model directories of a project; the last few tables stay in memory.

    Args:
        folders: Where model directories are looked for, or model directories.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._kept: dict[tuple[Path, int], PredictedVideo] = {}
        self._lock = threading.Lock()

    def models(self) -> dict[str, Path]:
        """The model directories by `name_of`."""
        found = dict.fromkeys(model for folder in self._folders for model in find_models(folder))
        return {name_of(model): model for model in found}

    def of(self, table: Path) -> PredictedVideo:
        """The predictions in a table, read again where the file has changed.

        Raises:
            PoseError: It cannot be read.
        """
        key = (table, table.stat().st_mtime_ns)
        with self._lock:
            if key not in self._kept:
                while len(self._kept) >= _MOST_KEPT:
                    del self._kept[next(iter(self._kept))]
                self._kept[key] = read_predicted(table)
            return self._kept[key]
