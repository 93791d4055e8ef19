"""Compare the pixel errors of groups of models, with intervals over seeds and frames.

The interval is that of a bootstrap: in each resample, models are drawn with replacement from their
group, and frames with replacement from all frames, independently of each other (the pigeonhole
bootstrap: Owen, Annals of Applied Statistics 1, 2007); its ends are percentiles. A frame is drawn
as often for one model as for any other that has it, so that differences between groups are not
blurred by frames that are hard for every model. Frames count as independent, which flatters
intervals where many of them come from few videos.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.bootstrap import Interval, interval, times_drawn
from lp_analysis.metrics.metric_files import MetricTable

Draws = Float[ndarray, "resamples quantities"]

_BLOCK = 4_000_000  # weights of frames at once


@dataclass(frozen=True)
class GroupErrors:
    """The pixel error of one group of models.

    Attributes:
        name: Of the group.
        models: How many.
        frames: How many different frames they are judged on.
        points: Labelled keypoints of those frames, once per model.
        points_per_keypoint: The same of each of K keypoints.
        overall: Over all keypoints.
        per_keypoint: Of each of K keypoints.
        difference: Overall, less that of the first group; None for the first group.
    """

    name: str
    models: int
    frames: int
    points: int
    points_per_keypoint: tuple[int, ...]
    overall: Interval
    per_keypoint: tuple[Interval, ...]
    difference: Interval | None


@dataclass(frozen=True)
class Comparison:
    """Groups of models side by side.

    Attributes:
        keypoint_names: K names.
        groups: In the order asked for.
        same_frames: Whether all are judged on the same frames.
    """

    keypoint_names: tuple[str, ...]
    groups: tuple[GroupErrors, ...]
    same_frames: bool


def compare_groups(
    groups: Mapping[str, Sequence[MetricTable]], *, resamples: int = 2000, seed: int = 0
) -> Comparison:
    """Compare groups of models.

    Args:
        groups: For each group's name, the pixel errors of its models, all with the same keypoints.
            A frame of the same name in several tables is the same frame.
        resamples: Of the bootstrap.
        seed: Of the bootstrap.

    Raises:
        EvaluationError: There is no group, a group without a model, or keypoints differ.
    """
    tables = [table for models in groups.values() for table in models]
    if not tables or not all(groups.values()):
        raise EvaluationError("there is nothing to compare")
    if len({table.keypoint_names for table in tables}) > 1:
        raise EvaluationError("the models do not have the same keypoints")
    same = len({table.index for table in tables}) == 1
    means = {name: _means(models) for name, models in groups.items()}
    draws = _resampled(groups, resamples, np.random.default_rng(seed))
    first = next(iter(groups))
    results = []
    for name, models in groups.items():
        intervals = [
            interval(*pair) for pair in zip(means[name].tolist(), draws[name].T, strict=True)
        ]
        points = sum(np.isfinite(table.values).sum(axis=0) for table in models)
        difference = None
        if name != first:
            gap = float(means[name][-1] - means[first][-1])
            difference = interval(gap, draws[name][:, -1] - draws[first][:, -1])
        results.append(
            GroupErrors(
                name=name,
                models=len(models),
                frames=len({image for table in models for image in table.index}),
                points=int(points.sum()),
                points_per_keypoint=tuple(points.tolist()),
                overall=intervals[-1],
                per_keypoint=tuple(intervals[:-1]),
                difference=difference,
            )
        )
    return Comparison(tables[0].keypoint_names, tuple(results), same)


def _means(models: Sequence[MetricTable]) -> Float[ndarray, " quantities"]:
    """Means of each keypoint and of all, over the points of all models."""
    sums = sum(_totals(np.nan_to_num(table.values)).sum(axis=0) for table in models)
    counts = sum(_totals(np.isfinite(table.values)).sum(axis=0) for table in models)
    with np.errstate(invalid="ignore"):
        return np.divide(sums, counts)


def _totals(values: ndarray) -> Float[ndarray, "rows quantities"]:
    """The values of each keypoint, and behind them their sum."""
    return np.column_stack([values, values.sum(axis=1)]).astype(np.float64)


def _resampled(
    groups: Mapping[str, Sequence[MetricTable]], resamples: int, random: np.random.Generator
) -> dict[str, Draws]:
    """Means of each keypoint and of all in each resample, by group."""
    tables = [table for models in groups.values() for table in models]
    images = dict.fromkeys(image for table in tables for image in table.index)
    places = {image: place for place, image in enumerate(images)}
    drawn: dict[str, list[Draws]] = {name: [] for name in groups}
    for count in _blocks(resamples, len(places)):
        frames = times_drawn(random, len(places), count)
        for name, models in groups.items():
            votes = times_drawn(random, len(models), count)
            drawn[name].append(_one_block(models, votes, frames, places))
    return {name: np.concatenate(parts) for name, parts in drawn.items()}


def _one_block(
    models: Sequence[MetricTable],
    votes: Float[ndarray, "resamples models"],
    frames: Float[ndarray, "resamples frames"],
    places: Mapping[str, int],
) -> Draws:
    sums = counts = np.zeros((1, 1))
    for model, table in enumerate(models):
        weights = frames[:, [places[image] for image in table.index]]
        vote = votes[:, model : model + 1]
        sums = sums + vote * (weights @ _totals(np.nan_to_num(table.values)))
        counts = counts + vote * (weights @ _totals(np.isfinite(table.values)))
    with np.errstate(invalid="ignore"):
        means: Draws = sums / counts
    return means


def _blocks(resamples: int, frames: int) -> Iterator[int]:
    """Resamples to do at once, so that memory stays bounded."""
    size = max(1, _BLOCK // frames)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)


def over_what(comparison: Comparison) -> str:
    """What the intervals are about: several models of a group tell about seeds, one does not."""
    several = [group.models > 1 for group in comparison.groups]
    if all(several):
        return "seeds and frames"
    return "frames, and seeds where a group has several models" if any(several) else "frames"
