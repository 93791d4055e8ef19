"""Choosing a reader, resizing, sending sources to workers, and memory."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from lp_core.errors import UnknownNameError
from lp_data.errors import VideoError
from lp_data.images import resize
from lp_data.testing.encoding import Encoding, encode, lengthen, read_codes
from lp_data.testing.hostile import HOSTILE
from lp_data.video.index import build_index
from lp_data.video.open import open_video
from lp_data.video.pyav_source import PyAVSource

SHORT = {"preset": "ultrafast", "crf": "18", "g": "10"}


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    how = Encoding(size=(90, 122), options=SHORT, grain=40)
    return encode(tmp_path_factory.mktemp("video") / "grainy.mp4", how)


def note_of(path: Path, caplog: pytest.LogCaptureFixture) -> str:
    """What opening ``path`` says."""
    with caplog.at_level(logging.INFO, "lp_data"), open_video(path):
        pass
    (record,) = caplog.records
    return record.getMessage()


@pytest.mark.skipif(torch.cuda.is_available(), reason="with a GPU, DALI is named too")
def test_the_automatic_choice_is_logged_in_a_few_words(video, caplog) -> None:
    assert note_of(video, caplog) == f"{video}: read with 'pyav'"


def test_a_reader_that_would_be_preferred_is_named_with_its_reason(
    video, caplog, monkeypatch
) -> None:
    monkeypatch.setattr(PyAVSource, "refusal", lambda path: "a codec that it does not know")
    note = note_of(video, caplog)
    assert "read with 'pyav'" not in note
    assert "not with 'pyav': a codec that it does not know" in note
    assert "image_folder" not in note


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_reader_that_would_decode_on_the_gpu_is_named(video, caplog) -> None:
    assert "read with 'pyav'; not with 'dali': " in note_of(video, caplog)


def test_an_unknown_reader_is_an_error_that_names_the_nearest(video) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'pyav'"):
        open_video(video, reader="pyva")


def test_a_reader_that_is_asked_for_is_never_replaced(tmp_path, video) -> None:
    with pytest.raises(VideoError, match="'pyav' cannot read this video: a folder"):
        open_video(tmp_path, reader="pyav")
    with pytest.raises(VideoError, match="'image_folder' cannot read this video: neither a folder"):
        open_video(video, reader="image_folder")


@pytest.mark.parametrize(
    "name", ["constant_rate", "odd_size_vp9", "gray", "gray_in_colour", "full_range"]
)
def test_frames_have_the_pixels_that_opencv_extracts(tmp_path, name) -> None:
    path = HOSTILE[name].make(tmp_path)
    capture = cv2.VideoCapture(str(path))
    with open_video(path) as source:
        for frame in source.read(0, 12):
            np.testing.assert_array_equal(frame, capture.read()[1][..., ::-1])


@pytest.mark.parametrize("name", ["gray_in_colour", "rotated_90", "rotated_180", "mirrored"])
def test_gray_and_turned_frames_are_resized_alike(tmp_path, name) -> None:
    path = HOSTILE[name].make(tmp_path)
    with open_video(path) as source, open_video(path, resize_to=(50, 70)) as resized:
        for frame, full in zip(resized.read(3, 6), source.read(3, 6), strict=True):
            np.testing.assert_array_equal(frame, resize(full, (50, 70)))


def test_a_video_that_turns_from_gray_to_colour_keeps_both(tmp_path) -> None:
    gray = encode(tmp_path / "a.ts", Encoding(count=10, pix_fmt="gray", options=SHORT))
    colour = encode(tmp_path / "b.ts", Encoding(count=10, options=SHORT))
    path = tmp_path / "both.ts"
    path.write_bytes(gray.read_bytes() + colour.read_bytes())
    capture = cv2.VideoCapture(str(path))
    with open_video(path, reader="pyav") as source:
        frames = source.read(0, len(source))
    for frame in frames:
        np.testing.assert_array_equal(frame, capture.read()[1][..., ::-1])
    spread = np.ptp(frames.astype(int), axis=3).max(axis=(1, 2))
    assert spread[0] == 0
    assert spread[-1] > 50


@pytest.mark.parametrize("size", [(90, 122), (64, 64), (128, 256), (32, 48), (91, 30)])
def test_frames_are_resized_as_training_images_are(video, size) -> None:
    with open_video(video) as source, open_video(video, resize_to=size) as resized:
        assert resized.size == source.size == (90, 122)
        frames = resized.read(5, 9)
        assert frames.shape == (4, *size, 3)
        for frame, full in zip(frames, source.read(5, 9), strict=True):
            np.testing.assert_array_equal(frame, resize(full, size))


def test_a_source_can_be_sent_to_a_worker(video) -> None:
    with open_video(video, resize_to=(30, 40)) as source:
        source.read(20, 25)
        with pickle.loads(pickle.dumps(source)) as copy:
            assert copy.fps == source.fps
            np.testing.assert_array_equal(copy.read(3, 12), source.read(3, 12))


def test_a_known_index_opens_the_same_frames(video) -> None:
    with PyAVSource(video) as source, PyAVSource(video, index=source.index) as again:
        np.testing.assert_array_equal(again.read(7, 9), source.read(7, 9))


def test_bad_sizes_are_refused(video) -> None:
    with pytest.raises(VideoError, match="cannot resize frames to 0×10"):
        open_video(video, resize_to=(0, 10))


def test_a_long_video_is_exact_at_the_far_end(tmp_path) -> None:
    options = {"preset": "ultrafast", "crf": "18", "g": "250"}
    path = encode(tmp_path / "long.mp4", Encoding(count=1200, size=(48, 64), options=options))
    with open_video(path) as source:
        assert len(source) == 1200
        assert source.fps == Fraction(25)
        wanted = [1199, 0, 600, 1001]
        assert read_codes(source.read_indices(wanted)) == wanted


# VmHWM begins with the program; ru_maxrss with whatever the process that started it held.
MEASURE = """
import sys
from pathlib import Path
from lp_data.video.open import open_video
with open_video(Path(sys.argv[1]), resize_to=(128, 128)) as source:
    frames = sum(len(chunk) for chunk in source.chunks(16))
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(frames, status["VmHWM"].split()[0])
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    how = Encoding(count=100, size=(48, 64), options=SHORT)
    return encode(tmp_path_factory.mktemp("small") / "small.mp4", how)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_memory_does_not_grow_with_the_length_of_the_video(small, tmp_path) -> None:
    peaks = []
    for count in (200, 20_000):
        path = lengthen(small, count, tmp_path / f"{count}.mp4")
        run = subprocess.run(
            [sys.executable, "-c", MEASURE, str(path)], capture_output=True, text=True, check=True
        )
        frames, peak = map(int, run.stdout.split())
        assert frames == count
        peaks.append(peak)
    assert peaks[1] < 1.05 * peaks[0]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_what_is_known_of_a_frame_takes_few_bytes(small, tmp_path, suffix) -> None:
    index = build_index(lengthen(small, 5000, tmp_path / f"long{suffix}"))
    assert len(index) == 5000
    assert len(index.keyframes) == 500
    arrays = [value for value in vars(index).values() if isinstance(value, np.ndarray)]
    held = sum((each if each.base is None else each.base).nbytes for each in arrays)
    assert held <= 10 * len(index)  # 8 for its time; 16 for a keyframe
