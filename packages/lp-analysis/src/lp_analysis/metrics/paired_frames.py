"""Labelled and predicted animals of the same frames, each with each, as all metrics need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy import ndarray
from scipy.optimize import linear_sum_assignment

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.oks import COCO_SIGMA, animal_areas, has_position, oks
from lp_core.poses import PoseTable, confidence_of
from lp_core.poses.grid import SINGLE

_BLOCK = 2**21  # keypoints of pairs at once


class Regions(NamedTuple):
    """What annotations say of the rows of a table of labels beyond their keypoints.

    Attributes:
        areas: (R,) px², such as that of a mask; NaN where not annotated.
        boxes: (R, 4) x, y, width and height in frame px; NaN where not annotated. The area of a row
            without one is that of its box.
        ignored: (R,) True where a prediction is neither right nor wrong, such as in a crowd;
            several predictions may match such a row.
    """

    areas: Float[ndarray, " rows"] | None = None
    boxes: Float[ndarray, "rows 4"] | None = None
    ignored: Bool[ndarray, " rows"] | None = None


@dataclass(frozen=True, eq=False)
class PairedFrames:
    """The animals of F frames that are labelled, and what was predicted in them.

    The order does not depend on that of the tables: by view and frame, in it predictions by falling
    score; where scores are equal, by the mean position.

    Attributes:
        truth: R labelled animals; positions are NaN where not labelled.
        predicted: P predicted animals of these frames, with the same keypoints.
        scores: (P,) how certain each predicted animal is; NaN where it is not said.
        truth_frame: (R,) the number of each row's frame, from 0 to F - 1, ascending.
        predicted_frame: (P,) likewise.
        ignored: (R,) rows without a labelled keypoint, and those that the annotations ignore.
        crowd: (R,) those that the annotations ignore.
        frames: F times the view and the frame.
        pairs: (N, 2) rows of `truth` and of `predicted`, all pairs of each frame; by frame, then by
            row of `truth`.
        similarity: (N,) object keypoint similarity.
    """

    truth: PoseTable
    predicted: PoseTable
    scores: Float[ndarray, " predicted"]
    truth_frame: Int[ndarray, " truth"]
    predicted_frame: Int[ndarray, " predicted"]
    ignored: Bool[ndarray, " truth"]
    crowd: Bool[ndarray, " truth"]
    frames: tuple[tuple[str, str | int], ...]
    pairs: Int[ndarray, "pairs 2"]
    similarity: Float[ndarray, " pairs"]

    @property
    def unranked(self) -> int:
        """How many predicted animals have neither a score nor confidences."""
        return int(np.isnan(self.scores).sum())

    def matrices(
        self, values: Float[ndarray, " pairs"]
    ) -> Iterator[tuple[int, int, Float[ndarray, "truths predictions"]]]:
        """Each frame with a pair: its number, that of its first pair, and its values."""
        first, counts = self.pair_starts
        shapes = np.stack([self._counts(self.truth_frame), self._counts(self.predicted_frame)], 1)
        for frame in np.flatnonzero(counts).tolist():
            start = first[frame]
            yield frame, start, values[start : start + counts[frame]].reshape(shapes[frame])

    @property
    def pair_starts(self) -> tuple[Int[ndarray, " frames"], Int[ndarray, " frames"]]:
        """The number of the first pair of each frame, and how many it has."""
        counts = self._counts(self.truth_frame) * self._counts(self.predicted_frame)
        return np.cumsum(counts) - counts, counts

    def _counts(self, frame: Int[ndarray, " some"]) -> Int[ndarray, " frames"]:
        return np.bincount(frame, minlength=len(self.frames))

    def assigned(self, values: Float[ndarray, " pairs"]) -> Int[ndarray, " chosen"]:
        """Numbers of the pairs of the assignment with the largest sum of values, frame by frame."""
        chosen = [np.zeros(0, np.int64)]
        for _, start, matrix in self.matrices(values):
            rows, columns = linear_sum_assignment(matrix, maximize=True)
            chosen.append(start + rows * matrix.shape[1] + columns)
        return np.concatenate(chosen)

    def without_ignored(self, threshold: float = 0.5) -> PairedFrames:
        """Without rows to ignore, and predictions that match such a row at best."""
        if not self.ignored.any():
            return self
        return self._only(~self.ignored, ~self.beside(threshold))

    def beside(self, threshold: float = 0.5) -> Bool[ndarray, " predicted"]:
        """Predictions that match a row to ignore, and no other."""
        ignored = self.ignored[self.pairs[:, 0]]
        beside = np.zeros(len(self.predicted), bool)
        beside[self.pairs[ignored & (self.similarity >= threshold), 1]] = True
        judged = replace(self, similarity=np.where(ignored, 0, self.similarity))
        matched = judged.matches(threshold)
        beside[matched[matched >= 0]] = False
        return beside

    def _only(
        self, truth: Bool[ndarray, " truth"], predicted: Bool[ndarray, " predicted"]
    ) -> PairedFrames:
        kept = truth[self.pairs[:, 0]] & predicted[self.pairs[:, 1]]
        number = np.cumsum(truth) - 1, np.cumsum(predicted) - 1
        return replace(
            self,
            truth=self.truth.rows(np.flatnonzero(truth)),
            predicted=self.predicted.rows(np.flatnonzero(predicted)),
            scores=self.scores[predicted],
            truth_frame=self.truth_frame[truth],
            predicted_frame=self.predicted_frame[predicted],
            ignored=self.ignored[truth],
            crowd=self.crowd[truth],
            pairs=np.stack([n[p] for n, p in zip(number, self.pairs[kept].T, strict=True)], axis=1),
            similarity=self.similarity[kept],
        )

    def matches(self, threshold: float = 0.5) -> Int[ndarray, " truth"]:
        """For each labelled animal the predicted one that it is matched with, -1 for none.

        Only pairs with at least that similarity are matched, and so that its sum is the largest.
        """
        good = np.where(self.similarity >= threshold, self.similarity, 0.0)
        chosen = self.assigned(good)
        matched = np.full(len(self.truth), -1)
        rows, columns = self.pairs[chosen[good[chosen] > 0]].T
        matched[rows] = columns
        return matched


def pair_frames(
    truth: PoseTable,
    predicted: PoseTable,
    *,
    sigmas: float | Sequence[float] | Float[ndarray, " keypoints"] = COCO_SIGMA,
    regions: Regions | None = None,
    body_length: float | None = None,
) -> PairedFrames:
    """Pair the labelled animals with the predicted ones of the same view and frame.

    Frames that `truth` does not list are not judged; a frame without an animal is listed by a row
    without positions. Frames named by numbers, as in label files of videos, are those numbers.
    Keypoints are joined by name; predictions may have more.

    Args:
        truth: One or several animals. Keypoints that exist once in the scene, DeepLabCut's animal
            ``single``, are left out beside other animals, as they are of `predicted`.
        predicted: Rows without a `score` have the mean confidence of their keypoints for one.
        sigmas: The tolerance of each keypoint, or of all; see `oks`.
        regions: Annotated areas, boxes and ignored rows; without areas see `animal_areas`.
        body_length: In frame px, for animals whose keypoints do not tell their size.

    Raises:
        EvaluationError: A keypoint is not predicted or has no tolerance, the labels tell no size,
            or one table is of images and the other of frame numbers.
    """
    truth, predicted = _numbered(truth), _numbered(predicted)
    _check(truth, predicted, sigmas)
    tolerances = np.full(truth.num_keypoints, sigmas, np.float64)
    predicted = predicted.select_keypoints(truth.keypoint_names)
    areas, boxes, crowd = regions or Regions()
    labels = np.where((truth.codes > 0)[..., None], truth.points, np.nan).astype(np.float64)
    known = np.any(has_position(labels), axis=1)
    if boxes is not None:
        known |= np.isfinite(boxes).all(axis=1)
    listed = _keys(truth)
    frames = tuple(sorted(dict.fromkeys(listed)))
    number = {frame: place for place, frame in enumerate(frames)}
    frame = np.array([number[key] for key in listed], np.int64)
    rows = _animals(truth, known)
    rows = rows[np.lexsort((*mean_positions(labels[rows]), frame[rows]))]
    labels, frame = labels[rows], frame[rows]
    boxes = None if boxes is None else boxes[rows]
    sizes = _areas(labels, None if areas is None else areas[rows], boxes, body_length)
    ignored = np.zeros(len(rows), bool) if crowd is None else crowd[rows]
    found, scores, found_frame = _ranked(predicted, number)
    points = predicted.points[found].astype(np.float64)
    pairs = all_pairs(frame, found_frame, len(frames))
    return PairedFrames(
        truth=replace(truth.rows(rows), points=labels),
        predicted=predicted.rows(found),
        scores=scores,
        truth_frame=frame,
        predicted_frame=found_frame,
        ignored=ignored | ~has_position(labels).any(axis=1),
        crowd=ignored,
        frames=frames,
        pairs=pairs,
        similarity=_similarity(labels, points, sizes, boxes, pairs, tolerances),
    )


def _numbered(table: PoseTable) -> PoseTable:
    """The same with frame numbers, if all frames are named by such."""
    if all(isinstance(frame, str) and frame.isdecimal() for frame in table.frame):
        return replace(table, frame=tuple(map(int, table.frame)))
    return table


def _check(
    truth: PoseTable, predicted: PoseTable, sigmas: float | Sequence[float] | ndarray
) -> None:
    if {truth.points.shape[-1], predicted.points.shape[-1]} != {2}:
        raise EvaluationError("animals are compared in the frame, not in world units")
    if len(predicted) and set(map(type, truth.frame)) != set(map(type, predicted.frame)):
        raise EvaluationError(
            "one table is of images, and the other of the frame numbers of a video",
            remedy="compare tables of the same images, or of the same video",
        )
    if np.size(sigmas) not in (1, truth.num_keypoints):
        raise EvaluationError(
            f"{np.size(sigmas)} tolerances do not go with {truth.num_keypoints} keypoints"
        )
    missing = [name for name in truth.keypoint_names if name not in predicted.keypoint_names]
    if missing:
        raise EvaluationError(f"there is no prediction of the keypoint '{missing[0]}'")


def _keys(table: PoseTable) -> list[tuple[str, str | int]]:
    """The view and the frame of each row."""
    views = [""] * len(table) if table.view is None else [view or "" for view in table.view]
    return list(zip(views, table.frame, strict=True))


def _animals(table: PoseTable, known: Bool[ndarray, " rows"]) -> Int[ndarray, " animals"]:
    """The rows of animals among those of which anything is known."""
    names = table.individual or ()
    if any(name not in (SINGLE, None) for name in names):
        known = known & np.array([name != SINGLE for name in names], bool)
    return np.flatnonzero(known)


def mean_positions(points: Float[ndarray, "rows keypoints 2"]) -> Float[ndarray, "2 rows"]:
    """The x and y of the mean position of each row."""
    count = np.isfinite(points).sum(axis=1)
    return (np.nan_to_num(points).sum(axis=1) / np.maximum(count, 1)).T


def _ranked(
    predicted: PoseTable, number: dict[tuple[str, str | int], int]
) -> tuple[Int[ndarray, " found"], Float[ndarray, " found"], Int[ndarray, " found"]]:
    """Rows of predicted animals in judged frames by frame and score, the score and the frame."""
    rows = _animals(predicted, np.any(has_position(predicted.points), axis=1))
    frame = np.array([number.get(key, -1) for key in _keys(predicted)], np.int64)[rows]
    rows, frame = rows[frame >= 0], frame[frame >= 0]
    scores = row_scores(predicted)[rows]
    order = np.lexsort((*mean_positions(predicted.points[rows]), -scores, frame))
    return rows[order], scores[order], frame[order]


def row_scores(table: PoseTable) -> Float[ndarray, " rows"]:
    """(R,) how certain each animal is: its score, else the mean confidence of its keypoints."""
    confidence = confidence_of(table).astype(np.float64)
    known = np.isfinite(confidence) & has_position(table.points)
    count = np.where(known.any(axis=1), known.sum(axis=1), np.nan)
    means = np.where(known, confidence, 0).sum(axis=1) / count
    return means if table.score is None else np.where(np.isfinite(table.score), table.score, means)


def all_pairs(
    truth_frame: Int[ndarray, " truth"], predicted_frame: Int[ndarray, " predicted"], frames: int
) -> Int[ndarray, "pairs 2"]:
    """All pairs of rows of the same frame, for rows of two tables in the order of their frames."""
    partners = np.bincount(predicted_frame, minlength=frames)
    first = (np.cumsum(partners) - partners)[truth_frame]
    counts = partners[truth_frame]
    row = np.repeat(np.arange(len(truth_frame)), counts)
    within = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.stack([row, first[row] + within], axis=1)


def _areas(
    labels: Float[ndarray, "rows keypoints 2"],
    annotated: Float[ndarray, " rows"] | None,
    boxes: Float[ndarray, "rows 4"] | None,
    length: float | None,
) -> Float[ndarray, " rows"]:
    """Annotated areas, else those of boxes, else those that the keypoints tell."""
    areas = np.full(len(labels), np.nan) if annotated is None else annotated.astype(np.float64)
    if boxes is not None:
        areas = np.where(np.isfinite(areas), areas, boxes[:, 2] * boxes[:, 3])
    if np.isfinite(areas).all():
        return areas
    return np.where(np.isfinite(areas), areas, animal_areas(labels, length))


def _similarity(
    labels: Float[ndarray, "rows keypoints 2"],
    predicted: Float[ndarray, "predicted keypoints 2"],
    areas: Float[ndarray, " rows"],
    boxes: Float[ndarray, "rows 4"] | None,
    pairs: Int[ndarray, "pairs 2"],
    sigmas: Float[ndarray, " keypoints"],
) -> Float[ndarray, " pairs"]:
    """The similarity of each pair; to a row without keypoints, that to its box, doubled."""
    parts = [np.zeros(0)]
    step = max(1, _BLOCK // max(labels.shape[1], 1))
    for some in (pairs[start : start + step].T for start in range(0, len(pairs), step)):
        true, found = labels[some[0]], predicted[some[1]]
        if boxes is not None:
            low, size = np.split(boxes[some[0]][:, None], 2, axis=-1)
            hidden = ~np.any(has_position(true), axis=1)[:, None, None]
            true = np.where(hidden, np.clip(found, low - size, low + 2 * size), true)
        parts.append(oks(true, found, areas[some[0]], sigmas))
    return np.concatenate(parts)
