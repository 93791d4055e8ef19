"""What tells tracklets apart: how alike their builds and appearances are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from lp_analysis.tracks.exchanges import Likeness
from lp_analysis.tracks.similarity import AppearanceMetric
from lp_analysis.tracks.tracklets import Tracklets


class Trait(NamedTuple):
    """One kind of vectors that tell individuals apart.

    Attributes:
        metric: Compares them.
        mean: (M, D) those of the tracklets, NaN where unknown.
    """

    metric: AppearanceMetric
    mean: Float[ndarray, "tracklets features"]


def evidence_of(
    tracklets: Tracklets, traits: list[Trait], links: Int[ndarray, "links 2"]
) -> Float[ndarray, " links"]:
    """Nats for the two tracklets of each link being one individual."""
    one, two = links.T
    rows = tracklets.count[one], tracklets.count[two]
    total = np.zeros(len(links))
    for metric, mean in traits:
        total += metric.log_odds(mean[one], mean[two], rows)
    return total


def likeness_of(tracklets: Tracklets, traits: list[Trait]) -> Likeness:
    """How alike tracklets and the most usual of a group of them are, in nats."""

    def likeness(
        some: Int[ndarray, " some"], members: Int[ndarray, " _members"]
    ) -> Float[ndarray, " some"]:
        rows = tracklets.count[members]
        counts = tracklets.count[some], np.full(len(some), rows.sum())
        total = np.zeros(len(some))
        for metric, mean in traits:
            usual = np.broadcast_to(_weighted_median(mean[members], rows), mean[some].shape)
            total += metric.log_density(mean[some], usual, counts)
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


def means_of(
    features: Float[ndarray, "rows features"], tracklets: Tracklets
) -> Float[ndarray, "tracklets features"]:
    """(M, D) the mean vector of each tracklet, NaN where it is unknown."""
    means = np.full((len(tracklets), features.shape[1]), np.nan)
    for place, rows in enumerate(tracklets.rows):
        known = ~np.isnan(features[rows])
        count = known.sum(axis=0)
        total = np.where(known, features[rows], 0).sum(axis=0)
        means[place] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return means
