"""Tracklets of all views that show one animal, as the best clustering of a graph.

Edges say how much more likely two tracklets are of one animal than of two, in nats; tracklets of
one view that share a frame are of two for certain. The clusters whose edges inside sum up to the
most are found by contracting the edge of the largest sum, until none is above 0 (greedy additive
edge contraction: Keuper et al. 2015, Efficient decomposition of image and mesh graphs by lifted
multicuts). Nothing is forced into a cluster.
"""

from __future__ import annotations

import heapq

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray


def clusters_of(
    nodes: int,
    edges: Int[ndarray, "edges 2"],
    weight: Float[ndarray, " edges"],
    apart: Int[ndarray, "pairs 2"],
) -> Int[ndarray, " nodes"]:
    """(M,) the cluster of each node, numbered in the order of their first nodes.

    Args:
        nodes: M of them.
        edges: Pairs of nodes; weights of repeated ones add up.
        weight: Nats by which the two rather belong together.
        apart: Pairs that are never in one cluster.
    """
    near = _neighbours(nodes, edges, weight, apart)
    parent = np.arange(nodes)
    heap = [
        (-value, one, two) for one in range(nodes) for two, value in near[one].items() if one < two
    ]
    heapq.heapify(heap)
    while heap:
        value, one, two = heapq.heappop(heap)
        if value >= 0:
            break
        if near[one].get(two) != -value:
            continue  # one of them was contracted, or the sum has changed
        gone, kept = sorted((one, two), key=lambda node: (len(near[node]), -node))
        parent[gone] = kept
        for other, more in near[gone].items():
            del near[other][gone]
            if other != kept:
                total = near[kept].get(other, 0.0) + more
                near[kept][other] = near[other][kept] = total
                heapq.heappush(heap, (-total, min(kept, other), max(kept, other)))
        near[gone] = {}
    return _numbered(parent)


def fewest_clusters(
    nodes: int,
    edges: Int[ndarray, "edges 2"],
    weight: Float[ndarray, " edges"],
    apart: Int[ndarray, "pairs 2"],
    most: int,
    least: float,
) -> Int[ndarray, " nodes"]:
    """(M,) the cluster of each node, as `clusters_of`, but joined further until few are left.

    Pairs of which nothing is known have the weight 0.

    Args:
        nodes: M of them; memory grows with their square.
        edges: Pairs of nodes; weights of repeated ones add up.
        weight: Nats by which the two rather belong together.
        apart: Pairs that are never in one cluster.
        most: Clusters from which on none are joined any more.
        least: Nats below which two are not joined, however many are left.
    """
    total = np.zeros((nodes, nodes))
    np.add.at(total, tuple(edges.T), weight)
    total += total.T
    total[tuple(apart.T)] = total[tuple(apart.T[::-1])] = -np.inf
    np.fill_diagonal(total, -np.inf)
    parent, alive = np.arange(nodes), nodes
    while alive > most:
        one, two = np.unravel_index(total.argmax(), total.shape)
        if total[one, two] < least:
            break
        kept, gone = sorted((int(one), int(two)))
        total[kept] += total[gone]
        total[:, kept] = total[kept]
        total[gone] = total[:, gone] = -np.inf
        total[kept, kept] = -np.inf
        parent[gone], alive = kept, alive - 1
    return _numbered(parent)


def _neighbours(
    nodes: int,
    edges: Int[ndarray, "edges 2"],
    weight: Float[ndarray, " edges"],
    apart: Int[ndarray, "pairs 2"],
) -> list[dict[int, float]]:
    """By node its neighbours, and the sums of the weights to them."""
    near: list[dict[int, float]] = [{} for _ in range(nodes)]
    for (one, two), value in zip(edges.tolist(), weight.tolist(), strict=True):
        near[one][two] = near[two][one] = near[one].get(two, 0.0) + value
    for one, two in apart.tolist():
        near[one][two] = near[two][one] = -np.inf
    return near


def _numbered(parent: Int[ndarray, " nodes"]) -> Int[ndarray, " nodes"]:
    """Clusters from the node that each was contracted into."""
    while True:
        further = parent[parent]
        if (further == parent).all():
            break
        parent = further
    _, first, number = np.unique(parent, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number]
