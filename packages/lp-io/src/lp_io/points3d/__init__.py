"""Files of points in space: DeepLabCut's wide layout with more coordinates.

Every keypoint has the coordinates ``x``, ``y`` and ``z`` in world units, and those that the table
has of ``likelihood``, ``error`` (frame px), ``views``, and the entries ``xx``, ``xy``, ``xz``,
``yy``, ``yz`` and ``zz`` of the covariance in squared world units.
"""

from lp_io.points3d.content import Points3D
from lp_io.points3d.csv_file import read_points3d, read_points3d_chunks
from lp_io.points3d.writing import ENDINGS, points3d_writer, write_points3d

__all__ = [
    "ENDINGS",
    "Points3D",
    "points3d_writer",
    "read_points3d",
    "read_points3d_chunks",
    "write_points3d",
]
