"""Neighbours in time are told from images that are only numbered like them."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from lp_data.datasets.neighbours import prove_neighbours, videos_by_name
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter

SIZE = (64, 96)
CENTRES = (4, 15, 26, 37)


@pytest.fixture(scope="module")
def film():
    """41 frames of a scene that moves 3 px from frame to frame."""
    rng = np.random.default_rng(0)
    scene = rng.integers(0, 256, (SIZE[0], 400, 3), dtype=np.uint8)
    scene = cv2.normalize(cv2.GaussianBlur(scene, (0, 0), 4), None, 0, 255, cv2.NORM_MINMAX)
    return np.stack([scene[:, 3 * i : 3 * i + SIZE[1]] for i in range(41)])


@pytest.fixture(scope="module")
def noise():
    """41 frames of which none looks like another."""
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (41, *SIZE, 3), dtype=np.uint8)
    return np.stack([cv2.GaussianBlur(frame, (0, 0), 4) for frame in frames])


def put(folder, frames):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames):
        cv2.imwrite(str(folder / f"img{number:03d}.png"), frame[..., ::-1])


def put_video(path, frames):
    with VideoWriter(path, fps=Fraction(30), size=SIZE) as writer:
        writer.write(frames)


def evidence(project, folder, centres=CENTRES):
    paths = [f"{folder}/img{number:03d}.png" for number in centres]
    return prove_neighbours(paths, project, videos_by_name(project / "videos"))


def test_neighbours_that_look_alike_are_proved(tmp_path, film):
    put(tmp_path / "a/v", film)
    assert evidence(tmp_path, "a/v").proved == {"a/v": 4}


@pytest.mark.parametrize("order", ["every 10th", "shuffled"])
def test_frames_that_were_selected_far_apart_are_not(tmp_path, film, order):
    frames = film[::10] if order == "every 10th" else film
    frames = np.random.default_rng(2).permutation(np.concatenate([frames] * 8)[:41])
    put(tmp_path / "v", frames)
    found = evidence(tmp_path, "v")
    assert (found.num_proved, found.num_unproved) == (0, 4)
    assert "4 images have files of the numbers before and after them" in found.unproved_text()
    assert "'v'" in found.unproved_text()


def test_a_video_that_has_them_as_frames_proves_them(tmp_path, noise):
    put(tmp_path / "v", noise)
    assert evidence(tmp_path, "v").num_unproved == 4
    put_video(tmp_path / "videos/v.mp4", noise)
    assert evidence(tmp_path, "v").num_proved == 4


def test_a_video_of_other_frames_proves_nothing(tmp_path, noise, film):
    put(tmp_path / "v", noise)
    put_video(tmp_path / "videos/v.mp4", noise[np.random.default_rng(3).permutation(41)])
    assert evidence(tmp_path, "v").num_unproved == 4
    put(tmp_path / "w", noise)
    (tmp_path / "videos/w.mp4").write_text("no video")
    assert evidence(tmp_path, "w").num_unproved == 4


def test_images_without_all_neighbours_are_not_counted(tmp_path, film):
    put(tmp_path / "v", film)
    (tmp_path / "v/img027.png").unlink()
    assert evidence(tmp_path, "v", (*CENTRES, 40)).proved == {"v": 3}


def test_one_labelled_image_needs_the_video(tmp_path, film):
    put(tmp_path / "v", film)
    assert evidence(tmp_path, "v", (20,)).num_unproved == 1
    put_video(tmp_path / "videos/v.mp4", film)
    assert evidence(tmp_path, "v", (20,)).num_proved == 1


def test_a_scene_that_hardly_moves_is_proved_by_the_video_that_it_was_taken_from(tmp_path, film):
    noise = np.random.default_rng(4).integers(0, 4, film.shape, dtype=np.uint8)
    put_video(tmp_path / "videos/v.mp4", film[0] // 2 + noise)
    with open_video(tmp_path / "videos/v.mp4") as source:
        put(tmp_path / "v", source.read(0, len(source)))
    assert evidence(tmp_path, "v").num_proved == 4
