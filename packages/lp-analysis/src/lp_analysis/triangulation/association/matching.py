"""Which animals of several views are the same, and the tables with common names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from lp_analysis.errors import TriangulationError
from lp_analysis.tracks.offline import track_offline
from lp_analysis.tracks.options import TrackingOptions
from lp_analysis.tracks.review import Doubt
from lp_analysis.tracks.tables import track_name
from lp_analysis.triangulation.association.clustering import clusters_of
from lp_analysis.triangulation.association.evidence import LOOK, find_evidence
from lp_analysis.triangulation.association.exchanges import exchange, toggle_margins
from lp_analysis.triangulation.association.labelling import ALL, Labelling, graph_of
from lp_analysis.triangulation.association.links import links_of, tracklets_of
from lp_analysis.triangulation.association.rows import (
    NOBODY,
    ViewRows,
    check_tables,
    rows_of,
    track_numbers,
)
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable

FAR = 30.0
"""Nats beyond which a margin is not told exactly."""

_CLEAR = 4.0  # nats of what is seen in its frame, for a row without a track to be an animal
_LIKELY = 10.0  # nats for what several views show being one animal
_ROUNDS = 4
_REASON = "not exchanged from here on"
_TRACK = re.compile(r"track_\d+")


@dataclass(frozen=True)
class MatchingOptions:
    """How animals are matched between views.

    Attributes:
        offsets: By view, how many frames later its table has a moment than the session counts it,
            where that is not 0.
        noise: Standard deviation of good detections in frame px; None to take it from the tables.
        tracking: Of tables that name no tracks, how their rows are followed first.
        animals: How many there are at most; None where it is not known.

    Raises:
        TriangulationError: A value is out of range.
    """

    offsets: Mapping[str, int] | None = None
    noise: float | None = None
    tracking: TrackingOptions | None = None
    animals: int | None = None

    def __post_init__(self) -> None:
        if self.animals is not None and self.animals < 1:
            raise TriangulationError(f"there must be at least 1 animal, got {self.animals}")
        if self.noise is not None and not self.noise > 0:
            raise TriangulationError(f"the noise must be above 0 px, got {self.noise:g}")


class Sighting(NamedTuple):
    """An animal in a view: that it is the one that others see under the name is a decision.

    Attributes:
        view: The camera.
        individual: The name that it has in all views.
        tracks: The names that its rows had in the view before, most rows first.
        first, last: The first and the last frame of the session with a row.
        rows: How many.
        margin: Nats between that and the best alternative: another animal of the view, or one that
            no other view shows; `FAR` at most. 0 where no other view shows the animal.
    """

    view: str
    individual: str
    tracks: tuple[str, ...]
    first: int
    last: int
    rows: int
    margin: float


class MatchedViews(NamedTuple):
    """The tables of the views with common names.

    Attributes:
        tables: By view its table, with the same rows in the same order; individuals of one name
            are one animal in all views. Rows that belong to none have no individual.
        individuals: The names.
        sightings: Who is seen by which view, and how sure that is.
        doubts: Moments at which two animals of a view, or of all views, might be exchanged, with a
            margin of less than `FAR`, in the order of time.
        renamed: By view, the rows with another name than before where the view named them.
    """

    tables: dict[str, PoseTable]
    individuals: tuple[str, ...]
    sightings: list[Sighting]
    doubts: list[Doubt]
    renamed: dict[str, int]


def match_views(
    rig: Rig, tables: Mapping[str, PoseTable], options: MatchingOptions | None = None
) -> MatchedViews:
    """Find which tracks of the views of a session show the same animal, and name them alike.

    What speaks for two rows of different views being one animal are the distances of their
    keypoints from each other's epipolar lines (see the module ``evidence``), summed over the frames
    in which both are seen. Tracks are cut where their view is not sure of them, and pieces are
    clustered over all views; then exchanges of two animals in one view are undone where the others
    contradict them. Tracks may break, cover part of the video, or be of animals that other views do
    not see, and the number of animals need not be known. Nothing is matched by force; where the
    number is known, pieces against which little speaks are joined until as many are left, and rows
    that then fit nowhere have no individual. The result does not depend on the order of the views.

    Args:
        rig: The cameras; more than there are tables may be in it.
        tables: By view its rows with frame numbers, in any order. Rows without an individual are
            matched where they stand; a table without any is first followed over time.
        options: How.

    Raises:
        CameraError: The rig has no camera of a view.
        TrackingError: The rows of a table without individuals cannot be followed.
        TriangulationError: There are fewer than two tables, or they cannot be compared.
    """
    options = options or MatchingOptions()
    check_tables(tables)
    views = sorted(tables)
    names, offsets = tables[views[0]].keypoint_names, options.offsets or {}
    rows = [
        rows_of(tables[view], _tracks(tables[view], options), names, offsets.get(view, 0))
        for view in views
    ]
    labelling = _labelled(rig.subset(views), rows, options)
    _place_rest(labelling)
    individuals, order = _named(labelling, [tables[view] for view in views])
    labelling.relabel([np.where(own >= 0, order[own], NOBODY) for own in labelling.labels])
    doubts = _doubts(labelling, views, individuals)
    sightings = _sightings(labelling, views, individuals, tables)
    matched, renamed = {}, {}
    for view in tables:
        place = views.index(view)
        matched[view], renamed[view] = _renamed(
            tables[view], rows[place], labelling.labels[place], individuals
        )
    return MatchedViews(matched, individuals, sightings, doubts, renamed)


def _tracks(table: PoseTable, options: MatchingOptions) -> Int[ndarray, " rows"]:
    """The tracks of a table: its individuals, or what becomes of rows that have none.

    The rows of one animal, of which tables have no individual, are one track.
    """
    track = track_numbers(table)
    if table.individual is None and len(set(table.frame)) == len(table):
        return np.zeros_like(track)
    if (track < 0).all() and len(table):
        return track_offline(table, options.tracking).track
    return track


def _labelled(rig: Rig, rows: list[ViewRows], options: MatchingOptions) -> Labelling:
    """The animals of all rows that have a track."""
    frames = 1 + max((int(own.frame.max(initial=-1)) for own in rows), default=-1)
    slots = 1 + max((int(own.slot.max(initial=0)) for own in rows), default=0)
    links = [links_of(own, frames, slots) for own in rows]
    groups, count = [], 0
    for own, link in zip(rows, links, strict=True):
        number = tracklets_of(own, link)
        groups.append(np.where(number >= 0, number + count, NOBODY))
        count += int(number.max(initial=NOBODY)) + 1
    evidence = find_evidence(rig, rows, frames, slots, options.noise)
    labelling = Labelling(rows, links, evidence, frames, slots, groups)
    cluster = clusters_of(count, *graph_of(labelling, groups))
    labelling.relabel([np.where(own >= 0, cluster[own], NOBODY) for own in groups])
    for _ in range(_ROUNDS):
        exchange(labelling)
        if not labelling.joined():
            break
    if options.animals is None:
        _part_unlikely(labelling)
    elif labelling.count > options.animals:
        labelling.limited(options.animals, -_LIKELY)
        exchange(labelling)
        labelling.limited(options.animals, -_LIKELY)
    return labelling


def _part_unlikely(labelling: Labelling) -> None:
    """Take animals for one in each view where little speaks for them being one in all."""
    views = range(len(labelling.rows))
    total = np.sum([labelling.totals(view).diagonal() for view in views], axis=0) / 2
    labels, count = [], labelling.count
    for own in labelling.labels:
        parted = np.flatnonzero(total < _LIKELY)
        number = np.arange(labelling.count)
        number[parted] = count + np.arange(len(parted))
        count += len(parted)
        labels.append(np.where(own >= 0, number[own], NOBODY))
    labelling.relabel(labels)


def _place_rest(labelling: Labelling) -> None:
    """Give rows without a track to animals that the view does not show otherwise, where clear."""
    labels = list(labelling.labels)
    for view, rows in enumerate(labelling.rows):
        rest = np.flatnonzero(labelling.labels[view] < 0)
        if not len(rest) or not labelling.count:
            continue
        animals = range(labelling.count)
        places = rows.frame[rest], rows.slot[rest]
        score = np.stack([labelling.score(view, animal, *places) for animal in animals], axis=1)
        taken = np.stack(
            [labelling.slot(view, animal)[rows.frame[rest]] >= 0 for animal in animals], axis=1
        )
        score = np.where(taken, -np.inf, score) / LOOK
        row, animal = np.nonzero(score > _CLEAR)
        order = np.argsort(-score[row, animal], kind="stable")
        row, animal = row[order], animal[order]
        frame = rows.frame[rest[row]]
        first = np.zeros(len(row), dtype=bool)
        first[np.unique(row, return_index=True)[1]] = True
        best = np.zeros(len(row), dtype=bool)
        best[np.unique(frame * labelling.count + animal, return_index=True)[1]] = True
        chosen = first & best
        labels[view] = labelling.labels[view].copy()
        labels[view][rest[row[chosen]]] = animal[chosen]
    labelling.relabel(labels)


def _named(
    labelling: Labelling, tables: list[PoseTable]
) -> tuple[tuple[str, ...], Int[ndarray, " animals"]]:
    """The names of the animals in their order, and the place of each animal in it.

    Animals keep the names that most of their rows have. Names of tracks say nothing in another
    view: they are counted in the order in which animals first appear.
    """
    first = np.full(labelling.count, np.iinfo(np.int64).max)
    shown = np.full(labelling.count, len(tables))
    size = np.zeros(labelling.count, dtype=np.int64)
    given: dict[str, dict[int, int]] = {}
    parts = zip(labelling.rows, labelling.labels, tables, strict=True)
    for view, (rows, label, table) in enumerate(parts):
        named = label >= 0
        np.minimum.at(shown, label[named], view)
        np.minimum.at(first, label[named], rows.frame[named])
        size += np.bincount(label[named], minlength=labelling.count)
        for row, animal in zip(rows.row[named].tolist(), label[named].tolist(), strict=True):
            name = table.individual[row] if table.individual else None
            if name and not _TRACK.fullmatch(name):
                given.setdefault(name, {}).setdefault(animal, 0)
                given[name][animal] += 1
    used = np.flatnonzero(size)
    order = used[np.lexsort((shown[used], -size[used], first[used]))]
    place = np.full(labelling.count, NOBODY)
    place[order] = np.arange(len(order))
    known = _assigned(given, labelling.count)
    free = (name for name in map(track_name, range(labelling.count + len(known))))
    names = tuple(known.get(animal) or next(free) for animal in order.tolist())
    return names, place


def _assigned(given: dict[str, dict[int, int]], count: int) -> dict[int, str]:
    """By animal the name it gets, such that most rows keep theirs."""
    names = sorted(given)
    common = np.zeros((len(names), count))
    for place, name in enumerate(names):
        for animal, number in given[name].items():
            common[place, animal] = number
    pairs = zip(*linear_sum_assignment(common, maximize=True), strict=True)
    return {int(animal): names[place] for place, animal in pairs if common[place, animal]}


def _sightings(
    labelling: Labelling,
    views: list[str],
    individuals: tuple[str, ...],
    tables: Mapping[str, PoseTable],
) -> list[Sighting]:
    found = []
    for place, view in enumerate(views):
        rows, label = labelling.rows[place], labelling.labels[place]
        names = tables[view].individual or (None,) * len(tables[view])
        margin = _margins(labelling, place)
        for animal in np.unique(label[label >= 0]).tolist():
            own = np.flatnonzero(label == animal)
            before = Counter(names[row] for row in rows.row[own].tolist())
            tracks = tuple(name for name, _ in before.most_common() if name is not None)
            span = int(rows.frame[own[0]]), int(rows.frame[own[-1]])
            name, sure = individuals[animal], float(margin[animal])
            found.append(Sighting(view, name, tracks, *span, len(own), sure))
    return found


def _margins(labelling: Labelling, view: int) -> Float[ndarray, " animals"]:
    """What it costs to take each animal of a view for another one, or for one of no other view."""
    total = labelling.totals(view)
    own = total.diagonal()
    either = (total + total.T).tocoo()
    one, two = either.coords
    other = one != two
    margin = own.copy()
    np.minimum.at(margin, one[other], (own[one] + own[two] - either.data)[other])
    return np.clip(margin, 0.0, FAR)


def _doubts(labelling: Labelling, views: list[str], individuals: tuple[str, ...]) -> list[Doubt]:
    """Moments of each view at which two animals might be exchanged: the least sure of each run.

    Animals are those that several views show.
    """
    shown = np.stack(
        [np.bincount(own[own >= 0], minlength=labelling.count) for own in labelling.labels]
    )
    animals = np.flatnonzero((shown > 0).sum(axis=0) > 1).tolist()
    found = []
    places = [*enumerate(views), (ALL, None)]
    for (place, view), (one, two) in product(places, combinations(animals, 2)):
        if view is not None and not (shown[place, one] and shown[place, two]):
            continue
        change = labelling.change(place, one, two)
        margin = toggle_margins(change.loss, change.toggle)
        near = np.flatnonzero(margin < FAR)
        for run in np.split(near, np.flatnonzero(np.diff(near) > 1) + 1):
            if len(run):
                worst = run[margin[run].argmin()]
                names = individuals[one], individuals[two]
                frame, least = int(change.frames[worst]), float(margin[worst])
                found.append(Doubt(frame, names, least, _REASON, view))
    return sorted(found, key=lambda doubt: (doubt.frame, doubt.individuals, doubt.view or ""))


def _renamed(
    table: PoseTable, rows: ViewRows, label: Int[ndarray, " rows"], individuals: tuple[str, ...]
) -> tuple[PoseTable, int]:
    """The table with the names of the animals, and how many names of rows have changed."""
    names: list[str | None] = [None] * len(table)
    for row, animal in zip(rows.row.tolist(), label.tolist(), strict=True):
        names[row] = individuals[animal] if animal >= 0 else None
    before = table.individual or (None,) * len(table)
    changed = sum(
        before[row] is not None and names[row] != before[row] for row in rows.row.tolist()
    )
    return replace(table, individual=tuple(names)), changed
