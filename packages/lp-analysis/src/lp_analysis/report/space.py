"""Tables of a report on points in space."""

from __future__ import annotations

import math

import numpy as np

from lp_analysis.prediction.space_errors import HELD_OUT, SpaceErrors, view_statistics
from lp_analysis.triangulation import BoneLength


def view_rows(space: SpaceErrors) -> dict[str, list[list[str]]]:
    """By what frames they are of: a row for each view with its mean errors in frame px.

    The columns are the view, and the values of `view_statistics`.
    """
    held = [split for split in HELD_OUT if split in space.sets]
    parts = {"held-out frames (validation and test)": held} if held else {}
    parts |= {"training frames": ["train"]} if "train" in space.sets else {}
    return {
        name: [
            [view, *map(_number, values.values())]
            for view, values in view_statistics(space, sets).items()
        ]
        for name, sets in parts.items()
    }


def left_out_rows(space: SpaceErrors) -> list[list[str]]:
    """For each keypoint the median distance in frame px to what the other views say, by view.

    None where no view can be left out, since there are two.
    """
    if not np.isfinite(space.left_out).any():
        return []
    rows = []
    for place, name in enumerate(space.skeleton.names):
        values = space.left_out[:, :, place]
        known = [each[np.isfinite(each)] for each in values]
        rows.append([name, *(_number(float(np.median(k)) if k.size else math.nan) for k in known)])
    return rows


def bone_rows(space: SpaceErrors) -> list[list[str]]:
    """For each bone its length as labels have it, as predictions have it, and the frames."""
    return [
        [" – ".join(labelled.bone), *_length(labelled), *_length(predicted), str(predicted.rows)]
        for labelled, predicted in space.bones
    ]


def _length(bone: BoneLength) -> list[str]:
    """The mean, the standard deviation, and the latter as a share of the mean."""
    share = "–" if math.isnan(bone.mean) else f"{100 * bone.deviation / bone.mean:.1f} %"
    return [_number(bone.mean), _number(bone.deviation), share]


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"
