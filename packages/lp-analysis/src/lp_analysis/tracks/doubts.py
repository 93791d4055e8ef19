"""Joined tracklets as tracks by number, and which decisions about them are doubtful."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int
from numpy import ndarray

from lp_analysis.tracks.flow import FAR, Paths
from lp_analysis.tracks.online import UNTRACKED
from lp_analysis.tracks.review import Doubt
from lp_analysis.tracks.tables import track_name
from lp_analysis.tracks.tracklets import Cut, Tracklets
from lp_core.poses import PoseTable


class NumberedDoubt(NamedTuple):
    """A doubt about tracks by number."""

    frame: int
    tracks: tuple[int, ...]
    margin: float
    reason: str

    def named(self, begun: int, table: PoseTable) -> Doubt:
        """The doubt about tracks of a table, which are numbered from ``begun`` on."""
        names = tuple(track_name(number + begun) for number in self.tracks)
        view = None if table.view is None else table.view[0]
        return Doubt(self.frame, names, self.margin, self.reason, view)


def path_numbers(tracklets: Tracklets, paths: Paths) -> Int[ndarray, " tracklets"]:
    """The path of each tracklet, numbered in the order in which they begin; -1 without any."""
    path = np.full(len(tracklets), UNTRACKED)
    begun = 0
    for place in range(len(tracklets)):
        if paths.used[place] and paths.before[place] < 0:
            path[place], begun = begun, begun + 1
        elif paths.used[place]:
            path[place] = path[paths.before[place]]
    return path


def doubts_of(
    tracklets: Tracklets,
    cuts: Sequence[Cut],
    paths: Paths,
    path: Int[ndarray, " tracklets"],
) -> list[NumberedDoubt]:
    """The decisions whose margin is known: one for each contact, gap, appearance and omission."""
    found = []
    met: dict[int, list[int]] = {}
    for place in range(len(tracklets)):
        cut, margin = int(tracklets.cut[place]), float(paths.before_margin[place])
        if 0 <= cut < len(cuts):
            met.setdefault(cut, []).append(place)
        if not paths.used[place]:
            count = int(tracklets.count[place])
            reason = f"left out: {count} {'row' if count == 1 else 'rows'}"
            frame, omitted = int(tracklets.first[place]), float(paths.used_margin[place])
            found.append(NumberedDoubt(frame, (), omitted, reason))
        elif margin < FAR and not 0 <= cut < len(cuts):
            found.append(_of_link(tracklets, paths, path, place))
    for cut, places in met.items():
        margins = np.concatenate([paths.before_margin[places], paths.used_margin[places]])
        tracks = tuple(sorted({int(path[place]) for place in places} - {UNTRACKED}))
        if tracks:
            reason = _contact(tracklets, paths, places)
            found.append(NumberedDoubt(cuts[cut].frame, tracks, float(np.nanmin(margins)), reason))
    return [doubt for doubt in found if doubt.margin < FAR]


def _contact(tracklets: Tracklets, paths: Paths, places: Sequence[int]) -> str:
    missing = [
        int(tracklets.first[place] - tracklets.last[paths.before[place]]) - 1
        for place in places
        if paths.before[place] >= 0
    ]
    most = max(missing, default=0)
    return f"contact, and a gap of {most} frames" if most else "contact"


def _of_link(
    tracklets: Tracklets, paths: Paths, path: Int[ndarray, " tracklets"], place: int
) -> NumberedDoubt:
    before, frame = int(paths.before[place]), int(tracklets.first[place])
    reason = "appears"
    if before >= 0:
        missing = frame - int(tracklets.last[before]) - 1
        reason = f"gap of {missing} frames" if missing else "goes on"
    return NumberedDoubt(frame, (int(path[place]),), float(paths.before_margin[place]), reason)
