"""Folders of images and image stacks count as videos."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from lp_core.video import VideoSource
from lp_data.errors import VideoError
from lp_data.testing.encoding import draw_code, read_codes
from lp_data.video.image_source import lacks_pages
from lp_data.video.open import open_video


def save(path: Path, number: int, height: int = 48, width: int = 64) -> None:
    cv2.imwrite(str(path), draw_code(number, height, width)[..., ::-1])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images whose names sort wrongly as plain text, and files that are not images."""
    images = tmp_path / "session 1 ü"
    images.mkdir()
    for number in range(12):
        save(images / f"img{number}.{'JPG' if number % 2 else 'png'}", number)
    (images / "notes.txt").write_text("no image")
    (images / ".hidden.png").write_bytes(b"no image either")
    return images


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    path = tmp_path / "stack.tif"
    pages = [draw_code(number, 48, 64)[..., ::-1] for number in range(9)]
    assert cv2.imwritemulti(str(path), pages)
    return path


def test_a_folder_is_read_in_natural_order(folder: Path) -> None:
    with open_video(folder) as source:
        assert isinstance(source, VideoSource)
        assert source.size == (48, 64)
        assert read_codes(source.read(0, len(source))) == list(range(12))
        assert read_codes(source.read_indices([11, 2, 2])) == [11, 2, 2]
        assert [len(chunk) for chunk in source.chunks(5)] == [5, 5, 2]


def test_a_stack_is_read_page_by_page(stack: Path) -> None:
    with open_video(stack) as source:
        assert read_codes(source.read(0, len(source))) == list(range(9))
        assert read_codes(source.read_indices([7, 0])) == [7, 0]


def test_a_gray_16_bit_stack_keeps_its_brightness(tmp_path: Path) -> None:
    pages = [np.full((20, 30), value, np.uint16) for value in (0, 257 * 100, 65535)]
    cv2.imwritemulti(str(tmp_path / "deep.tiff"), pages)
    with open_video(tmp_path / "deep.tiff", resize_to=(10, 15)) as source:
        frames = source.read(0, 3)
    assert frames.shape == (3, 10, 15, 3)
    assert [int(n) for n in frames[:, 5, 5, 1]] == [0, 100, 255]


def test_images_are_resized_on_reading(folder: Path) -> None:
    with open_video(folder, resize_to=(24, 36)) as source:
        assert source.size == (48, 64)
        frames = source.read(3, 6)
    assert frames.shape == (3, 24, 36, 3)
    assert read_codes(frames) == [3, 4, 5]


def test_an_image_of_another_size_is_an_error_at_its_file(folder: Path) -> None:
    save(folder / "img5.JPG", 5, 40, 64)
    with open_video(folder) as source, pytest.raises(VideoError, match="64×40 px") as caught:
        source.read(0, 12)
    assert "img5.JPG, frame 5" in str(caught.value)


def test_a_damaged_image_is_an_error_at_its_file(folder: Path) -> None:
    (folder / "img4.png").write_bytes(b"\x89PNG and nothing")
    with (
        open_video(folder) as source,
        pytest.raises(VideoError, match="cannot be decoded") as caught,
    ):
        source.read(0, 12)
    assert "img4.png, frame 4" in str(caught.value)


def test_a_folder_without_images_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="no images"):
        open_video(tmp_path)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.8, 0.99])
def test_a_stack_that_was_cut_off_says_so(stack: Path, share: float) -> None:
    data = stack.read_bytes()
    with open_video(stack) as whole:
        assert whole.damage is None
    stack.write_bytes(data[: int(len(data) * share)])
    with open_video(stack) as source:
        assert source.damage == f"truncated image stack: {len(source)} pages readable"
        assert read_codes(source.read(0, len(source))) == list(range(len(source)))


BIG = struct.pack("<4sHHQ", b"II+\0", 8, 0, 16)  # the first page's directory is at byte 16


@pytest.mark.parametrize(
    ("data", "lacking"),
    [
        (BIG + struct.pack("<Q", 1) + bytes(20) + struct.pack("<Q", 0), False),
        (BIG + struct.pack("<Q", 1) + bytes(20) + struct.pack("<Q", 16), False),  # goes round
        (BIG + struct.pack("<Q", 1) + bytes(20) + struct.pack("<Q", 2**64 - 1), True),
        (BIG + struct.pack("<Q", 2**64 - 1) + bytes(28), True),
        (b"MM\0*" + struct.pack(">IHI", 8, 0, 0), False),
        (b"MM\0*" + struct.pack(">IHI", 8, 0, 99), True),
        (b"no image", False),
    ],
)
def test_a_stack_lacks_the_pages_that_lie_beyond_its_end(tmp_path, data: bytes, lacking) -> None:
    (tmp_path / "a.tif").write_bytes(data)
    assert lacks_pages(tmp_path / "a.tif") == lacking


def test_a_damaged_stack_is_an_error(tmp_path: Path, stack: Path) -> None:
    (tmp_path / "bad.tif").write_bytes(stack.read_bytes()[:60])
    with pytest.raises(VideoError, match="cannot be decoded as an image stack"):
        open_video(tmp_path / "bad.tif")
