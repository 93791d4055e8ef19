"""Clips of consecutive frames of unlabelled videos."""

from __future__ import annotations

import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from lp_core.batches import UnlabeledBatch
from lp_core.geometry import affine
from lp_core.video import VideoSource
from lp_data.augmentation.protocol import Augmenter
from lp_data.datasets.pixels import channels_first
from lp_data.datasets.randomness import Epoch, sample_rng
from lp_data.errors import VideoError
from lp_data.images import resize

_log = logging.getLogger(__name__)
_MOST_OPEN = 8

VideoOpener = Callable[[Path], VideoSource]


class ClipDataset(Dataset[UnlabeledBatch]):
    """Clips of T consecutive frames of random videos, at model size.

    Every clip of every video is as probable as any other, so longer videos come more often. Clip
    ``i`` of an epoch depends on the seed, the epoch and ``i``, and on nothing else; any ``i`` from
    0 on is a clip.

    Args:
        videos: Video files.
        num_frames: T, how many frames a clip has.
        image_size: (height, width) in model px.
        augmenter: What changes all frames of a clip alike by chance; None for nothing. Its geometry
            must be affine, or ``to_frame`` undoes only the affine part.
        seed: The seed of the choice and of the augmentation.
        open_video: What opens a file; by default `lp_data.video` chooses the reader.
        in_workers: Whether worker processes may load the clips; not where that takes a GPU, which a
            forked process cannot use.

    Raises:
        VideoError: There is no video, one cannot be opened, or all are shorter than a clip. A video
            that is too short beside others is left out, with a warning.
    """

    def __init__(
        self,
        videos: Sequence[str | Path],
        num_frames: int,
        image_size: tuple[int, int],
        *,
        augmenter: Augmenter | None = None,
        seed: int = 0,
        open_video: VideoOpener | None = None,
        in_workers: bool = True,
    ) -> None:
        self.num_frames = num_frames
        self.image_size = image_size
        self.augmenter = augmenter
        self.seed = seed
        self.in_workers = in_workers
        self._open_video = open_video
        self._epoch = Epoch()
        self._opened: OrderedDict[Path, VideoSource] = OrderedDict()
        self._opened_by = os.getpid()
        self._inherited: list[object] = []
        self.videos, starts = self._long_enough([Path(video) for video in videos])
        self._ends = np.cumsum(starts)

    def __getstate__(self) -> dict[str, Any]:
        """All but the open videos: every process opens its own."""
        return {**self.__dict__, "_opened": OrderedDict(), "_inherited": []}

    def __len__(self) -> int:
        """How many different clips the videos have."""
        return int(self._ends[-1])

    def set_epoch(self, epoch: int) -> None:
        """Draw other clips, in this process and in its workers.

        Args:
            epoch: The epoch, from 0.
        """
        self._epoch.number = epoch

    def __getitem__(self, index: int) -> UnlabeledBatch:
        """One clip.

        Raises:
            VideoError: A frame cannot be decoded.
        """
        rng = sample_rng(self.seed, self._epoch.number, index)
        clip = int(rng.integers(len(self)))
        video = int(np.searchsorted(self._ends, clip, side="right"))
        start = clip - (int(self._ends[video - 1]) if video else 0)
        source = self._source(self.videos[video])
        frames = source.read(start, start + self.num_frames)
        if frames.shape[1:3] != self.image_size:  # a reader that does not resize
            frames = np.stack([resize(frame, self.image_size) for frame in frames])
        to_model = affine.resizing(source.size, self.image_size)
        if self.augmenter is not None:
            frames, _, matrix, _ = self.augmenter(frames, np.empty((0, 2)), rng)
            to_model = affine.compose(to_model, torch.from_numpy(matrix))
        to_frame = affine.invert(to_model).float().expand(self.num_frames, 2, 3)
        return {
            "frames": channels_first(frames),
            "to_frame": to_frame.contiguous(),
        }

    def _long_enough(self, videos: list[Path]) -> tuple[list[Path], list[int]]:
        """The videos that hold a clip, and how many starts each has."""
        if not videos:
            raise VideoError(
                "there is no video to learn from without labels",
                remedy="set data.video_dir to a folder with videos, or model.losses_to_use to []",
            )
        lengths = {video: len(self._source(video)) for video in videos}
        short = [video for video, length in lengths.items() if length < self.num_frames]
        if len(short) == len(lengths):
            raise VideoError(
                f"no video is as long as a clip of {self.num_frames} frames; the longest has "
                f"{max(lengths.values())}",
                where=", ".join(str(video) for video in short[:3]),
                remedy="use longer videos, or a smaller dali.*.train.sequence_length",
            )
        for video in short:
            _log.warning(
                "%s is left out of training: it has %d frames, a clip has %d",
                video,
                lengths.pop(video),
                self.num_frames,
            )
        starts = [length - self.num_frames + 1 for length in lengths.values()]
        return list(lengths), starts

    def _source(self, video: Path) -> VideoSource:
        """The open video; each process has its own, and only so many at a time.

        Those that a forked worker inherits are kept as they are: to close one would be to wait for
        threads of the decoder, which only its own process has.
        """
        process = os.getpid()
        if self._opened_by != process:
            self._inherited.append(self._opened)
            self._opened, self._opened_by = OrderedDict(), process
        if video not in self._opened:
            if len(self._opened) >= _MOST_OPEN:
                self._opened.popitem(last=False)[1].close()
            self._opened[video] = self._open(video)
        self._opened.move_to_end(video)
        return self._opened[video]

    def _open(self, video: Path) -> VideoSource:
        if self._open_video is not None:
            return self._open_video(video)
        from lp_data.video.open import open_video

        return open_video(video, resize_to=self.image_size)
