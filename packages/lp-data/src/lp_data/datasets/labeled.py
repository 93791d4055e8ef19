"""Labelled images with their rows of labels, with or without their neighbours in time."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple, NotRequired, TypedDict, cast

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
from lp_core.regions import Box, Region, RegionSource, WholeFrame
from lp_data.augmentation.effect import Augmenter
from lp_data.cache import DEFAULT_BUDGET, ImageCache, open_cache
from lp_data.datasets.neighbours import context_window
from lp_data.datasets.pasting import CopyPaste, lone_animals
from lp_data.datasets.samples import Epoch, channels_first, sample_rng, warped
from lp_data.errors import BoxFileError, DataModuleError, ImageFileError
from lp_data.extra_labels import weights_of
from lp_data.images import image_file, missing_image_remedy, on_image
from lp_data.regions.cutting import cutting
from lp_data.sessions.names import ViewNames


class LabeledSample(TypedDict):
    """One image and the R rows on it: what `collate` makes a `lp_core.batches.LabeledBatch` of.

    Keys:
        images: Model px; (3, H, W), or (F, 3, H, W) with context.
        to_frame: (2, 3) map from model px to frame px.
        frame: Number of the frame among those of the table; images of several cameras of one moment
            have the same.
        view: Number of the camera.
        present: False where the image only fills the place of an absent one.
        keypoints: (R, K, 2) model px, NaN where missing.
        visibility: (R, K), 0 unlabelled, 1 occluded, 2 visible and on the image.
        table_row: (R,) rows of the label table.
        weights: (R, K) how much each label counts; only where some are predictions.
        others: (N, K, 2) model px, NaN where missing; see `LabeledDataset`.
        cameras: (K, 2, 4) the calibrated camera near each keypoint, to first order; left out where
            it is not calibrated, and where images come one by one.
    """

    images: UInt8[Tensor, "3 height width"] | UInt8[Tensor, "context 3 height width"]
    to_frame: Float[Tensor, "2 3"]
    frame: int
    view: int
    present: bool
    keypoints: Float[Tensor, "rows keypoints 2"]
    visibility: Int[Tensor, "rows keypoints"]
    table_row: Int[Tensor, " rows"]
    weights: NotRequired[Float[Tensor, "rows keypoints"]]
    others: NotRequired[Float[Tensor, "others keypoints 2"]]
    cameras: NotRequired[Float[Tensor, "keypoints 2 4"]]


class Moved(NamedTuple):
    """Labels of an image that are elsewhere, and what moves the image likewise.

    Attributes:
        keypoints: (K, 2) frame px, NaN where there is no label.
        warp: (2, 3) frame px → frame px.
    """

    keypoints: Float[Tensor, "keypoints 2"]
    warp: Float[Tensor, "2 3"]

    def applied(
        self,
        images: UInt8[ndarray, "F H W 3"],
        labels: Float[ndarray, "R K 2"],
        to_model: Float[Tensor, "2 3"],
    ) -> tuple[UInt8[ndarray, "F H W 3"], Float[ndarray, "R K 2"]]:
        """Images in model px, and rows in frame px: these labels, and others of the image."""
        frames = warped(images, affine.compose(affine.invert(to_model), self.warp, to_model))
        return frames, np.concatenate([self.keypoints.numpy()[None], _moved(labels[1:], self.warp)])


_PASTING = 2  # so that what is pasted is not drawn as the image is augmented
_OF_ROWS = ("keypoints", "visibility", "table_row", "weights")


def collate(items: Sequence[LabeledSample] | Sequence[list[LabeledSample]]) -> LabeledBatch:
    """A batch of images, or of the images of frames, each with as many rows as it has."""
    samples = list(chain.from_iterable([i] if isinstance(i, dict) else i for i in items))
    images = [{key: s[key] for key in s if key not in _OF_ROWS} for s in samples]  # type: ignore[literal-required]
    of_rows = [key for key in _OF_ROWS if key in samples[0]]
    rows = {key: torch.cat([s[key] for s in samples]) for key in of_rows}  # type: ignore[literal-required]
    counts = torch.tensor([len(sample["table_row"]) for sample in samples])
    image = torch.arange(len(samples)).repeat_interleave(counts)
    batch = {**default_collate(images), **rows, "image": image}
    if "cameras" in batch:  # of the frames, which all have as many images
        batch["cameras"] = batch["cameras"].unflatten(0, (len(items), -1))
    return cast("LabeledBatch", batch)


class LabeledDataset(Dataset[LabeledSample]):
    """The images of a label table, or regions of them, at model size, and their keypoints.

    Sample ``i`` is image ``i % N``; ``i // N`` counts how often it was already drawn in this epoch,
    so that every draw is augmented afresh.

    Args:
        table: The labels, one row for each image. What a missing keypoint teaches (`missing`) is
            also what a visible one does that is not on the image, such as one that the augmenter
            moved off it: it loses its position.
        data_dir: The folder that the table's paths are relative to.
        image_size: (height, width) in model px.
        regions: On which parts of each image the tracker looks; None for the whole. Each part is an
            image of its own, with the rows of the whole; keypoints outside it are not on the image.
            A row without a position and without a region is left out.
        jitter: How far a region is moved at random along each axis where images are augmented, as a
            share of its size; the image then shows what is there, and not black. Regions are square
            to the model's image, with sides that 4 divides.
        instances: ``"one"`` for a tracker that takes one row per image, ``"many"`` for any number.
        others: Whether samples also have the keypoints of the other animals on the image, N of them
            in each sample: the most that the table has on any image.
        context_frames: How many consecutive frames a sample has, the labelled one in the middle: an
            odd number, 1 for no context. See `lp_data.datasets.neighbours`.
        views: The views of the project, where the table has rows of several cameras.
        augmenter: Augments images and keypoints at random; None for no augmentation.
        seed: The seed of the augmentation.
        cache_budget: Bytes of decoded images that may be kept in memory; more goes to disk.
        cache_folder: Where they go on disk; by default a folder in the user's cache folder.
        processes: How many processes train together; they share decoded images on disk.

    Raises:
        ImageFileError: An image of the table has no file.
        BoxFileError: The regions of an image are not known.
        DataModuleError: ``context_frames`` is even or below 1; or an image has several rows, and
            the tracker takes one.
    """

    def __init__(
        self,
        table: PoseTable,
        data_dir: str | Path,
        image_size: tuple[int, int],
        *,
        regions: RegionSource | None = None,
        jitter: float | None = None,
        instances: Literal["one", "many"] = "one",
        others: bool = False,
        context_frames: int = 1,
        views: ViewNames | None = None,
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
        self._surroundings = None if jitter is None else _Surroundings(jitter, image_size)
        self._codes = table.codes
        self._weights = weights_of(table)
        self.seed = seed
        self._counts_draws = True
        self._epoch = Epoch()
        _refuse_missing(table, self.data_dir)
        parts = _parts(table, regions or WholeFrame(), one_row=instances == "one")
        self._shows_animal = _shows_animal(table) | (instances == "one")
        self._rows = [np.array(rows, dtype=np.int64) for _, rows, _ in parts]
        self.views = views
        moments = table.image_paths if views is None else views.moments(table)
        cameras = (0,) * len(table) if views is None else views.numbers(table)
        numbers = {moment: number for number, moment in enumerate(dict.fromkeys(moments))}
        self._frames = [numbers[moments[rows[0]]] for _, rows, _ in parts]
        self._cameras = [cameras[rows[0]] for _, rows, _ in parts]
        self._others = _other_rows(table, parts) if others else None
        self.regions: tuple[Region, ...] = tuple(region for _, _, region in parts)
        boxes = [region.box for region in self.regions]
        if self._surroundings is not None:
            boxes = [self._surroundings.box(box) for box in boxes]
        self._boxes = boxes
        windows = self._context(parts, boxes)
        images = dict.fromkeys(image for window in windows for image in window)
        unique = {image: position for position, image in enumerate(images)}
        self._windows = np.array([[unique[image] for image in window] for window in windows])
        self._cache: ImageCache = open_cache(
            [image_file(self.data_dir, name) for name, _ in unique],
            self._read_size,
            budget=cache_budget,
            folder=cache_folder,
            processes=processes,
            boxes=None if regions is None else [box for _, box in unique],
        )
        self._pasting: CopyPaste | None = None

    def _context(
        self, parts: list[tuple[str, list[int], Region]], boxes: list[Box | None]
    ) -> list[list[tuple[str, Box | None]]]:
        """The images of each window, with the box that they are cut to."""
        return [
            [(name, box) for name in context_window(self.data_dir, path, self.context_frames)]
            for (path, _, _), box in zip(parts, boxes, strict=True)
        ]

    @property
    def calibrated(self) -> bool:
        """Whether its batches have the cameras of each frame."""
        return False

    @property
    def _read_size(self) -> tuple[int, int]:
        """(height, width) of the cached images."""
        return self._surroundings.size if self._surroundings else self.image_size

    def __len__(self) -> int:
        """N, the number of images: as many as regions, or files without regions."""
        return len(self._rows)

    def samples_of(self, rows: Sequence[int]) -> list[int]:
        """The images that rows of the table are on, each once, in the order of the rows."""
        samples: dict[int, list[int]] = defaultdict(list)
        for sample, on_it in enumerate(self._rows):
            for row in on_it.tolist():
                samples[row].append(sample)
        return list(dict.fromkeys(sample for row in rows for sample in samples[row]))

    def set_epoch(self, epoch: int) -> None:
        """Augment by another epoch, counted from 0, in this process and in its workers."""
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

    def paste_animals(self, probability: float, samples: Sequence[int]) -> None:
        """Put animals of some samples into contact with those of others, where they are augmented.

        See `lp_data.datasets.pasting`. Whole images, images with context, and those of a project
        with one animal stay as they are.

        Args:
            probability: How often an image gets another animal.
            samples: Those that animals are cut out of: of the training images, not of others.
        """
        if self._surroundings is None or self.context_frames > 1:
            return
        if not probability or self.table.individual is None:
            return
        images = dict(self.table.by_frame())
        poses, others = [], []
        for sample, rows in enumerate(self._rows):
            to_model = cutting((0, 0), self._boxes[sample], self._read_size)
            beside = np.setdiff1d(images[self.table.frame[rows[0]]], rows)
            poses.append(_moved(self.table.points[rows[:1]], to_model))
            others.append(_moved(self.table.points[beside], to_model))
        usable = np.isin(np.arange(len(poses)), samples)
        alone = lone_animals(np.concatenate(poses), others) & usable
        self._pasting = CopyPaste(probability, np.concatenate(poses), alone, self._image)

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
        return self._sample(*divmod(index, len(self)))

    def _sample(self, draw: int, sample: int, moved: Moved | None = None) -> LabeledSample:
        """An image, or one moved; ``draw`` counts how often it was already drawn in this epoch."""
        rows = self._rows[sample]
        rows = rows[self._shows_animal[rows]]
        others = rows[:0] if self._others is None else self._others[sample]
        images, frame_size = self._images(sample)
        to_model = cutting(frame_size, self._boxes[sample], self._read_size)
        labels = self.table.points[np.concatenate([rows, others])]
        if moved is not None:
            images, labels = moved.applied(images, labels, to_model)
        keypoints = _moved(labels, to_model)
        visibility = self._codes[rows].astype(np.int64)
        weights = np.ones(visibility.shape) if self._weights is None else self._weights[rows]
        rng = None
        if self._pasting is not None and self.augmenter is not None:
            pasting = sample_rng(self.seed, self._epoch.number, sample, draw, _PASTING)
            if pasted := self._pasting(sample, images[0], keypoints[0], pasting):
                images, keypoints, visibility = pasted.applied(keypoints, visibility)
        if self.augmenter is not None:
            rng = sample_rng(self.seed, self._epoch.number, sample, draw)
            images, keypoints, matrix, permutation = self.augmenter(images, keypoints, rng)
            to_model = affine.compose(to_model, torch.from_numpy(matrix))
            if permutation is not None:
                visibility, weights = visibility[:, permutation], weights[:, permutation]
        if self._surroundings is not None:
            images, cut = self._surroundings.cut(images, rng)
            keypoints = _moved(keypoints, cut)
            to_model = affine.compose(to_model, cut)
        here = on_image(keypoints, self.image_size)
        seen = torch.from_numpy(np.where(here[..., None], keypoints, np.nan)).float()
        own, beside = seen.tensor_split([len(rows)])
        here = here[: len(rows)]
        if draw and not self._counts_draws:
            own, visibility = torch.full_like(own, torch.nan), np.zeros_like(visibility)
        lost = (visibility == Visibility.VISIBLE) & ~here
        pixels = channels_first(images)
        found: LabeledSample = {
            "images": pixels if self.context_frames > 1 else pixels[0],
            "to_frame": affine.invert(to_model).float(),
            "frame": self._frames[sample],
            "view": self._cameras[sample],
            "present": True,
            "keypoints": own,
            "visibility": torch.from_numpy(np.where(lost, self.table.missing.value, visibility)),
            "table_row": torch.from_numpy(rows),
        }
        if self._weights is not None:
            found["weights"] = torch.from_numpy(weights).float()
        if self._others is not None:
            most = max(map(len, self._others)) + (self._pasting is not None)
            found["others"] = torch.full((most, *own.shape[1:]), torch.nan)
            found["others"][: len(beside)] = beside
        return found

    def _image(self, sample: int) -> UInt8[ndarray, "H W 3"]:
        """An image without context."""
        image: UInt8[ndarray, "H W 3"] = self._images(sample)[0][0]
        return image

    def _images(self, sample: int) -> tuple[UInt8[ndarray, "F H W 3"], tuple[int, int]]:
        """An image with its context, not to be written to, and its size in frame px."""
        try:
            cached = [self._cache[int(position)] for position in self._windows[sample]]
        except (ImageFileError, BoxFileError) as error:
            where = f"{error.where} (needed by {self.table.place(int(self._rows[sample][0]))})"
            raise type(error)(error.problem, where=where, remedy=error.remedy) from error
        images = [each.image for each in cached]
        frames = images[0][None] if len(images) == 1 else np.stack(images)
        return frames, cached[len(cached) // 2].frame_size


@dataclass(frozen=True)
class _Surroundings:
    """What is around a region: a quarter of its size on each side, seen where the region moves.

    Attributes:
        jitter: How far it moves at most along each axis, as a share of its size.
        image_size: (height, width) in model px of the region.
    """

    jitter: float
    image_size: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in model px of the region with its surroundings."""
        height, width = self.image_size
        return height + 2 * (height // 4), width + 2 * (width // 4)

    def box(self, box: Box | None) -> Box:
        """The region with its surroundings, in frame px."""
        assert box is not None  # whole frames have none
        across, down = box.width // 4, box.height // 4
        return Box(box.x - across, box.y - down, box.width + 2 * across, box.height + 2 * down)

    def cut(
        self, images: UInt8[ndarray, "F H W 3"], rng: np.random.Generator | None
    ) -> tuple[UInt8[ndarray, "F h w 3"], Float[Tensor, "2 3"]]:
        """The region, moved at random if there is a generator, and the map to it in model px."""
        height, width = self.image_size
        x, y = width // 4, height // 4
        if rng is not None:
            reach = [min(round(self.jitter * side), side // 4) for side in (width, height)]
            x, y = (
                int(start + rng.integers(-most, most + 1))
                for start, most in zip((x, y), reach, strict=True)
            )
        return images[:, y : y + height, x : x + width], affine.cropping(float(x), float(y))


def _shows_animal(table: PoseTable) -> Bool[ndarray, " rows"]:
    """A frame without any animal has one row, without a name and without a position."""
    names = table.individual or (None,) * len(table)
    named = np.array([name is not None for name in names], dtype=bool)
    shown: Bool[ndarray, " rows"] = table.has_position.any(axis=1) | named
    return shown


def _moved(keypoints: Float[ndarray, "R K 2"], matrix: Tensor) -> Float[ndarray, "R K 2"]:
    return affine.transform(torch.from_numpy(keypoints), matrix).numpy()


def _parts(
    table: PoseTable, source: RegionSource, *, one_row: bool
) -> list[tuple[str, list[int], Region]]:
    """Each part of each image: the path, the rows on it, and which part."""
    names = table.individual or (None,) * len(table)
    places: dict[str, list[int]] = defaultdict(list)
    for row, path in enumerate(table.image_paths):
        places[path].append(row)
    parts, seen = [], set()
    for path, rows in places.items():
        for region in source.regions(path):
            wanted = (None, region.individual)
            on_it = [row for row in rows if region.individual is None or names[row] in wanted]
            if one_row and len(on_it) > 1:
                raise _several_animals(table, on_it)
            if on_it:
                parts.append((path, on_it, region))
                seen.update(on_it)
    known = np.asarray(table.has_position.any(axis=1))
    lost = next((row for row in range(len(table)) if known[row] and row not in seen), None)
    if lost is not None:
        raise BoxFileError(
            f"there is no box for the individual '{names[lost]}' of '{table.image_paths[lost]}'",
            where=table.place(lost),
            remedy="give it a row with its name in data.bbox_file, or remove its labels",
        )
    return parts


def _other_rows(
    table: PoseTable, parts: Sequence[tuple[str, list[int], Region]]
) -> list[Int[ndarray, " _others"]]:
    """For each part of an image, the rows of the image that are not on it."""
    places = dict(table.by_frame())
    return [np.setdiff1d(places[path], own) for path, own, _ in parts]


def _several_animals(table: PoseTable, rows: Sequence[int]) -> DataModuleError:
    return DataModuleError(
        f"the image '{table.image_paths[rows[0]]}' has {len(rows)} animals, but the tracker takes "
        "one per image",
        where="; ".join(table.place(row) for row in rows[:2]),
        remedy="set data.bbox_file to boxes with a column 'individual', one for each animal",
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
