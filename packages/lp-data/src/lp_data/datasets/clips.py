"""Clips of consecutive frames of unlabelled videos."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, cast

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.utils.data import Dataset

from lp_core.batches import UnlabeledBatch
from lp_core.geometry import affine
from lp_core.poses import Skeleton
from lp_core.regions import Box
from lp_core.video import VideoSource
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.effect import Augmenter
from lp_data.datasets.samples import Epoch, channels_first, sample_rng
from lp_data.errors import BoxFileError, VideoError
from lp_data.images import resize
from lp_data.regions import Boxes, CutVideo, cutting
from lp_data.sessions.manifest import SessionManifest
from lp_data.sessions.view_set import ranges_of_views, shared_frames, tell_lengths
from lp_data.video.indexed import IndexedSource
from lp_data.video.open import open_video as open_any_video

_log = logging.getLogger(__name__)

VideoOpener = Callable[[Path], VideoSource]

_MOST_OPEN = 8


class KnownVideo(NamedTuple):
    """A video whose frames have been counted.

    ``reopen`` opens it without looking through it again; it is small and can be sent to workers.
    """

    path: Path
    length: int
    reopen: Callable[[], VideoSource]


def look_through(path: Path, open_video: VideoOpener) -> KnownVideo:
    """Open a video, learn what it takes to open it again, and close it.

    Raises:
        VideoError: It cannot be opened.
    """
    with open_video(path) as source:
        reopen: Callable[[], VideoSource] = partial(open_video, path)
        if isinstance(source, IndexedSource):
            reopen = source.reopening()
        return KnownVideo(path, len(source), reopen)


class BoxRun(NamedTuple):
    """Boxes of consecutive frames of a video, which follow one animal.

    Attributes:
        first: The number of the first frame.
        boxes: One for each frame.
    """

    first: int
    boxes: Sequence[Box | None]


class InStep(NamedTuple):
    """Which videos are of one session, and so give clips of several cameras.

    Attributes:
        manifest: The sessions; its videos are those of the dataset, in their order.
        jointly: Whether clips have all views of the project, black ones where one is absent.
    """

    manifest: SessionManifest
    jointly: bool = False


class _Track(NamedTuple):
    """One video of a part: its number, where it is cut, its camera, and how much later it is."""

    video: int
    run: BoxRun | None = None
    view: int = 0
    offset: int = 0


class _Part(NamedTuple):
    """Where clips are drawn from: tracks in step, the first frame, and how many clips begin."""

    tracks: tuple[_Track, ...]
    first: int
    starts: int


class ClipDataset(Dataset[UnlabeledBatch]):
    """Clips of T consecutive frames of random videos, or of the videos of a session in step.

    Every clip of every video is as probable as any other, so longer videos come more often. Clips
    of a session are drawn from the frames that all its videos have; each camera is augmented by
    itself. Clip
    ``i`` of an epoch depends on the seed, the epoch and ``i``, and on nothing else; any ``i`` from
    0 on is a clip.

    Each video is looked through once, when the dataset is made. What was found is sent to worker
    processes with the dataset; they open the videos that they need, a few at a time.

    Args:
        videos: Video files.
        num_frames: T, how many frames a clip has.
        image_size: (height, width) in model px.
        augmenter: Applies one random change to all frames of a clip; None for no augmentation.
            Its geometry must be affine, or ``to_frame`` undoes only the affine part.
        seed: The seed of the choice and of the augmentation.
        open_video: What opens a file; by default `lp_data.video` chooses the reader.
        runs: For each video the parts of it that clips are drawn from, cut to the boxes of one
            individual and view, whose frames come at their own size from ``open_video``; None for
            whole frames. Of sessions, each video has one.
        in_step: Which videos are of one session; None where each is by itself.
        in_workers: Whether worker processes may load the clips; not where that takes a GPU, which a
            forked process cannot use. A thread loads them then.

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
        runs: Callable[[KnownVideo], Sequence[BoxRun]] | None = None,
        in_step: InStep | None = None,
        in_workers: bool = True,
    ) -> None:
        self.num_frames = num_frames
        self.image_size = image_size
        self.augmenter = augmenter
        self.seed = seed
        self.in_workers = in_workers
        self._epoch = Epoch()
        opener = open_video or partial(open_any_video, resize_to=image_size)
        known = [look_through(Path(video), opener) for video in videos]
        self._sources: OrderedDict[int, VideoSource] = OrderedDict()  # those open, the last last
        self._views = in_step.manifest.views if in_step and in_step.jointly else ()
        cameras = len(in_step.manifest.views) if in_step else 1
        self._most_open = max(_MOST_OPEN, cameras)  # all those of a session at once
        if in_step is None:
            known = self._long_enough(known)
            self._parts = self._parts_of_videos(known, runs)
        else:
            self._parts = self._parts_of_sessions(known, runs, in_step.manifest)
        self._known = known
        if not self._parts:
            raise VideoError(
                f"no animal was followed for {num_frames} frames, the length of a clip, in the "
                "unlabelled videos",
                remedy="label more frames, or set model.losses_to_use to []",
            )
        self._ends = np.cumsum([part.starts for part in self._parts])

    def _parts_of_videos(
        self,
        known: Sequence[KnownVideo],
        runs: Callable[[KnownVideo], Sequence[BoxRun]] | None,
    ) -> list[_Part]:
        """Each run of each video by itself."""
        parts = [
            _Part(
                (_Track(number, run),),
                run.first if run else 0,
                (video.length if run is None else len(run.boxes)) - self.num_frames + 1,
            )
            for number, video in enumerate(known)
            for run in (runs(video) if runs else [None])
        ]
        return [part for part in parts if part.starts > 0]

    def _parts_of_sessions(
        self,
        known: Sequence[KnownVideo],
        runs: Callable[[KnownVideo], Sequence[BoxRun]] | None,
        manifest: SessionManifest,
    ) -> list[_Part]:
        """The frames of each session that all its videos have."""
        number = {video: place for place, video in enumerate(manifest.videos)}
        parts = []
        for session, videos in manifest.sessions.items():
            lengths = {video.view: known[number[video]].length for video in videos}
            if told := tell_lengths(videos, lengths):
                _log.warning("%s", told)
            shared = shared_frames(ranges_of_views(videos, lengths))
            if len(shared) < self.num_frames:
                said = "the session '%s' is left out of training: its videos share %d frames"
                _log.warning(f"{said}, a clip has %d", session, len(shared), self.num_frames)
                continue
            tracks = tuple(
                _Track(
                    number[video],
                    _only_run(known[number[video]], runs),
                    manifest.views.index(video.view),
                    video.offset,
                )
                for video in videos
            )
            parts.append(_Part(tracks, shared.start, len(shared) - self.num_frames + 1))
        if not parts:
            raise VideoError(
                f"no session has videos of {self.num_frames} frames, the length of a clip",
                where=", ".join(str(video.path) for video in known[:3]),
                remedy="use longer videos, or a smaller dali.*.train.sequence_length",
            )
        return parts

    @property
    def videos(self) -> list[Path]:
        """The videos that clips are drawn from."""
        return [video.path for video in self._known]

    def __len__(self) -> int:
        """How many different clips the videos have."""
        return int(self._ends[-1])

    def set_epoch(self, epoch: int) -> None:
        """Draw the clips of another epoch, counted from 0, in this process and in its workers."""
        self._epoch.number = epoch

    def close_videos(self) -> None:
        """Close what is open in this process; it is opened again when clips are asked for.

        A forked process would inherit decoders without the threads that they wait for.
        """
        while self._sources:
            self._sources.popitem()[1].close()

    def _source(self, number: int) -> VideoSource:
        """The open video of that number, of which the last few stay open."""
        if number not in self._sources:
            while len(self._sources) >= self._most_open:
                self._sources.popitem(last=False)[1].close()
            self._sources[number] = self._known[number].reopen()
        self._sources.move_to_end(number)
        return self._sources[number]

    def __getitem__(self, index: int) -> UnlabeledBatch:
        """One clip.

        Raises:
            VideoError: A frame cannot be decoded.
        """
        rng = sample_rng(self.seed, self._epoch.number, index)
        clip = int(rng.integers(len(self)))
        place = int(np.searchsorted(self._ends, clip, side="right"))
        part = self._parts[place]
        start = part.first + clip - (int(self._ends[place - 1]) if place else 0)
        clips = [self._run(track, start, rng) for track in part.tracks]
        if self._views:
            clips = _of_all_views(clips, len(self._views))
        return clips[0] if len(clips) == 1 else _in_step(clips)

    def _run(self, track: _Track, start: int, rng: np.random.Generator) -> UnlabeledBatch:
        """The frames of one camera, whose session has the number ``start`` for the first."""
        frames, to_model = self._load(track.video, track.run, start + track.offset, rng)
        to_frame = affine.invert(to_model).float().expand(self.num_frames, 2, 3)
        return {
            "frames": frames,
            "to_frame": to_frame.contiguous(),
            "frame": torch.arange(start, start + self.num_frames),
            "view": torch.full((self.num_frames,), track.view, dtype=torch.long),
        }

    def _load(
        self,
        video: int,
        run: BoxRun | None,
        start: int,
        rng: np.random.Generator,
    ) -> tuple[UInt8[Tensor, "frames 3 height width"], Float[Tensor, "*frames 2 3"]]:
        """Augmented frames in model px, and the map from frame px to there, or one for each."""
        source, stop = self._source(video), start + self.num_frames
        if run is None:
            frames = source.read(start, stop)
            to_model = affine.resizing(source.size, self.image_size)
        else:
            boxes = run.boxes[start - run.first : stop - run.first]
            cuts = dict(zip(range(start, stop), boxes, strict=True))
            frames = CutVideo(source, cuts, self.image_size).read(start, stop)
            maps = [cutting(source.size, box, self.image_size) for box in boxes]
            to_model = torch.stack(maps)
        if frames.shape[1:3] != self.image_size:  # a reader that does not resize
            frames = np.stack([resize(frame, self.image_size) for frame in frames])
        if self.augmenter is not None:
            frames, _, matrix, _ = self.augmenter(frames, np.empty((0, 2)), rng)
            to_model = affine.compose(to_model, torch.from_numpy(matrix))
        return channels_first(frames), to_model

    def _long_enough(self, videos: list[KnownVideo]) -> list[KnownVideo]:
        """The videos that hold a clip."""
        if not videos:
            raise VideoError(
                "there is no video to learn from without labels",
                remedy="set data.video_dir to a folder with videos, or model.losses_to_use to []",
            )
        short = [video for video in videos if video.length < self.num_frames]
        if len(short) == len(videos):
            raise VideoError(
                f"no video is as long as a clip of {self.num_frames} frames; the longest has "
                f"{max(video.length for video in videos)}",
                where=", ".join(str(video.path) for video in short[:3]),
                remedy="use longer videos, or a smaller dali.*.train.sequence_length",
            )
        for video in short:
            said = "%s is left out of training: it has %d frames, a clip has %d"
            _log.warning(said, video.path, video.length, self.num_frames)
        return [video for video in videos if video.length >= self.num_frames]


