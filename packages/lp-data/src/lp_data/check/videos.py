"""Check that videos can be opened, and say what they are."""

from __future__ import annotations

from pathlib import Path

from lp_data.check.report import Problem, VideoSummary
from lp_data.errors import VideoError

_COMMON = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg")
_RARE = (".wmv", ".ts", ".mts", ".m2ts", ".flv", ".ogv", ".3gp")
VIDEO_SUFFIXES = frozenset(_COMMON + _RARE)


def check_videos(video_dir: Path) -> tuple[list[VideoSummary], list[Problem]]:
    """Open every video of a folder, counting its frames.

    Returns:
        The videos that can be opened; and what is wrong.
    """
    if not video_dir.is_dir():
        problem = Problem(
            "warning",
            "there is no folder of videos",
            str(video_dir),
            "set data.video_dir; training with labels only does not need it",
        )
        return [], [problem]
    summaries, problems = [], []
    for path in sorted(video_dir.rglob("*")):
        if path.suffix.lower() not in VIDEO_SUFFIXES or not path.is_file():
            continue
        try:
            summary, damage = _look(path)
        except VideoError as error:
            problems.append(Problem.of(error))
            continue
        summaries.append(summary)
        if damage:
            remedy = "record or copy it again; the frames before the damage can be used"
            problems.append(Problem("warning", damage, str(path), remedy))
    return summaries, problems


def _look(path: Path) -> tuple[VideoSummary, str | None]:
    """What the video is, and what is wrong with it although it can be read."""
    from lp_data.video.container import open_container
    from lp_data.video.open import open_video

    container, stream = open_container(path)
    codec = stream.codec_context.name
    container.close()
    with open_video(path) as source:
        summary = VideoSummary(path, codec, source.size, len(source), source.fps)
        return summary, getattr(source, "damage", None)
