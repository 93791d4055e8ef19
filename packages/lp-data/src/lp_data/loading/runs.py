"""Runs of frames with the context of each, and items that a thread makes ahead of their use."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from lp_core.video import Frames, VideoSource

T = TypeVar("T")


def video_runs(source: VideoSource, size: int, margin: int, start: int = 0) -> Iterator[Frames]:
    """`with_context` of the frames of a video, ``size`` at a time.

    Args:
        source: The video.
        size: Frames of a chunk.
        margin: Frames of context on each side.
        start: The first frame that is predicted; where it is not 0, the run begins with all of its
            context, and the chunks begin ``margin`` frames later.
    """
    first = start + margin if start else 0
    before = _frames_before(source, first, 2 * margin) if start and margin else None
    starts = range(first, len(source), size)
    chunks = (source.read(at, min(at + size, len(source))) for at in starts)
    return with_context(chunks, margin, before)


def _frames_before(source: VideoSource, end: int, number: int) -> Frames:
    """The ``number`` frames before frame ``end``; the first one stands for those before it."""
    frames = source.read(max(0, end - number), end)
    missing = number - len(frames)
    return np.concatenate([np.repeat(frames[:1], missing, axis=0), frames]) if missing else frames


def with_context(
    chunks: Iterable[Frames], margin: int, before: Frames | None = None
) -> Iterator[Frames]:
    """Runs of consecutive frames that overlap, so that each frame has its context in one run.

    Args:
        chunks: Consecutive frames, some at a time.
        margin: Frames of context on each side.
        before: The 2·margin frames before the first; None at the beginning of a stream.

    Yields:
        Runs of frames; the first and the last frame of the stream are repeated as their own missing
        context. A run of n + 2·margin frames predicts n frames.
    """
    if margin == 0:
        yield from chunks
        return
    kept = before
    for chunk in chunks:
        if kept is None:
            kept = np.repeat(chunk[:1], margin, axis=0)
        run = np.concatenate([kept, chunk])
        if len(run) > 2 * margin:
            yield run
            kept = run[-2 * margin :]
        else:
            kept = run
    if kept is not None:
        yield np.concatenate([kept, np.repeat(kept[-1:], margin, axis=0)])


def seam(rows: int, frames: int, chunk: int, margin: int) -> int:
    """Where to go on with a video of which some rows were predicted already.

    The frames then go through a network in the same company as if it had not been interrupted,
    since the last bits of a number may depend on it.

    Args:
        rows: How many were.
        frames: Of the video.
        chunk: Frames at once.
        margin: Frames of context on each side.

    Returns:
        A frame from 0 to ``rows``, to give to `video_runs`.
    """
    chunks = min(rows + margin, frames) // chunk
    return max(0, chunks * chunk - margin)


class _End:
    """The iterable has ended."""


def prefetch(
    items: Iterable[T], ahead: int = 2, begin: Callable[[], None] | None = None
) -> Iterator[T]:
    """The items in their order, made by a thread at most ``ahead`` items before they are used.

    The thread calls ``begin`` first. If the user of the items stops early, it stops after the item
    that it is making.
    """
    iterator = iter(items)
    pool = ThreadPoolExecutor(1, "prefetch", begin)
    try:
        ready = deque(pool.submit(next, iterator, _End()) for _ in range(ahead))
        while not isinstance(item := ready.popleft().result(), _End):
            ready.append(pool.submit(next, iterator, _End()))
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
