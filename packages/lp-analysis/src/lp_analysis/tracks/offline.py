"""Join the tracklets of a whole video to individuals, all at once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray

from lp_analysis.errors import TrackingError
from lp_analysis.tracks.appearance import Appearance
from lp_analysis.tracks.detections import body_sizes, limb_pairs, limbs_of
from lp_analysis.tracks.doubts import NumberedDoubt, doubts_of, path_numbers
from lp_analysis.tracks.exchanges import Exchanges
from lp_analysis.tracks.flow import FlowProblem, Limit, cheapest_paths
from lp_analysis.tracks.links import MotionModel, candidate_links, motion_costs
from lp_analysis.tracks.online import LINK_COST, UNKNOWN_SIZE, UNTRACKED, Decisions
from lp_analysis.tracks.options import TrackingOptions
from lp_analysis.tracks.review import Doubt
from lp_analysis.tracks.similarity import CHUNK, Learning
from lp_analysis.tracks.tables import (
    check_sized,
    check_trackable,
    row_scores,
    skeleton_edges,
    track_online,
    usual_size,
    view_rows,
)
from lp_analysis.tracks.tracklets import (
    Cut,
    Tracklets,
    contact_cuts,
    crowded_ends,
    tracklets_of,
    uncertain_cuts,
)
from lp_analysis.tracks.traits import Trait, evidence_of, likeness_of
from lp_core.poses import PoseTable

_ROW_GAIN = 0.5  # nats, of a row of usual score on a path
_GAIN_OF_ODDS = 0.25  # nats, for each nat in the odds of its score beyond the usual
_LEAST_GAIN, _LEAST_GAIN_OF_KNOWN, _MOST_GAIN = -1.0, 0.05, 1.0
_END = 3.0  # nats, of a path that ends before the video
_BEGIN_AT_START = 2.0
_LEAST_CHUNK = 5  # rows whose mean appearance is compared
_LOOKS = Learning(nu=4.0, impure=0.05, least_gain=0.2)
_FURTHER = 10  # later tracklets that each of a known number of animals may go on as


class Count(NamedTuple):
    """At most so many animals are to be seen in some frames.

    Attributes:
        start, stop: The frames, ``stop`` not among them.
        animals: How many.
    """

    start: int
    stop: int
    animals: int

    @classmethod
    def parse(cls, text: str) -> Count:
        """Read ``FIRST-LAST=ANIMALS``, such as ``0-999=2``; the last frame is among them.

        Raises:
            TrackingError: It is not such a text.
        """
        found = re.fullmatch(r"(\d+)-(\d+)=(\d+)", text, re.ASCII)
        if found is None:
            raise TrackingError(
                f"'{text}' does not say how many animals there are in some frames",
                remedy="write it like --count 0-999=2",
            )
        start, last, animals = map(int, found.groups())
        return cls(start, last + 1, animals)


@dataclass(frozen=True)
class JoiningOptions:
    """How tracklets are joined.

    Attributes:
        cut_margin: A track is cut where a decision has a smaller margin, nats.
        most_missed: A track is cut where more frames lack a row.
        max_gap: Frames over which tracklets are joined; those of a known number of animals may be
            farther apart.
        counts: How many animals there are in stretches of the video.
        extra_animal: Nats for each individual beyond the known number; None where there are no
            more.

    Raises:
        TrackingError: A value is out of range.
    """

    cut_margin: float = 6.0
    most_missed: int = 5
    max_gap: int = 120
    counts: tuple[Count, ...] = ()
    extra_animal: float | None = None

    def __post_init__(self) -> None:
        if self.most_missed < 0 or self.max_gap < 0:
            raise TrackingError("most_missed and max_gap must not be negative")
        if self.extra_animal is not None and self.extra_animal < 0:
            raise TrackingError(f"extra_animal must not be negative, got {self.extra_animal}")
        for count in self.counts:
            if count.animals < 0 or count.start >= count.stop:
                raise TrackingError(f"{count} is not a number of animals in a stretch of frames")


class Individuals(NamedTuple):
    """The individuals of a table.

    Attributes:
        track: (R,) numbers, in the order in which individuals first occur; `UNTRACKED` where a row
            belongs to none.
        doubts: Every decision whose margin is less than `FAR`, in the order of time.
    """

    track: Int[ndarray, " rows"]
    doubts: list[Doubt]


def track_offline(
    table: PoseTable,
    options: TrackingOptions | None = None,
    joining: JoiningOptions | None = None,
    appearance: Appearance | None = None,
    given: Int[ndarray, " rows"] | None = None,
    link: Int[ndarray, " rows"] | None = None,
) -> Individuals:
    """Follow the individuals of a table, with later frames to help decide about earlier ones.

    The tracks of `track_online` are cut into tracklets where a decision was uncertain or rows are
    missing, and joined by an exact min-cost flow. A tracklet may be left out, such as a false
    positive: its rows then have no track, and stay in the table. What tells individuals apart, by
    the lengths of their limbs and by their appearance, is learned from tracklets that are seen at
    the same time. Nothing is interpolated. Each view is followed by itself.

    Args:
        table: Rows of a video in any order, in frame px. Its individuals are not looked at.
        options: About the animals and their motion.
        joining: How tracklets are joined.
        appearance: What rows look like. Where it tells animals apart, tracks are cut at every
            contact too, so that it can undo what the motion got wrong.
        given: (R,) numbers of tracks that are right as they are, and are only to be joined; rows
            of negative numbers are followed.
        link: What each row probably goes on from; see `track_online`.

    Raises:
        TrackingError: The rows have no frame numbers or are not in frame px, or a given track has
            two rows in a frame.
    """
    check_trackable(table)
    options, joining = options or TrackingOptions(), joining or JoiningOptions()
    check_sized(table, options)
    followed = _followed(table, options, given, link)
    found, doubts = np.full(len(table), UNTRACKED), []
    for rows in view_rows(table):
        part = table.rows(rows)
        looks = None if appearance is None else appearance.within(rows)
        told = None if link is None else _within(rows, link)
        one = _OneView(part, options, joining, looks, told, cut=given is None)
        track, some = one.joined(Decisions(followed.track[rows], followed.margin[rows]))
        begun = int(found.max(initial=UNTRACKED)) + 1
        found[rows] = np.where(track < 0, UNTRACKED, track + begun)
        doubts += [doubt.named(begun, part) for doubt in some]
    return Individuals(found, sorted(doubts, key=lambda doubt: (doubt.frame, doubt.individuals)))


def _followed(
    table: PoseTable,
    options: TrackingOptions,
    given: Int[ndarray, " rows"] | None,
    link: Int[ndarray, " rows"] | None,
) -> Decisions:
    """Tracks that are pure rather than long: of an unknown number of animals."""
    open_number = replace(options, animals=None)
    if given is None:
        return track_online(table, open_number, link=link)
    _check_given(table, given)
    decisions = Decisions(given.copy(), np.full(len(table), np.inf))
    rest = np.flatnonzero(given < 0)
    if len(rest):
        size = options.body_size or usual_size(table)
        found = track_online(table.rows(rest), replace(open_number, body_size=size))
        begun = int(given.max(initial=-1)) + 1
        decisions.track[rest] = np.where(found.track < 0, UNTRACKED, found.track + begun)
        decisions.margin[rest] = found.margin
    return decisions


def _check_given(table: PoseTable, given: Int[ndarray, " rows"]) -> None:
    views = table.view or (None,) * len(table)
    seen: dict[tuple[object, ...], int] = {}
    for row, number in enumerate(given.tolist()):
        key = (views[row], table.frame[row], number)
        if number >= 0 and seen.setdefault(key, row) != row:
            name = table.individual[row] if table.individual else f"track {number}"
            raise TrackingError(
                f"'{name}' has two rows in frame {table.frame[row]}",
                remedy="give one of them another name, or track the table without its names",
            )


class _OneView:
    """The rows of one camera."""

    def __init__(
        self,
        table: PoseTable,
        options: TrackingOptions,
        joining: JoiningOptions,
        appearance: Appearance | None,
        told: Int[ndarray, " rows"] | None,
        *,
        cut: bool,
    ) -> None:
        self._table, self._options, self._joining = table, options, joining
        self._told, self._may_cut = told, cut
        self._frame = np.array(table.frame, dtype=np.int64)
        points = np.asarray(table.points, np.float64).transpose(0, 2, 1)
        known: Bool[ndarray, "rows keypoints"] = np.all(np.isfinite(points), axis=1)
        self._points = np.where(known[:, None], points, np.nan)
        self._size = body_sizes(self._points, known)
        if options.body_size is not None:
            self._size = np.full(len(table), options.body_size)
        self._body = usual_size(table) or UNKNOWN_SIZE
        pairs = limb_pairs(table.num_keypoints, skeleton_edges(table))
        self._limbs, self._appearance = limbs_of(self._points, pairs), appearance

    def joined(self, followed: Decisions) -> tuple[Int[ndarray, " rows"], list[NumberedDoubt]]:
        """The track of each row, and the doubts about them."""
        cuts, tracklets, traits = self._told_apart(followed)
        problem, moves = self._problem(tracklets, traits)
        paths = cheapest_paths(problem)
        path = path_numbers(tracklets, paths)
        if any(trait.metric.trust for trait in traits):
            links = dict(zip(map(tuple, problem.links.tolist()), moves.tolist(), strict=True))
            exchanges = Exchanges(tracklets, links, likeness_of(traits))
            paths = exchanges.improved(paths, path, grouped=len(traits) > 1)
            path = path_numbers(tracklets, paths)
        track = np.full(len(self._table), UNTRACKED)
        for place, rows in enumerate(tracklets.rows):
            track[rows] = path[place]
        self._add_spare(track, tracklets, path)
        return track, doubts_of(tracklets, cuts, paths, path)

    def _told_apart(self, followed: Decisions) -> tuple[list[Cut], Tracklets, list[Trait]]:
        """The tracklets with the cuts that made them, and what tells them apart.

        Their build, and their looks where they are known: these are learned from tracks cut at
        every contact, if they may be cut, and the cuts are kept if there is anything to learn.
        """
        cuts = uncertain_cuts(
            followed.track, followed.margin, self._frame, self._joining.cut_margin
        )
        if self._appearance is not None:
            near = []
            if self._may_cut:
                near = contact_cuts(self._points, followed.track, self._frame, self._body)
            tracklets = self._tracklets(followed, [*cuts, *near])
            looks = self._looks(tracklets, self._appearance)
            if looks.metric.trust:
                return [*cuts, *near], tracklets, [self._build(tracklets), looks]
        tracklets = self._tracklets(followed, cuts)
        return cuts, tracklets, [self._build(tracklets)]

    def _tracklets(self, followed: Decisions, cuts: list[Cut]) -> Tracklets:
        return tracklets_of(
            self._points,
            self._size,
            followed.track,
            self._frame,
            [*cuts, *self._bounds(followed)],
            self._joining.most_missed,
            self._may_end(followed.track),
        )

    def _build(self, tracklets: Tracklets) -> Trait:
        """What tells tracklets apart by the lengths of their limbs."""
        number = tracklets.numbers(len(self._table))
        return Trait.learned(self._limbs, number, self._frame, len(tracklets))

    def _looks(self, tracklets: Tracklets, appearance: Appearance) -> Trait:
        """What tells tracklets apart by their appearance."""
        rows, vectors, stride = appearance
        number = tracklets.numbers(len(self._table))[rows]
        how = _LOOKS._replace(chunk=max(_LEAST_CHUNK, CHUNK // stride))
        learned = Trait.learned(vectors, number, self._frame[rows], len(tracklets), how)
        return learned.along_axes()

    def _may_end(self, track: Int[ndarray, " rows"]) -> Bool[ndarray, " rows"]:
        """The rows that a tracklet may begin and end with."""
        certain = self._worth() >= 0
        if self._options.animals is None:
            return certain
        return certain & ~crowded_ends(track, self._frame, self._options.animals)

    def _add_spare(
        self, track: Int[ndarray, " rows"], tracklets: Tracklets, path: Int[ndarray, " tracklets"]
    ) -> None:
        """Give spare rows the track of their tracklet, in frames where it has no other row."""
        taken = set(zip(track.tolist(), self._frame.tolist(), strict=True))
        for place, rows in enumerate(tracklets.spare):
            number = int(path[place])
            for row, frame in zip(rows.tolist(), self._frame[rows].tolist(), strict=True):
                if number >= 0 and (number, frame) not in taken:
                    track[row] = number
                    taken.add((number, frame))

    def _bounds(self, followed: Decisions) -> list[Cut]:
        """Cuts of all tracks where the number of animals changes."""
        tracks = frozenset(followed.track[followed.track >= 0].tolist())
        frames = {frame for count in self._joining.counts for frame in (count.start, count.stop)}
        return [Cut(frame, tracks, np.inf) for frame in sorted(frames)] if tracks else []

    def _problem(
        self, tracklets: Tracklets, traits: list[Trait]
    ) -> tuple[FlowProblem, Float[ndarray, " links"]]:
        """What joins the tracklets, and the costs of the links without the evidence of likeness."""
        options, joining = self._options, self._joining
        further = 0 if options.animals is None else _FURTHER * options.animals
        links = candidate_links(tracklets, joining.max_gap, further)
        motion = MotionModel.fit(self._points, tracklets, self._body)
        anywhere = None if options.animals is None else float(-np.log(options.new_rate))
        cost = motion_costs(tracklets, links, motion, self._body, options.pose_change, anywhere)
        if self._told is not None:
            cost = cost - LINK_COST * _told_links(tracklets, links, self._told)
        moves, cost = cost, cost - evidence_of(traits, links)
        begin, end = self._ends(tracklets)
        if options.animals is None:
            worth = cost < begin[links[:, 1]] + end[links[:, 0]]
            links, cost, moves = links[worth], cost[worth], moves[worth]
        gain = self._gains()
        node = np.array([-gain[rows].sum() for rows in tracklets.rows])
        problem = FlowProblem(
            node.reshape(len(tracklets)),
            begin,
            end,
            links,
            cost,
            options.animals,
            joining.extra_animal if options.animals is not None else None,
            _limits(tracklets, joining.counts),
        )
        return problem, moves

    def _ends(
        self, tracklets: Tracklets
    ) -> tuple[Float[ndarray, " tracklets"], Float[ndarray, " tracklets"]]:
        """What it costs to begin and to end: less where the video or a stretch of it does."""
        begin = np.full(len(tracklets), -np.log(self._options.new_rate))
        end = np.full(len(tracklets), _END)
        if len(tracklets):
            bounds = [
                frame for count in self._joining.counts for frame in (count.start, count.stop)
            ]
            starts, stops = [self._frame.min(), *bounds], [*bounds, self._frame.max() + 1]
            begin[np.isin(tracklets.first, starts)] = _BEGIN_AT_START
            end[np.isin(tracklets.last + 1, stops)] = 0.0
        return begin, end

    def _gains(self) -> Float[ndarray, " rows"]:
        """What each row is worth on a path, nats, within what one row may say."""
        least = _LEAST_GAIN if self._options.animals is None else _LEAST_GAIN_OF_KNOWN
        return np.clip(self._worth(), least, _MOST_GAIN)

    def _worth(self) -> Float[ndarray, " rows"]:
        """What each row is worth on a path, nats: more where it is more certain than usual."""
        score = row_scores(self._table)
        if score is None:
            if self._table.confidence is None:
                return np.full(len(self._table), _ROW_GAIN)
            score = _mean_confidence(self._table)
        certain = np.clip(score, 0.02, 0.98)
        odds = np.log(certain / (1 - certain))
        known = odds[~np.isnan(odds)]
        usual = float(np.median(known)) if len(known) else 0.0
        worth: Float[ndarray, " rows"] = _ROW_GAIN + _GAIN_OF_ODDS * np.nan_to_num(odds - usual)
        return worth


def _mean_confidence(table: PoseTable) -> Float[ndarray, " rows"]:
    assert table.confidence is not None
    known = table.has_position & np.isfinite(table.confidence)
    total = np.where(known, table.confidence, 0).sum(axis=1)
    count = known.sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _within(rows: Int[ndarray, " some"], link: Int[ndarray, " rows"]) -> Int[ndarray, " some"]:
    """Links between some rows, by their places among these."""
    place = np.full(len(link), -1)
    place[rows] = np.arange(len(rows))
    return np.where(link[rows] >= 0, place[link[rows]], -1)


def _told_links(
    tracklets: Tracklets, links: Int[ndarray, "links 2"], told: Int[ndarray, " rows"]
) -> Bool[ndarray, " links"]:
    """Whether the first row of a tracklet was told to go on from the last one of the other."""
    first = np.array([rows[0] for rows in tracklets.rows], dtype=np.int64)
    last = np.array([rows[-1] for rows in tracklets.rows], dtype=np.int64)
    return told[first[links[:, 1]]] == last[links[:, 0]]


def _limits(tracklets: Tracklets, counts: Sequence[Count]) -> list[Limit]:
    """The stretches' numbers of animals, wherever a tracklet begins in them."""
    limits = []
    for count in counts:
        begun = tracklets.first[(tracklets.first >= count.start) & (tracklets.first < count.stop)]
        for frame in np.unique(begun).tolist():
            members = np.flatnonzero((tracklets.first <= frame) & (tracklets.last >= frame))
            if len(members) > count.animals:
                limits.append(Limit(members, count.animals))
    return limits
