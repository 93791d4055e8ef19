"""The animal's joints, bones and keypoints.

Lengths are in units of which one is one frame px in a frame of 256 × 256, seen directly by the
camera.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

VIEWS = ("top", "bot")
"""The part of the frame that a view lies in: seen directly above, in the mirror below."""

LIMBS = ("front_left", "front_right", "hind_left", "hind_right")
TAIL_SEGMENTS = 8

KEYPOINTS = (
    "nose", "ear_left", "ear_right", *(f"paw_{limb}" for limb in LIMBS),
    "tail_base", "tail_mid", "tail_tip",
)  # fmt: skip
"""The physical keypoints; each is seen in both views."""

SINGLE_VIEW_PCA = ("nose", "ear_left", "ear_right", "tail_base", "tail_mid", "tail_tip")
"""Keypoints whose arrangement within one frame is of low dimension."""

SKELETON = (
    ("nose", "ear_left"), ("nose", "ear_right"), ("ear_left", "paw_front_left"),
    ("ear_right", "paw_front_right"), ("ear_left", "tail_base"), ("ear_right", "tail_base"),
    ("tail_base", "paw_hind_left"), ("tail_base", "paw_hind_right"), ("tail_base", "tail_mid"),
    ("tail_mid", "tail_tip"),
)  # fmt: skip
"""Pairs of physical keypoints to join by a line in a picture."""

JOINTS = (
    "nose", "ear_left", "ear_right", "neck", "chest", "pelvis", "tail_base",
    *(f"tail_{number}" for number in range(1, TAIL_SEGMENTS + 1)),
    *(f"{joint}_{limb}" for limb in LIMBS for joint in ("root", "knee", "paw")),
)  # fmt: skip
"""All joints of the animal in 3-D, in the order of every pose array."""

_KEYPOINT_JOINTS = {"tail_mid": f"tail_{TAIL_SEGMENTS // 2}", "tail_tip": f"tail_{TAIL_SEGMENTS}"}


@dataclass(frozen=True)
class Limb:
    """The build of one limb.

    Attributes:
        upper: Length from hip or shoulder to knee or elbow.
        lower: Length from there to the paw.
        bend: +1 where the middle joint points forward, −1 where it points backward.
        root: Hip or shoulder relative to pelvis or chest: (forward, left, up).
        stance: Where the paw rests on the floor relative to the root: (forward, left).
        phase: Part of a stride by which the limb lags, when walking and when darting.
    """

    upper: float
    lower: float
    bend: float
    root: tuple[float, float, float]
    stance: tuple[float, float]
    phase: tuple[float, float]


LIMB_BUILD = {
    "front_left": Limb(17.0, 19.0, -1.0, (5.0, 8.5, -5.0), (4.0, 4.0), (0.25, 0.5)),
    "front_right": Limb(17.0, 19.0, -1.0, (5.0, -8.5, -5.0), (4.0, -4.0), (0.75, 1.0)),
    "hind_left": Limb(20.0, 21.0, 1.0, (-1.0, 9.5, -6.0), (2.0, 6.0), (0.0, 0.0)),
    "hind_right": Limb(20.0, 21.0, 1.0, (-1.0, -9.5, -6.0), (2.0, -6.0), (0.5, 0.5)),
}

PELVIS_TO_TAIL = 17.0
PELVIS_TO_CHEST = 46.0
CHEST_TO_NECK = 18.0
NECK_TO_NOSE = 37.0
NECK_TO_EAR = (8.0, 13.0, 13.0)
TAIL_SEGMENT = 9.0

BODY_LENGTH = PELVIS_TO_TAIL + PELVIS_TO_CHEST + CHEST_TO_NECK + NECK_TO_NOSE
"""From the tail base to the nose of a stretched animal."""


def joint_index(name: str) -> int:
    """Where a joint stands in a pose array."""
    return JOINTS.index(name)


def keypoint_joints() -> list[int]:
    """The joint of each keypoint, in the order of ``KEYPOINTS``."""
    return [joint_index(_KEYPOINT_JOINTS.get(name, name)) for name in KEYPOINTS]


def keypoint_names(views: Sequence[str] = VIEWS) -> list[str]:
    """Names of all keypoints of a frame, view by view; without a suffix where there is one view."""
    return [_in_view(name, view) for view in views or ("",) for name in KEYPOINTS]


def mirrored_column_matches(views: Sequence[str] = VIEWS) -> list[list[int]]:
    """For each view the columns of its keypoints, matched by position (multi-view PCA)."""
    count = len(KEYPOINTS)
    return [list(range(view * count, (view + 1) * count)) for view in range(len(views))]


def singleview_columns(views: Sequence[str] = VIEWS) -> list[int]:
    """Columns of the keypoints that suit single-view PCA, in all views."""
    names = keypoint_names(views)
    return [names.index(_in_view(n, view)) for view in views or ("",) for n in SINGLE_VIEW_PCA]


def skeleton_edges(views: Sequence[str] = VIEWS) -> list[tuple[str, str]]:
    """Pairs of keypoint names to join by a line, in all views."""
    pairs = [(view, pair) for view in views or ("",) for pair in SKELETON]
    return [(_in_view(a, view), _in_view(b, view)) for view, (a, b) in pairs]


def _in_view(name: str, view: str) -> str:
    return f"{name}_{view}" if view else name
