"""Points in space of predictions in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from lp_analysis.triangulation.reprojection import reproject
from lp_analysis.triangulation.tables import TriangulationOptions, triangulate_poses
from lp_core.batches import Prediction
from lp_core.geometry.cameras import Rig
from lp_core.poses import PoseTable, Skeleton
from lp_io.points3d import Points3D


class SessionPrediction(dict[str, Prediction]):
    """Predictions of the videos of a session, by view, and what they say in space.

    Attributes:
        points: Poses in space, a row for each frame of the session; None where its cameras are not
            calibrated.
        reprojected: By view, what the points say that each frame of its video shows, with the
            probability that it is near the truth; empty without points.
    """

    def __init__(self, views: Mapping[str, Prediction]) -> None:
        super().__init__(views)
        self.points: Points3D | None = None
        self.reprojected: dict[str, Prediction] = {}


def triangulate_predictions(
    rig: Rig | None,
    views: Mapping[str, Prediction],
    keypoint_names: Sequence[str],
    options: TriangulationOptions,
) -> SessionPrediction:
    """The predictions of a session of one animal with its points in space.

    Args:
        rig: The cameras; more than there are views may be in it. None makes no points.
        views: By view, a row for each frame of its video.
        keypoint_names: K names.
        options: How they are put together.

    Raises:
        CameraError: The rig has no camera of a view.
    """
    found = SessionPrediction(views)
    if rig is None:
        return found
    own = rig.subset(list(views))
    offsets = [(options.offsets or {}).get(view, 0) for view in views]
    lengths = [len(each.keypoints) for each in views.values()]
    frames = max(length - offset for length, offset in zip(lengths, offsets, strict=True))
    shape = (len(views), frames, len(keypoint_names))
    seen, sure = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    for row, (view, offset) in enumerate(zip(views, offsets, strict=True)):
        known = views[view].confidences[max(offset, 0) :].double().numpy()
        confidence = (options.confidences or {}).get(view)
        place = slice(max(-offset, 0), max(-offset, 0) + len(known))
        seen[row, place] = views[view].keypoints[max(offset, 0) :].double().numpy()
        sure[row, place] = known if confidence is None else confidence(known)
    table = PoseTable(
        Skeleton(tuple(keypoint_names)), np.full((*shape[1:], 3), np.nan), tuple(range(frames))
    )
    found.points, _ = triangulate_poses(own, seen, sure, table, options)
    space = found.points.table
    assert space.covariance is not None  # triangulated points have one
    shown = reproject(own, space.points, space.covariance, options.radius)
    for row, (view, offset) in enumerate(zip(views, offsets, strict=True)):
        wanted = np.arange(lengths[row]) - offset
        there = (wanted >= 0) & (wanted < frames)
        points = np.full((len(wanted), shape[2], 2), np.nan)
        likelihood = np.zeros((len(wanted), shape[2]))
        points[there] = shown.points[row][wanted[there]]
        likelihood[there] = shown.likelihood[row][wanted[there]]
        values = torch.from_numpy(points).float(), torch.from_numpy(likelihood).float()
        found.reprojected[view] = Prediction(*values)
    return found
