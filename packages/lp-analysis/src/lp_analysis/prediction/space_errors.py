"""Predictions of labelled frames of calibrated cameras against their labels, in space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.metric_files import MetricTable, metric_path, write_metric_file
from lp_analysis.metrics.summary import PixelErrorSummary, write_pixel_error_summary
from lp_analysis.prediction.space import SpaceOptions
from lp_analysis.triangulation import (
    BoneLength,
    LabelRigs,
    TriangulationOptions,
    bone_lengths,
    leave_one_view_out,
    triangulate_poses,
    world_error,
)
from lp_analysis.triangulation.label_files import ViewLabels, by_moment
from lp_core.geometry.cameras import Rig, project
from lp_core.poses import PoseTable, Skeleton, confidence_of
from lp_core.poses.csv_text import write_csv
from lp_data.sessions import ViewNames
from lp_io.checkpoint import Manifest
from lp_io.model_directory import CAMERAS, PREDICTIONS, VIEWS, of_view

SPACE_SUMMARY = "points3d_error_summary.csv"
BONES = "bone_lengths.csv"


@dataclass(frozen=True, eq=False)
class SpaceErrors:
    """How far predictions are from labels in space, R rows of K keypoints seen by V views.

    Attributes:
        views: V names.
        skeleton: The keypoints.
        labels: The rows: what belongs together, and which images they are of.
        sets: R names of splits.
        unit: Of lengths in space, such as ``mm``.
        truth: (R, K, 3) triangulated labels in world units; NaN where fewer than two views have
            one.
        points: (R, K, 3) triangulated predictions.
        own: (V, R, K) distance in frame px between the label and the prediction of a view.
        reprojected: (V, R, K) between the label and the triangulated prediction, projected back.
        left_out: (V, R, K) between the prediction of a view and what the others say of it.
        visible: (V, R, K) whether a label is of a keypoint that the view shows.
    """

    views: tuple[str, ...]
    skeleton: Skeleton
    labels: ViewLabels
    sets: tuple[str, ...]
    unit: str
    truth: Float[ndarray, "rows keypoints 3"]
    points: Float[ndarray, "rows keypoints 3"]
    own: Float[ndarray, "views rows keypoints"]
    reprojected: Float[ndarray, "views rows keypoints"]
    left_out: Float[ndarray, "views rows keypoints"]
    visible: Bool[ndarray, "views rows keypoints"]

    @property
    def errors(self) -> Float[ndarray, "rows keypoints"]:
        """(R, K) distances in space, NaN where labels or predictions have no point."""
        return world_error(self.points, self.truth)

    @property
    def table(self) -> MetricTable:
        """`errors` with their rows, which are frames without a view, and their splits."""
        names = self.labels.table.individual or (None,) * len(self.sets)
        frames = zip(self.labels.table.image_paths, names, strict=True)
        index = tuple(f"{frame} ({name})" if name else frame for frame, name in frames)
        return MetricTable(self.skeleton.names, index, self.errors, self.sets)

    def of_view(self, view: int, values: Float[ndarray, "views rows keypoints"]) -> MetricTable:
        """A metric of one view, of the rows that it has an image of."""
        name = self.views[view]
        rows = np.flatnonzero(self.labels.places[view] >= 0).tolist()
        images = tuple(self.labels.images[row][name] for row in rows)
        sets = tuple(self.sets[row] for row in rows)
        return MetricTable(self.skeleton.names, images, values[view, rows], sets)

    @property
    def bones(self) -> list[tuple[BoneLength, BoneLength]]:
        """Each bone as labels and as predictions have it, in the rows that labels have it in."""
        known = np.where(np.isfinite(self.truth), self.points, np.nan)
        pairs = (bone_lengths(self.skeleton, each) for each in (self.truth, known))
        return list(zip(*pairs, strict=True))


def space_errors(
    labels: PoseTable,
    predictions: PoseTable,
    views: ViewNames,
    rigs: LabelRigs,
    options: TriangulationOptions | None = None,
    skeleton: Skeleton | None = None,
) -> SpaceErrors | None:
    """Triangulate labels and predictions of the same rows, and compare them.

    Args:
        labels: Of all views.
        predictions: The same rows, with confidences and a split.
        views: The views.
        rigs: The cameras of each frame; frames without are left out.
        options: How predictions are put together. Labels count equally, those of hidden keypoints
            half.
        skeleton: The same keypoints with their edges; None takes that of the labels.

    Returns:
        None where no labelled keypoint has a point, or animals of several have no names.

    Raises:
        SessionError: The path of an image does not say its view.
    """
    if labels.individual is not None and None in labels.individual:
        return None
    options = options or TriangulationOptions()
    rows = by_moment(labels, views)
    numbers = [rigs.number(frame) for frame in rows.table.image_paths]
    shape = (len(views), len(numbers), len(labels.skeleton))
    seen, sure = _placed(predictions, rows, views, options)
    truth, points = np.full((2, *shape[1:], 3), np.nan)
    own = np.linalg.norm(seen - rows.points, axis=-1)
    shown, left_out = np.full((*shape, 2), np.nan), np.full(shape, np.nan)
    for number, rig in enumerate(rigs.rigs):
        chosen = [row for row, of in enumerate(numbers) if of == number]
        if not chosen:
            continue
        table, labelled = rows.table.rows(chosen), rows.points[:, chosen]
        kept, _ = triangulate_poses(rig, labelled, rows.weights[:, chosen], table)
        found, _ = triangulate_poses(rig, seen[:, chosen], sure[:, chosen], table, options)
        truth[chosen], points[chosen] = kept.table.points, found.table.points
        shown[:, chosen] = project(rig, found.table.points)
        left_out[:, chosen] = _left_out(rig, seen[:, chosen], sure[:, chosen], options)
    if not np.isfinite(truth).any():
        return None
    return SpaceErrors(
        views.names,
        skeleton or labels.skeleton,
        rows,
        _sets(predictions, rows),
        next((rig.unit for rig in rigs.rigs if rig.unit), ""),
        truth,
        points,
        own,
        np.linalg.norm(shown - rows.points, axis=-1),
        left_out,
        rows.weights == 1,
    )


def errors_of_model(
    manifest: Manifest, labels: PoseTable, predictions: PoseTable
) -> SpaceErrors | None:
    """`space_errors` of a model's predictions, with the cameras that its manifest keeps.

    Returns:
        None also where it was trained on one camera, or without calibrations.

    Raises:
        LPError: What the manifest says is damaged.
    """
    views = ViewNames.from_dict(manifest.extra.get(VIEWS))
    rigs = LabelRigs.from_dict(manifest.extra.get(CAMERAS))
    if views is None or rigs is None:
        return None
    options = SpaceOptions.of_model(manifest).of_views(views.names, None)
    return space_errors(labels, predictions, views, rigs, options, manifest.skeleton)


def _placed(
    predictions: PoseTable, rows: ViewLabels, views: ViewNames, options: TriangulationOptions
) -> tuple[Float[ndarray, "views rows keypoints 2"], Float[ndarray, "views rows keypoints"]]:
    """Predictions and their confidences where the labels of the same rows are; NaN elsewhere."""
    there = rows.places >= 0
    seen = np.where(there[..., None, None], predictions.points[rows.places], np.nan)
    sure = np.where(there[..., None], confidence_of(predictions)[rows.places], np.nan)
    for place, view in enumerate(views.names):
        if confidence := (options.confidences or {}).get(view):
            sure[place] = confidence(sure[place])
    return seen, sure


def _left_out(
    rig: Rig,
    seen: Float[ndarray, "views rows keypoints 2"],
    sure: Float[ndarray, "views rows keypoints"],
    options: TriangulationOptions,
) -> Float[ndarray, "views rows keypoints"]:
    weights = np.nan_to_num(sure, nan=0.0).reshape(len(rig), -1)
    found = leave_one_view_out(rig, seen.reshape(len(rig), -1, 2), weights, noise=options.noise)
    return found.reshape(sure.shape)


def _sets(predictions: PoseTable, rows: ViewLabels) -> tuple[str, ...]:
    """The split of each row, which all of its views are in."""
    split = predictions.split or ("",) * len(predictions)
    return tuple(split[place] for place in rows.places.max(axis=0).tolist())


def write_space_errors(errors: SpaceErrors | None, folder: Path) -> list[Path]:
    """Write what `SpaceErrors` tells into a model directory; nothing of None.

    ``predictions_points3d_error.csv`` has a row for each frame, and ``points3d_error_summary.csv``
    their statistics, in world units; ``predictions_<view>_reprojected_error.csv`` and
    ``predictions_<view>_leave_one_out_error.csv`` are in frame px; ``bone_lengths.csv`` has the
    bones of the skeleton, if it has any.

    Raises:
        EvaluationError: A file cannot be written.
    """
    if errors is None:
        return []
    table, base = errors.table, folder / PREDICTIONS
    files: dict[Path, MetricTable] = {metric_path(base, "points3d_error"): table}
    for view, name in enumerate(errors.views):
        path = of_view(base, name)
        files[metric_path(path, "reprojected_error")] = errors.of_view(view, errors.reprojected)
        files[metric_path(path, "leave_one_out_error")] = errors.of_view(view, errors.left_out)
    for path, values in files.items():
        write_metric_file(values, path)
    summary = PixelErrorSummary.from_errors(table.values, table.keypoint_names, errors.sets)
    write_pixel_error_summary(summary, folder / SPACE_SUMMARY)
    paths = [*files, folder / SPACE_SUMMARY]
    if errors.skeleton.edges:
        write_csv(folder / BONES, _bone_rows(errors), EvaluationError, "the lengths of bones")
        paths.append(folder / BONES)
    return paths


def _bone_rows(errors: SpaceErrors) -> Iterator[list[str | int]]:
    numbers = ("mean", "standard_deviation", "frames")
    yield ["first", "second", *(f"{of}_{n}" for of in ("labelled", "predicted") for n in numbers)]
    for labelled, predicted in errors.bones:
        cells: list[str | int] = [*labelled.bone]
        for bone in (labelled, predicted):
            cells += [_number(bone.mean), _number(bone.deviation), bone.rows]
        yield cells


def _number(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else ""


HELD_OUT = ("validation", "test")
"""The splits of frames that were not trained on."""


def view_statistics(errors: SpaceErrors, sets: Sequence[str]) -> dict[str, dict[str, float]]:
    """By view the mean errors in frame px in the frames of some splits.

    They are those of the views' own predictions and of the reprojected points, of visible and of
    hidden labels, and those of the predictions against what the other views say.
    """
    rows = np.isin(np.array(errors.sets), list(sets))
    hidden = ~errors.visible
    found = {}
    for view, name in enumerate(errors.views):
        own, shown = errors.own[view, rows], errors.reprojected[view, rows]
        both = np.isfinite(own) & np.isfinite(shown)
        seen, not_seen = both & ~hidden[view, rows], both & hidden[view, rows]
        found[name] = {
            "own, visible": _mean(own[seen]),
            "reprojected, visible": _mean(shown[seen]),
            "own, hidden": _mean(own[not_seen]),
            "reprojected, hidden": _mean(shown[not_seen]),
            "against the other views": _mean(errors.left_out[view, rows]),
        }
    return found


def _mean(values: Float[ndarray, ...]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
