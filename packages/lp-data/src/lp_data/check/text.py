"""A report as text for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_data.check.report import KeypointSummary, Problem, ProjectReport, VideoSummary

_MOST_ALIKE = 3


def report_text(report: ProjectReport, *, verbose: bool = False) -> str:
    """The summary tables, then the problems, then the count of them.

    Args:
        report: What a check found.
        verbose: List every problem; otherwise of many of one kind only the first.
    """
    parts = [_table(_facts(report))]
    if report.keypoints:
        rows = [_keypoint_row(each, report.num_frames) for each in report.keypoints]
        parts.append(_table([("keypoint", "visible", "occluded", "labelled"), *rows]))
    if report.videos:
        rows = [_video_row(each) for each in report.videos]
        parts.append(_table([("video", "codec", "size", "frames", "fps"), *rows]))
    parts += map(str, report.problems) if verbose else _grouped(report.problems)
    return "\n\n".join([*parts, _verdict(report)])


def _grouped(problems: Sequence[Problem]) -> list[str]:
    """The problems, of many of one kind only the first and how many there are."""
    kinds: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        kinds.setdefault(problem.kind, []).append(problem)
    parts: list[str] = []
    for alike in kinds.values():
        if len(alike) <= _MOST_ALIKE:
            parts += map(str, alike)
            continue
        more = _count(len(alike) - 1, f"more {alike[0].severity}")
        parts.append(f"{alike[0]}\n  and {more} of this kind, which --verbose lists")
    return parts


def _facts(report: ProjectReport) -> list[tuple[str, ...]]:
    sizes = report.image_sizes.most_common()
    return [
        ("project", str(report.project)),
        ("label files", _names(report.label_files)),
        ("other CSV files", _names(report.other_tables)),
        ("frames", f"{report.num_frames}, {report.num_labelled_frames} with labels"),
        ("keypoints", str(len(report.keypoints))),
        ("labelled", f"{report.share_labelled:.1%} of all keypoints in all frames"),
        ("image sizes", ", ".join(f"{_size(size)} ({count})" for size, count in sizes) or "none"),
        ("with neighbours", _neighbours(report)),
        ("videos", str(len(report.videos))),
        ("left out of them", report.beside_videos or "nothing"),
    ]


def _neighbours(report: ProjectReport) -> str:
    proved = f"{report.neighbours.num_proved} of {report.num_frames} frames (±2)"
    return "; ".join(filter(None, [proved, report.neighbours.unproved_text()]))


def _names(paths: Sequence[Path]) -> str:
    return ", ".join(path.name for path in paths) or "none"


def _keypoint_row(keypoint: KeypointSummary, num_frames: int) -> tuple[str, ...]:
    share = (keypoint.visible + keypoint.occluded) / max(1, num_frames)
    return (keypoint.name, str(keypoint.visible), str(keypoint.occluded), f"{share:.0%}")


def _video_row(video: VideoSummary) -> tuple[str, ...]:
    fps = f"{float(video.fps):.3f}".rstrip("0").rstrip(".")
    return (video.path.name, video.codec, _size(video.size), str(video.num_frames), fps)


def _size(size: tuple[int, int]) -> str:
    """Width × height, as everyone writes it."""
    return f"{size[1]}×{size[0]}"


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _verdict(report: ProjectReport) -> str:
    errors = len(report.errors)
    warnings = len(report.problems) - errors
    if not report.problems:
        return "no problem found"
    return ", ".join(
        _count(number, word) for number, word in ((errors, "error"), (warnings, "warning"))
    )


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
