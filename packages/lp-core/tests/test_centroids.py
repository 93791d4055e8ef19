"""One point and one box for each animal."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lp_core.poses import PoseTable, Skeleton
from lp_core.poses.centroids import bounding_boxes, centroids

points = arrays(np.float64, (4, 3, 2), elements=st.floats(-500, 500) | st.just(np.nan))


def table(values):
    return PoseTable(
        Skeleton(("a", "b", "c")), values, (0, 0, 1, 2), individual=("x", "y", "x", None)
    )


@given(points)
def test_every_keypoint_of_an_animal_is_in_its_box_around_its_centroid(values):
    low, high = bounding_boxes(values).swapaxes(0, 1)
    known = np.isfinite(values).all(axis=-1)
    inside = ((values >= low[:, None]) & (values <= high[:, None])).all(axis=-1)
    assert inside[known].all()
    middle = centroids(table(values)).points[:, 0]
    assert np.isnan(middle[~known.any(axis=1)]).all()
    np.testing.assert_allclose(middle, (low + high) / 2)


def test_a_centroid_belongs_to_the_animal_and_frame_of_its_keypoints():
    made = centroids(table(np.zeros((4, 3, 2))))
    assert (made.frame, made.individual) == ((0, 0, 1, 2), ("x", "y", "x", None))
    assert made.keypoint_names == ("centroid",)


def test_half_a_position_is_none():
    values = np.array([[[1.0, np.nan], [3.0, 5.0], [7.0, 9.0]]])
    np.testing.assert_array_equal(bounding_boxes(values), [[[3, 5], [7, 9]]])