def _only_run(
    video: KnownVideo, runs: Callable[[KnownVideo], Sequence[BoxRun]] | None
) -> BoxRun | None:
    """Where a video of a session is cut; None for whole frames.

    Raises:
        BoxFileError: It has several runs.
    """
    if runs is None:
        return None
    found = runs(video)
    if len(found) != 1 or len(found[0].boxes) != video.length:
        raise BoxFileError(
            f"a video of several cameras has one box in each frame, here are {len(found)}",
            where=video.path,
        )
    return found[0]


def _of_all_views(clips: Sequence[UnlabeledBatch], views: int) -> list[UnlabeledBatch]:
    """The runs of all cameras in their order, black ones for those that are absent."""
    found = {int(clip["view"][0]): clip for clip in clips}
    like, runs = clips[0], []
    for view in range(views):
        present = torch.full_like(like["frame"], view in found, dtype=torch.bool)
        absent: UnlabeledBatch = {
            "frames": torch.zeros_like(like["frames"]),
            "to_frame": torch.eye(3)[:2].repeat(len(like["frame"]), 1, 1),
            "frame": like["frame"],
            "view": torch.full_like(like["view"], view),
        }
        runs.append({**found.get(view, absent), "present": present})
    return cast("list[UnlabeledBatch]", runs)


