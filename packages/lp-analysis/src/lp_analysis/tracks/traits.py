"""What tells tracklets apart: how alike their builds and appearances are."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.tracks.exchanges import Likeness
from lp_analysis.tracks.similarity import PLAIN, AppearanceMetric, Learning


class Trait(NamedTuple):
    """One kind of vectors that tell individuals apart.

    Attributes:
        metric: Compares them.
        mean: (M, D) those of the tracklets, NaN where unknown.
        rows: (M,) from how many rows.
    """

    metric: AppearanceMetric
    mean: Float[ndarray, "tracklets features"]
    rows: Int[ndarray, " tracklets"]

    @classmethod
    def learned(
        cls,
        features: Float[ndarray, "rows features"],
        number: Int[ndarray, " rows"],
        frame: Int[ndarray, " rows"],
        tracklets: int,
        how: Learning = PLAIN,
    ) -> Trait:
        """Learn to tell tracklets apart by vectors of their rows.

        Args:
            features: Of some rows.
            number: The tracklet of each; negative where it is in none.
            frame: The frame of each.
            tracklets: M.
            how: To learn.
        """
        metric = AppearanceMetric.fit(features, number, frame, how)
        return cls(metric, *_means(features, number, tracklets))

    def along_axes(self) -> Trait:
        """The same with vectors that have only what tells individuals apart."""
        metric, axes = self.metric, len(self.metric.ratio)
        flat = replace(metric, centre=np.zeros(axes), axes=np.eye(axes))
        return Trait(flat, metric.projected(self.mean), self.rows)


def evidence_of(traits: list[Trait], links: Int[ndarray, "links 2"]) -> Float[ndarray, " links"]:
    """Nats for the two tracklets of each link being one individual."""
    one, two = links.T
    total = np.zeros(len(links))
    for metric, mean, rows in traits:
        total += metric.log_odds(mean[one], mean[two], (rows[one], rows[two]))
    return total


def likeness_of(traits: list[Trait]) -> Likeness:
    """How alike tracklets and the most usual of a group of them are, in nats."""

    def likeness(
        some: Int[ndarray, " some"], members: Int[ndarray, " _members"]
    ) -> Float[ndarray, " some"]:
        total = np.zeros(len(some))
        for metric, mean, rows in traits:
            usual = _weighted_median(mean[members], rows[members])
            counts = rows[some], np.full(len(some), rows[members].sum())
            total += metric.log_density(
                mean[some], np.broadcast_to(usual, mean[some].shape), counts
            )
        return total

    return likeness


def _weighted_median(
    values: Float[ndarray, "members features"], weight: Int[ndarray, " members"]
) -> Float[ndarray, " features"]:
    """What most rows are like, although some tracklets may be of another individual."""
    order = np.argsort(values, axis=0)
    ordered = np.take_along_axis(values, order, axis=0)
    share = np.cumsum(weight[order] * ~np.isnan(ordered), axis=0)
    middle = np.argmax(share >= share[-1:] / 2, axis=0)
    return np.take_along_axis(ordered, middle[None], axis=0)[0]


def _means(
    features: Float[ndarray, "rows features"], number: Int[ndarray, " rows"], tracklets: int
) -> tuple[Float[ndarray, "tracklets features"], Int[ndarray, " tracklets"]]:
    """(M, D) the mean vector of each tracklet, NaN where it is unknown, and its number of rows."""
    means = np.full((tracklets, features.shape[1]), np.nan)
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(tracklets + 1))
    for place, (start, stop) in enumerate(pairwise(starts.tolist())):
        own = features[order[start:stop]]
        known = ~np.isnan(own)
        count = known.sum(axis=0)
        total = np.where(known, own, 0).sum(axis=0)
        means[place] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means, np.diff(starts)
