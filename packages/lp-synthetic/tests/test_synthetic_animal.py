"""The synthetic animal: its bones, its two views, and what hides its keypoints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy import ndarray

from lp_core.poses import Visibility
from lp_synthetic import SyntheticSettings
from lp_synthetic.backdrop import Backdrop
from lp_synthetic.behaviour import behave
from lp_synthetic.body import see_body
from lp_synthetic.camera import Box, MirrorCamera
from lp_synthetic.labelling import label_table
from lp_synthetic.look import FAMILIAR
from lp_synthetic.painter import Painter
from lp_synthetic.pose import animate
from lp_synthetic.session import Session, training_sessions
from lp_synthetic.skeleton import KEYPOINTS, LIMBS, joint_index, keypoint_joints

SIDE = 256
BONES = (
    *(("nose", "neck"), ("ear_left", "neck"), ("ear_right", "neck"), ("neck", "chest")),
    *(("chest", "pelvis"), ("pelvis", "tail_base"), ("tail_base", "tail_1")),
    *((f"tail_{number}", f"tail_{number + 1}") for number in range(1, 8)),
    *((f"root_{limb}", f"knee_{limb}") for limb in LIMBS),
    *((f"knee_{limb}", f"paw_{limb}") for limb in LIMBS),
)


@pytest.fixture(scope="module")
def poses() -> ndarray:
    rng = np.random.default_rng(5)
    return animate(rng, behave(rng, 150, 30.0, 40.0), 30.0)[60:]


@pytest.fixture(scope="module")
def session() -> Session:
    settings = SyntheticSettings(
        frames_per_video=120, labeled_frames=12, sessions=1, train_videos=1
    )
    return training_sessions(settings)[0]


def test_bones_keep_their_length(poses: ndarray) -> None:
    for start, stop in BONES:
        bone = poses[:, joint_index(start)] - poses[:, joint_index(stop)]
        length = np.linalg.norm(bone, axis=-1)
        assert np.ptp(length) < 1e-6, (start, stop)


def test_the_animal_moves_but_stays_in_the_picture(poses: ndarray) -> None:
    pixels, _ = MirrorCamera(SIDE, SIDE).project(poses[:, keypoint_joints()])
    assert pixels.std(axis=0).min() > 0.5
    assert np.mean((pixels > 0) & (pixels < SIDE - 1)) > 0.98


def test_paws_stand_on_the_floor_in_both_views(poses: ndarray) -> None:
    paws = poses[:, [joint_index(f"paw_{limb}") for limb in ("front_left", "hind_right")]]
    assert paws[..., 2].min() > 0.0
    assert paws[..., 2].max() < 20.0
    assert np.median(paws[..., 2]) < 4.0


def test_the_mirror_shows_the_underside(poses: ndarray) -> None:
    # What is nearer to the camera is lower in the mirror; heights do not matter there.
    camera = MirrorCamera(SIDE, SIDE)
    near, far = camera.project(np.array([[0.0, -20.0, 5.0], [0.0, 20.0, 5.0]]))[0]
    assert near[1, 1] > far[1, 1] + 30.0
    low, high = camera.project(np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 40.0]]))[0]
    assert high[0, 1] < low[0, 1] - 30.0
    assert abs(high[1, 1] - low[1, 1]) < 3.0


@pytest.mark.parametrize("view", [0, 1])
def test_every_keypoint_lies_on_the_painted_animal(poses: ndarray, view: int) -> None:
    camera = MirrorCamera(SIDE, SIDE)
    painter = Painter(camera, FAMILIAR, np.random.default_rng(0))
    body = see_body(camera, poses[::15], FAMILIAR.size)
    keypoints = camera.project(poses[::15][:, keypoint_joints()])[0][:, :, view]
    for pose in range(len(keypoints)):
        painting = painter.paint(body, pose, view, Box(-40, 0, SIDE, SIDE))
        x, y = np.rint(keypoints[pose] - painting.box.origin).astype(int).T
        assert painting.alpha[y, x].min() > 0.5
        # The silhouette ends at nose and tail tip, the ends of the animal.
        assert painting.alpha.mean() < 0.3


def test_what_the_animal_hides_is_behind_it(poses: ndarray) -> None:
    """Seen from its right side, the left ear is hidden far more often than the right one."""
    camera = MirrorCamera(SIDE, SIDE)
    painter = Painter(camera, FAMILIAR, np.random.default_rng(0))
    body = see_body(camera, poses[::9], FAMILIAR.size)
    pixels = camera.project(poses[::9][:, keypoint_joints()])[0][:, :, 0]
    box = Box(0, 0, SIDE, camera.split_row)
    hidden = np.mean(
        [painter.paint(body, k, 0, box).hides(pixels[k]) for k in range(len(pixels))], axis=0
    )
    share = dict(zip(KEYPOINTS, hidden, strict=True))
    assert share["ear_left"] > share["ear_right"] + 0.5
    assert share["nose"] == share["tail_tip"] == 0.0


def test_labels_know_all_three_codes(session: Session) -> None:
    notes = {frame: session.shoot(frame).notes for frame in session.labeled}
    table = label_table(session, notes)
    assert set(np.unique(table.codes)) == set(Visibility)
    assert np.mean(table.codes == Visibility.VISIBLE) > 0.7
    np.testing.assert_array_equal(table.has_position, table.codes > 0)


def test_a_frame_looks_the_same_whenever_it_is_rendered(session: Session) -> None:
    first = session.shoot(7).image
    session.shoot(30)
    np.testing.assert_array_equal(session.shoot(7).image, first)


def test_no_two_frames_are_alike(session: Session) -> None:
    change = session.shoot(40).image.astype(int) - session.shoot(41).image
    assert np.abs(change).mean() > 0.5


def test_the_brightest_walls_can_be_drawn() -> None:
    white = (255.0, 255.0, 255.0)
    look = replace(FAMILIAR, wall=white, ceiling=white, skin=white)
    still = Backdrop(MirrorCamera(SIDE, SIDE), look, np.random.default_rng(0)).still
    assert still.min() >= 0
    assert still.max() == 255
