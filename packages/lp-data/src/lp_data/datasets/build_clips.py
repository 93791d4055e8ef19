"""From what a config says of unlabelled clips to their dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from lp_core.poses import Skeleton
from lp_data.augmentation.build import build_augmenter
from lp_data.datasets.clips import ClipDataset
from lp_data.errors import BoxFileError
from lp_data.regions import Boxes
from lp_data.video.open import open_video

AUGMENTATION = "clip"
"""The preset for clips."""


def build_clips(
    videos: Sequence[str | Path],
    num_frames: int,
    image_size: tuple[int, int],
    *,
    reader: str = "auto",
    seed: int = 0,
    boxes: Callable[[Path], Boxes] | None = None,
) -> ClipDataset:
    """Augmented clips for semi-supervised training, through the reader that was asked for.

    Which clips they are depends on the videos, the seed and the epoch, not on the reader.

    Args:
        videos: Video files.
        num_frames: T, how many frames a clip has.
        image_size: (height, width) in model px.
        reader: A registered video reader, or ``auto``. With ``dali``, DALI also augments, and the
            frames that it cannot decode here are decoded by PyAV and handed to it.
        seed: The seed of the choice and of the augmentation.
        boxes: For each video the boxes of its frames; None for whole frames.

    Raises:
        BoxFileError: DALI, which cannot cut frames to boxes, is to read the videos.
        VideoError: A video cannot be opened, or not with that reader; or all are shorter than a
            clip.
        UnknownNameError: No reader is registered under that name.
    """
    if reader == "dali" and boxes is not None:
        raise BoxFileError("DALI does not cut frames to boxes", remedy="set dali.reader to auto")
    if reader == "dali":
        from lp_data.video.dali_clips import dali_clips

        return dali_clips(videos, num_frames, image_size, seed=seed)
    return ClipDataset(
        videos,
        num_frames,
        image_size,
        augmenter=build_augmenter(AUGMENTATION, Skeleton(())),
        seed=seed,
        open_video=partial(open_video, reader=reader, resize_to=None if boxes else image_size),
        boxes=boxes,
    )
