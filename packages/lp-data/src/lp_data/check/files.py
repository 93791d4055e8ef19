"""Check that labelled images and videos can be decoded, and that no two images are the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from lp_core.poses import PoseTable
from lp_data.check.report import Problem, VideoSummary
from lp_data.errors import ImageFileError, VideoError
from lp_data.images import image_file, missing_image_remedy, read_image
from lp_data.video.container import open_container
from lp_data.video.listing import FolderListing, find_videos
from lp_data.video.open import open_video


class _Seen(NamedTuple):
    """What reading one image gave: its size and a digest of its pixels, or an error."""

    size: tuple[int, int] | None
    digest: bytes
    error: ImageFileError | None = None


def check_images(
    table: PoseTable, data_dir: Path
) -> tuple[list[tuple[int, int] | None], list[Problem]]:
    """Decode every image of ``table``, whose paths are relative to ``data_dir``.

    Returns:
        For each row (height, width) in frame px, or None where the image cannot be read; and what
        is wrong.
    """
    first = {path: row for row, path in reversed([*enumerate(table.image_paths)])}
    images = list(dict.fromkeys(table.image_paths))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        seen = list(pool.map(_look, [image_file(data_dir, path) for path in images]))
    problems = [
        Problem(
            "error",
            each.error.problem,
            f"{each.error.where} (needed by {table.place(first[path])})",
            each.error.remedy or missing_image_remedy(data_dir, path),
        )
        for path, each in zip(images, seen, strict=True)
        if each.error is not None
    ]
    sizes = {path: each.size for path, each in zip(images, seen, strict=True)}
    one_each = table.rows([first[path] for path in images])
    return [sizes[path] for path in table.image_paths], problems + _same_pictures(one_each, seen)


def _look(path: Path) -> _Seen:
    try:
        image = read_image(path)
    except ImageFileError as error:
        return _Seen(None, b"", error)
    digest = hashlib.blake2b(image.tobytes(), digest_size=16).digest()
    return _Seen((image.shape[0], image.shape[1]), digest)


def _same_pictures(table: PoseTable, seen: Sequence[_Seen]) -> list[Problem]:
    """Rows whose images have the same pixels: one of them may train and the other test."""
    first: dict[tuple[object, bytes], int] = {}
    problems = []
    for row, each in enumerate(seen):
        earlier = first.setdefault((each.size, each.digest), row)
        if earlier != row and each.error is None:
            problem = f"'{table.image_paths[row]}' and '{table.image_paths[earlier]}' are the same"
            where = f"{table.place(earlier)}; {table.place(row)}"
            remedy = "keep one of the rows, or a test frame may also be a training frame"
            problems.append(Problem("warning", f"{problem} picture", where, remedy))
    return problems


def check_videos(video_dir: Path) -> tuple[list[VideoSummary], str, list[Problem]]:
    """Open every video of a folder, counting its frames.

    Returns:
        The videos that can be opened; the names of what else is in the folder; and what is wrong.
    """
    if not video_dir.is_dir():
        remedy = "set data.video_dir; training with labels only does not need it"
        problem = Problem("warning", "there is no folder of videos", str(video_dir), remedy)
        return [], "", [problem]
    found = find_videos(video_dir)
    summaries, problems = [], _unused(found)
    for path in found.files:
        try:
            summary, warnings = _look_at_video(path)
        except VideoError as error:
            problems.append(Problem.of(error))
            continue
        summaries.append(summary)
        problems += warnings
    return summaries, found.names_left_out, problems


def _unused(found: FolderListing) -> list[Problem]:
    """Folders within the folder that hold videos."""
    return [
        Problem(
            "warning",
            "the videos in a folder within the folder of videos are not used",
            str(folder),
            "move them up, or set data.video_dir to this folder",
        )
        for folder in found.folders_within
        if find_videos(folder).files
    ]


def _look_at_video(path: Path) -> tuple[VideoSummary, list[Problem]]:
    """What the video is, and what is wrong with it although it can be read."""
    with open_video(path) as source:
        summary = VideoSummary(path, _codec(path), source.size, len(source), source.fps)
        damage, note = (getattr(source, name, None) for name in ("damage", "rate_note"))
    remedy = "record or copy it again; the frames before the damage can be used"
    said = [Problem("warning", damage, str(path), remedy)] if damage else []
    return summary, said + ([Problem("warning", note, str(path))] if note else [])


def _codec(path: Path) -> str:
    """FFmpeg's name of the codec; ``"?"`` for a file that only another reader opens."""
    try:
        container, stream = open_container(path)
    except VideoError:
        return "?"
    with container:
        return stream.codec_context.name
