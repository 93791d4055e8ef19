"""The usual shape of an animal, and which of its keypoints tell its heading."""

import numpy as np

from lp_analysis.metrics.shape import usual_shape

BODY = np.array([(3.0, 0.0), (0.0, 1.0), (0.0, -1.0), (-3.0, 0.0)])


def poses(number, rng, body=BODY):
    """The body, turned and moved at random, in frame px."""
    angle = rng.uniform(0, 2 * np.pi, number)
    turn = np.moveaxis(
        np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]), 2, 0
    )
    return 20 * body @ turn + rng.uniform(0, 500, (number, 1, 2))


def as_complex(points):
    return points[:, 0] + 1j * points[:, 1]


def test_turned_poses_have_one_shape_but_for_its_heading():
    rng = np.random.default_rng(0)
    shape = as_complex(usual_shape(poses(30, rng) + rng.standard_normal((30, 4, 2))))
    ratio = shape / as_complex(20 * BODY)
    np.testing.assert_allclose(ratio / ratio[0], 1, atol=0.1)
    np.testing.assert_allclose(np.abs(ratio), 1, atol=0.1)


def test_a_keypoint_that_swings_tells_no_heading():
    rng = np.random.default_rng(1)
    body = np.vstack([BODY, BODY[:1] / 3])
    labels = poses(200, rng, body)
    labels[:, 4] = labels[:, :4].mean(axis=1) + 10 * rng.standard_normal((200, 2))
    shape = usual_shape(labels)
    assert (shape[4] == 0).all()
    assert (shape[[0, 3]] != 0).any(axis=1).all()


def test_too_few_poses_or_none_of_one_side_have_no_shape():
    rng = np.random.default_rng(2)
    assert usual_shape(poses(4, rng)) is None
    labels = poses(30, rng)
    labels[:, 0] = np.nan
    assert usual_shape(labels) is None
    corners = np.array([(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)])
    shuffled = np.stack([rng.permutation(corners) for _ in range(60)])
    assert usual_shape(shuffled) is None
