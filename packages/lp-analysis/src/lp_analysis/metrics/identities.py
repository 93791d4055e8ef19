"""Whether predicted tracks keep the identities of labelled animals: IDF1, switches, HOTA.

R labelled and P predicted animals of a video, N pairs of them in one frame, A thresholds of HOTA.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.paired_frames import PairedFrames
from lp_core.poses import PoseTable

ALPHAS = np.arange(0.05, 0.99, 0.05)
"""Similarities from which on HOTA counts a pair as a match."""

_CONTINUED = 1000.0  # more than any sum of similarities
_EPS = np.finfo(float).eps


class IdentityCounts(NamedTuple):
    """What identities are judged by, (B,) each: in a video, B being 1, or in B sets of videos.

    Counts of videos add up; see `lp_analysis.metrics.bootstrap.sums`.

    Attributes:
        idtp, idfp, idfn: Rows right, of predictions only and of labels only, when each labelled
            individual stands for at most one track, so that most rows are right.
        tp, fp, fn: Rows matched, false and missed, when matches of the frame before are continued.
        switches: Labelled individuals that are matched by another track than when last matched.
        fragments: Labelled individuals that are matched again, not having been so in the frame
            before. As in trackeval, frames without a prediction are passed over, and an individual
            that was out of sight counts.
        losses: Labelled individuals that were matched when last labelled, and no longer are.
        seconds: Of video; NaN where the frames per second are not known.
        tracked_seconds: In which individuals were matched, summed over them.
        hota_tp, hota_fp, hota_fn: (B, A) rows by threshold, matched so that associations are best.
        association: (B, A) the sum of the association accuracy of matched rows.
    """

    idtp: Float[ndarray, " sets"]
    idfp: Float[ndarray, " sets"]
    idfn: Float[ndarray, " sets"]
    tp: Float[ndarray, " sets"]
    fp: Float[ndarray, " sets"]
    fn: Float[ndarray, " sets"]
    switches: Float[ndarray, " sets"]
    fragments: Float[ndarray, " sets"]
    losses: Float[ndarray, " sets"]
    seconds: Float[ndarray, " sets"]
    tracked_seconds: Float[ndarray, " sets"]
    hota_tp: Float[ndarray, "sets alphas"]
    hota_fp: Float[ndarray, "sets alphas"]
    hota_fn: Float[ndarray, "sets alphas"]
    association: Float[ndarray, "sets alphas"]

    def metrics(self) -> dict[str, Float[ndarray, " sets"]]:
        """The metrics by name; NaN where there is nothing to divide by.

        ``IDF1``, ``IDP``, ``IDR`` (Ristani et al., 2016), ``MOTA`` (Bernardin and Stiefelhagen,
        2008), ``HOTA``, ``DetA``, ``AssA`` as means over `ALPHAS` (Luiten et al., 2021),
        ``switches``, ``fragments``, ``losses``, ``switches_per_minute`` of video, and
        ``seconds_between_errors``: the tracked time by the number of switches and losses, or all of
        it where there is none.
        """
        hota, detection, association = self.hota()
        return {
            "IDF1": ratio(2 * self.idtp, 2 * self.idtp + self.idfp + self.idfn),
            "IDP": ratio(self.idtp, self.idtp + self.idfp),
            "IDR": ratio(self.idtp, self.idtp + self.idfn),
            "MOTA": ratio(self.tp - self.fp - self.switches, self.tp + self.fn),
            "HOTA": hota.mean(axis=-1),
            "DetA": detection.mean(axis=-1),
            "AssA": association.mean(axis=-1),
            "switches": self.switches,
            "fragments": self.fragments,
            "losses": self.losses,
            "switches_per_minute": ratio(60 * self.switches, self.seconds),
            "seconds_between_errors": self.tracked_seconds
            / np.maximum(self.switches + self.losses, 1),
        }

    def hota(self) -> tuple[ndarray, ndarray, ndarray]:
        """HOTA, DetA and AssA by threshold, each (B, A); NaN where there is no row at all."""
        rows = self.hota_tp + self.hota_fp + self.hota_fn
        detection = ratio(self.hota_tp, rows)
        association = np.where(rows > 0, self.association / np.maximum(self.hota_tp, 1), np.nan)
        return np.sqrt(detection * association), detection, association


def ratio(part: ndarray, whole: ndarray) -> ndarray:
    """Their ratio, NaN where the whole is 0."""
    return np.divide(part, np.where(whole == 0, np.nan, whole))


class TrackErrors(NamedTuple):
    """How the labelled animals of a video are tracked.

    Attributes:
        matched: (R,) the predicted animal that each row is matched with; -1 for none.
        switched: (R,) whether its track is another than when the individual was last matched.
        fragmented: (R,) whether it is matched again; see `IdentityCounts`.
        lost: (R,) whether it is no longer matched, having been so when last labelled.
    """

    matched: Int[ndarray, " truth"]
    switched: Bool[ndarray, " truth"]
    fragmented: Bool[ndarray, " truth"]
    lost: Bool[ndarray, " truth"]


def count_identities(
    frames: PairedFrames, *, fps: float | None = None, threshold: float = 0.5
) -> IdentityCounts:
    """Count what identities are judged by.

    A row that belongs to no track is a track of its own.

    Args:
        frames: The animals of one video, in all views; those of one name in two views count as two.
        fps: Frames per second.
        threshold: The similarity from which on animals match, but for HOTA.

    Raises:
        EvaluationError: A frame has several animals but a table names none, or an individual has
            two rows in a frame.
    """
    frames = frames.without_ignored(threshold)
    truth, found = _tracks_of(frames)
    rows, predictions = float(len(truth)), float(len(found))
    idtp = _best_rows(frames, truth, found, threshold)
    matched, *errors = track_errors(frames, threshold)
    tp = float((matched >= 0).sum())
    spacing = _seconds_per_frame(frames, fps)
    right, association = _hota(frames, truth, found)
    counts = (
        *(idtp, predictions - idtp, rows - idtp),
        *(tp, predictions - tp, rows - tp),
        *(float(error.sum()) for error in errors),
        *(spacing * len(frames.frames), spacing * tp),
        *(right, predictions - right, rows - right, association),
    )
    return IdentityCounts(*(np.asarray(count)[None] for count in counts))


def names_individuals(frames: PairedFrames) -> bool:
    """Whether identities can be judged: each table names animals, or has one in a frame at most."""
    parts = (
        (frames.truth, frames.truth_frame),
        (frames.predicted, frames.predicted_frame),
    )
    return all(_names(table) is not None or not (np.diff(f) == 0).any() for table, f in parts)


def _names(table: PoseTable) -> tuple[str | None, ...] | None:
    """The names of individuals; None where no row has one."""
    names = table.individual or ()
    return names if any(name is not None for name in names) else None


def _tracks_of(frames: PairedFrames) -> tuple[Int[ndarray, " truth"], Int[ndarray, " predicted"]]:
    """The number of the track of each labelled and each predicted animal."""
    return (
        _tracks(frames.truth, frames.truth_frame, "labelled"),
        _tracks(frames.predicted, frames.predicted_frame, "predicted"),
    )


def _tracks(table: PoseTable, frame: Int[ndarray, " rows"], what: str) -> Int[ndarray, " rows"]:
    """Numbers of tracks; those of one name in two views are two."""
    names, views = _names(table) or ("",) * len(table), table.view or ("",) * len(table)
    keys = [
        (view, row if name is None else name)
        for row, (view, name) in enumerate(zip(views, names, strict=True))
    ]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    tracks = np.array([numbers[key] for key in keys], np.int64)
    order = np.lexsort((tracks, frame))
    twice = (np.diff(tracks[order]) == 0) & (np.diff(frame[order]) == 0)
    if twice.any():
        row = int(order[1:][twice][0])
        problem = f"the {what} individual '{names[row]}' is there twice in frame {table.frame[row]}"
        if _names(table) is None:
            problem = (
                f"a frame has several {what} animals without names: which is which is not known"
            )
        raise EvaluationError(problem, where=table.place(row))
    return tracks


def _best_rows(frames: PairedFrames, truth: ndarray, found: ndarray, threshold: float) -> float:
    """How many rows are right at most if each individual stands for one track."""
    similar = frames.pairs[frames.similarity >= threshold].T
    if similar.size == 0:
        return 0.0
    rows, row = np.unique(truth[similar[0]], return_inverse=True)
    columns, column = np.unique(found[similar[1]], return_inverse=True)
    common = np.zeros((len(rows), len(columns)))
    np.add.at(common, (row, column), 1)
    return float(common[linear_sum_assignment(common, maximize=True)].sum())


def _continued_matches(
    frames: PairedFrames, truth: ndarray, found: ndarray, threshold: float
) -> Int[ndarray, " truth"]:
    """Matches of each frame that first continue those before, then are the most similar."""
    matched = np.full(len(truth), -1)
    track = np.full(int(truth.max(initial=-1)) + 1, -1)  # of each individual in the frame before
    for _, start, similarity in frames.matrices(frames.similarity):
        (first, second), shape = frames.pairs[start], similarity.shape
        mine = truth[first : first + shape[0]]
        theirs = found[second : second + shape[1]]
        value = _CONTINUED * (theirs == track[mine][:, None]) + similarity
        value[similarity < threshold - _EPS] = 0
        rows, columns = linear_sum_assignment(value, maximize=True)
        good = value[rows, columns] > _EPS
        rows, columns = rows[good], columns[good]
        matched[first + rows] = second + columns
        track[:] = -1
        track[mine[rows]] = theirs[columns]
    return matched


def track_errors(frames: PairedFrames, threshold: float = 0.5) -> TrackErrors:
    """Where tracks change, end and go on.

    Raises:
        EvaluationError: See `count_identities`.
    """
    truth, found = _tracks_of(frames)
    matched = _continued_matches(frames, truth, found, threshold)
    order = np.argsort(truth, kind="stable")
    own, hit = truth[order], matched[order] >= 0
    lost, switched, fragmented = np.zeros((3, len(truth)), bool)
    lost[order[1:]] = (np.diff(own) == 0) & hit[:-1] & ~hit[1:]
    both = np.intersect1d(frames.truth_frame, frames.predicted_frame)
    order, own = order[hit], own[hit]
    same = np.diff(own) == 0
    switched[order[1:]] = same & (np.diff(found[matched[order]]) != 0)
    step = np.searchsorted(both, frames.truth_frame[order])
    fragmented[order[1:]] = same & (np.diff(step) > 1)
    return TrackErrors(matched, switched, fragmented, lost)


def _seconds_per_frame(frames: PairedFrames, fps: float | None) -> float:
    """The time from one judged frame to the next; NaN where that is not known."""
    numbers = [frame for _, frame in frames.frames]
    if fps is None or not all(isinstance(number, int) for number in numbers):
        return float("nan")
    views = [view for view, _ in frames.frames]
    _, first, counts = np.unique(views, return_index=True, return_counts=True)
    spanned = np.array(numbers)[first + counts - 1] - np.array(numbers)[first] + 1
    return float(spanned.sum()) / fps / len(numbers) if numbers else 0.0


def _hota(
    frames: PairedFrames, truth: Int[ndarray, " truth"], found: Int[ndarray, " predicted"]
) -> tuple[Float[ndarray, " alphas"], Float[ndarray, " alphas"]]:
    """True positives and the sum of their association accuracies, by threshold."""
    similarity, (row, column) = frames.similarity, frames.pairs.T
    union = (
        np.bincount(row, similarity, len(truth))[row]
        + np.bincount(column, similarity, len(found))[column]
        - similarity
    )
    overlap = np.where(union > _EPS, similarity / np.where(union > _EPS, union, 1), 0)
    code = truth[row] * (int(found.max(initial=0)) + 1) + found[column]
    _, first, code = np.unique(code, return_index=True, return_inverse=True)
    common = np.bincount(code, overlap, len(first))
    rows = np.bincount(truth)[truth[row[first]]] + np.bincount(found)[found[column[first]]]
    chosen = frames.assigned((common / (rows - common))[code] * similarity)
    right = similarity[chosen] >= ALPHAS[:, None] - _EPS
    matches = np.stack([np.bincount(code[chosen[hit]], minlength=len(first)) for hit in right])
    association = matches**2 / np.maximum(rows - matches, 1)
    return right.sum(axis=1).astype(float), association.sum(axis=1)
