"""Cameras: world units to frame px and back.

A `Rig` holds the calibrated cameras of a scene. `project`, `undistort` and `triangulate` take it
with numpy arrays or torch tensors, and give back what they were given; arrays are computed in
float64. `project_packed`, `undistort_packed` and `triangulate_packed` take the parameters of
cameras as one tensor (..., V, `WIDTH`), as `Rig.packed` makes it, with batch dimensions before the
cameras: each frame of a batch may have its own rig. `local_cameras` are cameras to first order,
with which losses compute (`agree`).

All points of images are in frame px, where the centre of the top-left pixel is (0, 0), which is
OpenCV's convention too. Cameras never see model px.
"""

from lp_core.geometry.cameras.camera import Camera
from lp_core.geometry.cameras.local import (
    Agreement,
    agree,
    local_cameras,
    local_cameras_packed,
)
from lp_core.geometry.cameras.packing import WIDTH
from lp_core.geometry.cameras.projection import (
    project,
    project_packed,
    undistort,
    undistort_packed,
)
from lp_core.geometry.cameras.rig import Rig
from lp_core.geometry.cameras.rotations import rotation_matrix, rotation_vector
from lp_core.geometry.cameras.triangulation import (
    Triangulation,
    pair_points,
    triangulate,
    triangulate_packed,
)

__all__ = [
    "WIDTH",
    "Agreement",
    "Camera",
    "Rig",
    "Triangulation",
    "agree",
    "local_cameras",
    "local_cameras_packed",
    "pair_points",
    "project",
    "project_packed",
    "rotation_matrix",
    "rotation_vector",
    "triangulate",
    "triangulate_packed",
    "undistort",
    "undistort_packed",
]
