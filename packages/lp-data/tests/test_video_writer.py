"""Written videos hold exactly what was written, and appear whole or not at all."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from lp_data.errors import VideoError
from lp_data.testing.encoding import draw_code, read_codes
from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter

RATES = [Fraction(25), Fraction(30000, 1001), Fraction(1625, 83), Fraction(1, 2), Fraction(500)]


def pictures(count: int, height: int = 48, width: int = 64) -> np.ndarray:
    return np.stack([draw_code(n, height, width) for n in range(count)])


def moving_blobs(count: int, height: int, width: int) -> np.ndarray:
    """Pictures with smooth parts that move, as an encoder finds them in true videos."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (height, width, 3), dtype=np.uint8)
    blobs = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 9), None, 6, 249, cv2.NORM_MINMAX)
    moved = np.stack([np.roll(blobs, (3 * n, 5 * n), (0, 1)) for n in range(count)])
    return moved + random.integers(-6, 6, moved.shape).astype(np.uint8)


@pytest.mark.parametrize("fps", RATES, ids=str)
def test_every_frame_and_the_exact_rate_come_back(tmp_path: Path, fps: Fraction) -> None:
    path = tmp_path / "new folder" / "labelled.mp4"
    with VideoWriter(path, fps=fps, size=(48, 64)) as writer:
        writer.write(pictures(20))
        for number in range(20, 30):
            writer.write(draw_code(number, 48, 64))
        assert len(writer) == 30
    with open_video(path) as source:
        assert source.fps == fps
        assert source.damage is None
        assert read_codes(source.read(0, len(source))) == list(range(30))


def test_colours_come_back_and_other_programs_agree(tmp_path: Path) -> None:
    path = tmp_path / "colours.mp4"
    colours = [(200, 30, 40), (20, 180, 60), (30, 60, 210), (128, 128, 128), (255, 255, 255)]
    with VideoWriter(path, fps=Fraction(10), size=(32, 32)) as writer:
        for colour in colours:
            writer.write(np.full((32, 32, 3), colour, np.uint8))
    with open_video(path) as source:
        ours = source.read(0, 5)[:, 16, 16].astype(int)
    assert np.abs(ours - colours).max() <= 6
    capture = cv2.VideoCapture(str(path))
    theirs = np.array([capture.read()[1][16, 16, ::-1] for _ in colours])
    assert np.abs(ours - theirs).max() <= 1


def test_odd_sizes_are_padded_with_their_edge(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with VideoWriter(path, fps=Fraction(10), size=(47, 63)) as writer:
        writer.write(pictures(3, 47, 63))
    with open_video(path) as source:
        assert source.size == (48, 64)
        frames = source.read(0, 3).astype(int)
    assert np.abs(frames[:, 47] - frames[:, 46]).mean() < 8
    assert read_codes(frames[:, :47, :63].astype(np.uint8)) == [0, 1, 2]


def test_nothing_appears_before_the_end_or_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"the earlier one")

    def write_half() -> None:
        with VideoWriter(path, fps=Fraction(10), size=(48, 64)) as writer:
            writer.write(pictures(3))
            assert path.read_bytes() == b"the earlier one"
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_half()
    assert path.read_bytes() == b"the earlier one"
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]


def test_frames_of_another_size_are_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(VideoError, match="32×48 px in a video of 64×48 px"),
        VideoWriter(tmp_path / "video.mp4", fps=Fraction(10), size=(48, 64)) as writer,
    ):
        writer.write(pictures(1, 48, 32))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_video_is_an_error(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "video.mp4", fps=Fraction(10), size=(48, 64))
    with pytest.raises(VideoError, match="no frame was written"):
        writer.close()
    writer.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "fps", "size", "message"),
    [
        ("a.mp4", Fraction(0), (48, 64), "0 frames per second"),
        ("a.mp4", Fraction(1, 604_800), (48, 64), "0 frames per second"),
        ("a.mp4", Fraction(10), (0, 64), "64×0 px"),
        ("a.avi", Fraction(10), (48, 64), "not as '.avi'"),
    ],
)
def test_what_cannot_be_written_is_told(tmp_path, name, fps, size, message) -> None:
    with pytest.raises(VideoError, match=message):
        VideoWriter(tmp_path / name, fps=fps, size=size)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be taken away here")
def test_the_bytes_are_the_same_in_every_run_and_on_any_number_of_cores(tmp_path) -> None:
    cores = os.sched_getaffinity(0)
    moving = moving_blobs(16, 480, 480)
    written = set()
    try:
        for number in range(4):
            os.sched_setaffinity(0, cores if number else {min(cores)})
            path = tmp_path / f"{number}.mp4"
            with VideoWriter(path, fps=Fraction(25), size=(480, 480)) as writer:
                writer.write(moving)
            written.add(path.read_bytes())
    finally:
        os.sched_setaffinity(0, cores)
    assert len(written) == 1
