"""Check that videos can be opened, and say what they are."""

from __future__ import annotations

from pathlib import Path

from lp_data.check.report import Problem, VideoSummary
from lp_data.errors import VideoError
from lp_data.video.container import open_container
from lp_data.video.listing import FolderListing, find_videos
from lp_data.video.open import open_video


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
            summary, warnings = _look(path)
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


def _look(path: Path) -> tuple[VideoSummary, list[Problem]]:
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
