"""Images are read as RGB whatever the file holds, and resized without a shift."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.geometry import affine
from lp_data.errors import ImageFileError
from lp_data.images import image_size, read_image, resize

RGB = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)


def save(path, pixels):
    assert cv2.imwrite(str(path), pixels)
    return path


def test_colour_is_rgb(tmp_path):
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", RGB[..., ::-1])), RGB)
    assert image_size(tmp_path / "a.png") == (5, 7)


def test_gray_and_alpha(tmp_path):
    gray = RGB[..., 0].copy()
    expected = np.repeat(gray[..., None], 3, axis=2)
    np.testing.assert_array_equal(read_image(save(tmp_path / "g.png", gray)), expected)
    bgra = np.dstack([RGB[..., ::-1], np.full((5, 7), 9, np.uint8)])
    np.testing.assert_array_equal(read_image(save(tmp_path / "a.png", bgra)), RGB)


def test_sixteen_bits_keep_their_full_range(tmp_path):
    path = save(tmp_path / "deep.png", RGB[..., ::-1].astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_image(path), RGB)


def test_unicode_and_spaces_in_the_path(tmp_path):
    (tmp_path / "mäuse 1").mkdir()
    path = save(tmp_path / "a.png", RGB).rename(tmp_path / "mäuse 1" / "bild é.png")
    assert read_image(path).shape == (5, 7, 3)


def broken_files(folder):
    whole = save(folder / "whole.png", np.zeros((64, 64), np.uint8)).read_bytes()
    photo = save(folder / "whole.jpg", RGB.repeat(9, 0)).read_bytes()
    save(folder / "float.tiff", np.zeros((4, 4), np.float32))
    contents = {
        "empty.png": b"",
        "text.png": b"hello",
        "cut.png": whole[:40],
        "half.jpg": photo[:300],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [*contents, "float.tiff", "missing.png", "."]


def test_what_is_no_image_is_refused(tmp_path):
    messages = {}
    for name in broken_files(tmp_path):
        with pytest.raises(ImageFileError) as caught:
            read_image(tmp_path / name)
        assert str(tmp_path) in str(caught.value)
        messages[name] = caught.value.problem
    assert "empty" in messages["empty.png"]
    assert "decoded" in messages["text.png"]
    assert "no such image" in messages["missing.png"]
    assert "float32" in messages["float.tiff"]


@settings(deadline=None, max_examples=40)
@given(
    source=st.tuples(st.integers(60, 140), st.integers(60, 140)),
    target=st.tuples(st.integers(30, 200), st.integers(30, 200)),
    at=st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)),
)
def test_resized_pixels_are_where_the_matrix_says(source, target, at):
    y, x = (share * size for share, size in zip(at, source, strict=True))
    rows, columns = np.mgrid[: source[0], : source[1]]
    blob = 250 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 5.0**2))
    image = np.repeat(blob.round().astype(np.uint8)[..., None], 3, axis=2)
    small = resize(image, target)[..., 0].astype(np.float64)
    assert small.shape == target
    rows, columns = np.mgrid[: target[0], : target[1]]
    found = [(columns * small).sum() / small.sum(), (rows * small).sum() / small.sum()]
    point = torch.tensor([[x, y]], dtype=torch.float64)
    expected = affine.transform(point, affine.resizing(source, target))[0]
    np.testing.assert_allclose(found, expected, atol=0.06)