def _in_step(clips: Sequence[UnlabeledBatch]) -> UnlabeledBatch:
    """The runs of several cameras as one clip, in which the images of a frame are neighbours."""
    joined = {
        key: torch.stack([clip[key] for clip in clips], dim=1).flatten(0, 1)  # type: ignore[literal-required]
        for key in clips[0]
    }
    return cast("UnlabeledBatch", {**joined, "views": len(clips)})


def whole_runs(boxes: Boxes, video: KnownVideo) -> list[BoxRun]:
    """The boxes of all frames of a video, one run for each individual and view.

    Raises:
        BoxFileError: The boxes are not those of the video.
    """
    tracks = boxes.of_video(video.length)
    return [BoxRun(0, [region.box for region in track]) for track in tracks]


def build_clips(
    videos: Sequence[str | Path],
    num_frames: int,
    image_size: tuple[int, int],
    *,
    reader: str = "auto",
    seed: int = 0,
    runs: Callable[[KnownVideo], Sequence[BoxRun]] | None = None,
    in_step: InStep | None = None,
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
        runs: For each video the parts of it that clips are drawn from; None for whole frames.
        in_step: Which videos are of one session; None where each is by itself.

    Raises:
        BoxFileError: DALI, which cannot cut frames to boxes, is to read the videos.
        VideoError: A video cannot be opened, or not with that reader; or all are shorter than a
            clip.
        UnknownNameError: No reader is registered under that name.
    """
    if reader == "dali" and runs is not None:
        raise BoxFileError("DALI does not cut frames to boxes", remedy="set dali.reader to auto")
    if reader == "dali":
        from lp_data.video.dali_clips import DALIClips

        return DALIClips(videos, num_frames, image_size, seed=seed, in_step=in_step)
    return ClipDataset(
        videos,
        num_frames,
        image_size,
        augmenter=build_augmenter("clip", Skeleton(())),
        seed=seed,
        open_video=partial(open_any_video, reader=reader, resize_to=None if runs else image_size),
        runs=runs,
        in_step=in_step,
    )
