"""Labelled images with their rows of labels, with or without their neighbours in time."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypedDict, cast

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy import ndarray
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from lp_core.batches import LabeledBatch
from lp_core.geometry import affine
from lp_core.paths import find_file
from lp_core.poses import PoseTable, Visibility
from lp_data.augmentation.protocol import Augmenter
from lp_data.cache import DEFAULT_BUDGET, ImageCache, open_cache
from lp_data.datasets.neighbours import context_window
from lp_data.datasets.pixels import channels_first
from lp_data.datasets.randomness import Epoch, sample_rng
from lp_data.errors import DataModuleError, ImageFileError
from lp_data.images import image_file, missing_image_remedy


class LabeledSample(TypedDict):
    """One image and the R rows on it: what `collate` makes a `lp_core.batches.LabeledBatch` of.

    Keys:
        images: Model px; (3, H, W), or (F, 3, H, W) with context.
        to_frame: (2, 3) map from model px to frame px.
        frame: () number of the image among those of the table.
        view: () number of the camera.
        present: () True.
        keypoints: (R, K, 2) model px, NaN where missing.
        visibility: (R, K), 0 unlabelled, 1 occluded, 2 visible and on the image.
        table_row: (R,) rows of the label table.
    """

    images: UInt8[Tensor, "3 height width"] | UInt8[Tensor, "context 3 height width"]
    to_frame: Float[Tensor, "2 3"]
    frame: Int[Tensor, ""]
    view: Int[Tensor, ""]
    present: Bool[Tensor, ""]
    keypoints: Float[Tensor, "rows keypoints 2"]
    visibility: Int[Tensor, "rows keypoints"]
    table_row: Int[Tensor, " rows"]


_OF_ROWS = ("keypoints", "visibility", "table_row")


def collate(samples: Sequence[LabeledSample]) -> LabeledBatch:
    """A batch of images, each with as many rows as it has."""
    images = [{key: s[key] for key in s if key not in _OF_ROWS} for s in samples]  # type: ignore[literal-required]
    rows = {key: torch.cat([s[key] for s in samples]) for key in _OF_ROWS}  # type: ignore[literal-required]
    counts = torch.tensor([len(sample["table_row"]) for sample in samples])
    image = torch.arange(len(samples)).repeat_interleave(counts)
    return cast("LabeledBatch", {**default_collate(images), **rows, "image": image})


class LabeledDataset(Dataset[LabeledSample]):
    """The images of a label table at model size, and their keypoints.

    Sample ``i`` is image ``i % N``; ``i // N`` counts how often it was already drawn in this epoch,
    so that every draw is augmented afresh.

    Args:
        table: The labels, one row for each image. What a missing keypoint teaches (`missing`) is
            also what a visible one does that is not on the image, such as one that the augmenter
            moved off it: it loses its position.
        data_dir: The folder that the table's paths are relative to.
        image_size: (height, width) in model px.
        instances: ``"one"`` for a tracker that takes one row per image, ``"many"`` for any number.
        context_frames: How many consecutive frames a sample has, the labelled one in the middle: an
            odd number, 1 for no context. See `lp_data.datasets.neighbours`.
        augmenter: What changes images and keypoints by chance; None for nothing.
        seed: The seed of that chance.
        cache_budget: Bytes of decoded images that may be kept in memory; more goes to disk.
        cache_folder: Where they go on disk; by default a folder in the user's cache folder.
        processes: How many processes train together; they share decoded images on disk.

    Raises:
        ImageFileError: An image of the table has no file.
        DataModuleError: ``context_frames`` is even or below 1; or an image has several rows, and
            the tracker takes one.
    """

    def __init__(
        self,
        table: PoseTable,
        data_dir: str | Path,
        image_size: tuple[int, int],
        *,
        instances: Literal["one", "many"] = "one",
        context_frames: int = 1,
        augmenter: Augmenter | None = None,
        seed: int = 0,
        cache_budget: int = DEFAULT_BUDGET,
        cache_folder: Path | None = None,
        processes: int = 1,
    ) -> None:
        if context_frames < 1 or context_frames % 2 == 0:
            raise DataModuleError(
                f"{context_frames} context frames have no middle one",
                remedy="use an odd number, such as 5, or 1 for no context",
            )
        self.table = table
        self.data_dir = Path(data_dir)
        self.image_size = image_size
        self.context_frames = context_frames
        self.augmenter = augmenter
        self._codes = table.codes
        self.seed = seed
        self._counts_draws = True
        self._epoch = Epoch()
        _refuse_missing(table, self.data_dir)
        places: dict[str, list[int]] = defaultdict(list)
        for row, path in enumerate(table.image_paths):
            places[path].append(row)
        self._rows = [np.array(rows) for rows in places.values()]
        if instances == "one":
            _refuse_several(table, self._rows)
        names = [context_window(self.data_dir, path, context_frames) for path in places]
        files = dict.fromkeys(name for window in names for name in window)
        unique = {name: position for position, name in enumerate(files)}
        self._windows = np.array([[unique[name] for name in window] for window in names])
        self._cache: ImageCache = open_cache(
            [image_file(self.data_dir, name) for name in unique],
            image_size,
            budget=cache_budget,
            folder=cache_folder,
            processes=processes,
        )

    def __len__(self) -> int:
        """N, the number of images."""
        return len(self._rows)

    def samples_of(self, rows: Sequence[int]) -> list[int]:
        """The images that rows of the table are on, each once, in the order of the rows."""
        samples = {row: sample for sample, rows in enumerate(self._rows) for row in rows.tolist()}
        return list(dict.fromkeys(samples[row] for row in rows))

    def set_epoch(self, epoch: int) -> None:
        """Draw new chance, in this process and in its workers.

        Args:
            epoch: The epoch, from 0.
        """
        self._epoch.number = epoch

    def without_augmentation(self) -> LabeledDataset:
        """The same images as they are; decoded images are shared with this dataset.

        An image that is drawn again, as to fill up the last batches of several processes, comes
        without its labels, so that it does not count twice.
        """
        plain = copy.copy(self)
        plain.augmenter = None
        plain._counts_draws = False
        plain._epoch = Epoch()
        return plain

    def frame_size(self, sample: int) -> tuple[int, int]:
        """(height, width) of an image as it is on disk.

        Raises:
            ImageFileError: The image or a neighbour cannot be decoded.
        """
        return self._images(sample)[1]

    def __getitem__(self, index: int) -> LabeledSample:
        """One sample; see the class for ``index``.

        Raises:
            ImageFileError: The image or a neighbour cannot be decoded.
        """
        draw, sample = divmod(index, len(self))
        rows = self._rows[sample]
        images, frame_size = self._images(sample)
        to_model = affine.resizing(frame_size, self.image_size)
        keypoints = _moved(self.table.points[rows], to_model)
        visibility = self._codes[rows].astype(np.int64)
        if self.augmenter is not None:
            rng = sample_rng(self.seed, self._epoch.number, sample, draw)
            images, keypoints, matrix, permutation = self.augmenter(images, keypoints, rng)
            to_model = affine.compose(to_model, torch.from_numpy(matrix))
            visibility = visibility if permutation is None else visibility[:, permutation]
        here = _on_image(keypoints, self.image_size)
        if draw and not self._counts_draws:
            here, visibility = np.zeros_like(here), np.zeros_like(visibility)
        lost = (visibility == Visibility.VISIBLE) & ~here
        pixels = channels_first(images)
        return {
            "images": pixels if self.context_frames > 1 else pixels[0],
            "to_frame": affine.invert(to_model).float(),
            "frame": torch.tensor(sample),
            "view": torch.tensor(0),
            "present": torch.tensor(True),
            "keypoints": torch.from_numpy(np.where(here[..., None], keypoints, np.nan)).float(),
            "visibility": torch.from_numpy(np.where(lost, self.table.missing.value, visibility)),
            "table_row": torch.from_numpy(rows),
        }

    def _images(self, sample: int) -> tuple[UInt8[ndarray, "F H W 3"], tuple[int, int]]:
        """An image with its context, not to be written to, and its size in frame px."""
        try:
            cached = [self._cache[int(position)] for position in self._windows[sample]]
        except ImageFileError as error:
            where = f"{error.where} (needed by {self.table.place(int(self._rows[sample][0]))})"
            raise ImageFileError(error.problem, where=where, remedy=error.remedy) from error
        images = [each.image for each in cached]
        frames = images[0][None] if len(images) == 1 else np.stack(images)
        return frames, cached[len(cached) // 2].frame_size


def _moved(keypoints: Float[ndarray, "R K 2"], matrix: Tensor) -> Float[ndarray, "R K 2"]:
    return affine.transform(torch.from_numpy(keypoints), matrix).numpy()


def _on_image(keypoints: Float[ndarray, "R K 2"], size: tuple[int, int]) -> Bool[ndarray, "R K"]:
    """(R, K) True where a keypoint has a position, and it is on the image.

    The image reaches half a pixel beyond the centres of its outermost pixels.
    """
    limit = np.array([size[1], size[0]]) - 0.5
    return np.all((keypoints >= -0.5) & (keypoints < limit), axis=-1)


def _refuse_several(table: PoseTable, images: Sequence[ndarray]) -> None:
    several = [rows for rows in images if len(rows) > 1]
    if several:
        first, second = several[0][:2].tolist()
        raise DataModuleError(
            f"{len(several)} of {len(images)} images have several rows, but the tracker takes one "
            f"animal per image",
            where=f"{table.place(first)}; {table.place(second)}",
            remedy="choose a tracker of several animals",
        )


def _refuse_missing(table: PoseTable, data_dir: Path) -> None:
    missing = [row for row, path in enumerate(table.image_paths) if not find_file(data_dir, path)]
    if missing:
        first = missing[0]
        raise ImageFileError(
            f"{len(missing)} of {len(table)} labelled images have no file, the first is "
            f"'{table.image_paths[first]}'",
            where=f"{table.place(first)}; looked in {data_dir}",
            remedy=f"check data_dir; {missing_image_remedy(data_dir, table.image_paths[first])}",
        )
