"""The tables of several animals, as texts for the page."""

from __future__ import annotations

from typing import Any

import numpy as np

from lp_analysis.metrics.animals import CONTACT
from lp_analysis.report.animal_figures import MOST_TRACKS, animal_figures
from lp_analysis.report.parts import AnimalErrors, ReportedAnimals

Row = tuple[str, ...]


def error_rows(errors: AnimalErrors) -> list[Row]:
    """Contact, split, animals, and the mean, the median and the 90th percentile of the error."""
    return [
        (
            level,
            split,
            str(summary.frames[split]),
            *(
                f"{value:.2f}" if np.isfinite(value) else "–"
                for value in (overall.mean, overall.median, overall.percentile_90)
            ),
        )
        for level, summary in errors.by_level.items()
        for split, overall in summary.overall.items()
    ]


def video_part(video: ReportedAnimals) -> dict[str, Any]:
    """What the page tells of one video."""
    frames, fps = len(video.animals), float(video.fps)
    numbers = np.bincount(video.animals) if frames else np.zeros(0, int)
    levels = np.bincount(video.contact, minlength=len(CONTACT)).tolist()
    return {
        "name": video.name,
        "frames": frames,
        "figures": animal_figures(video),
        "numbers": [
            (str(number), str(count), _share(count, frames))
            for number, count in enumerate(numbers.tolist())
            if count
        ],
        "contacts": [
            (name, str(levels[place]), _share(levels[place], frames))
            for place, name in enumerate(CONTACT)
            if place
        ],
        "tracks": [
            (
                track.name,
                str(track.seen),
                _share(track.seen, frames),
                str(track.runs[0].start),
                str(track.runs[-1].stop - 1),
                str(len(track.runs) - 1),
            )
            for track in video.tracks[:MOST_TRACKS]
        ],
        "more_tracks": max(len(video.tracks) - MOST_TRACKS, 0),
        "untracked": video.untracked,
        "doubts": [
            (
                str(doubt.frame),
                f"{doubt.frame / fps:.2f} s",
                ", ".join(doubt.individuals),
                f"{doubt.margin:.2f}",
                doubt.reason,
            )
            for doubt in video.doubts
        ],
    }


def _share(count: int, total: int) -> str:
    return f"{100 * count / max(total, 1):.1f} %"
