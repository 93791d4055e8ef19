"""Decoded images are kept, shared, and never stale."""

from __future__ import annotations

import multiprocessing
import os
import shutil
from operator import getitem

import cv2
import numpy as np
import pytest

from lp_core.regions import Box
from lp_data.cache import ImageCache, MappedFiles, SharedMemory, open_cache
from lp_data.errors import ImageFileError

SIZE = (8, 6)


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"img{i}.png" for i in range(3)]
    for path in paths:
        cv2.imwrite(str(path), rng.integers(0, 256, (16, 12, 3), dtype=np.uint8))
    return paths


@pytest.fixture(params=["memory", "files"])
def store(request, tmp_path):
    if request.param == "memory":
        return SharedMemory((3, *SIZE, 3))
    return MappedFiles(tmp_path / "cache", "key")


def replace_image(path, value, *, keep_time=False):
    times = path.stat()
    cv2.imwrite(str(path), np.full((16, 12, 3), value, np.uint8))
    if keep_time:
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_cached_images_equal_decoded_ones(files, store):
    cached, plain = ImageCache(files, SIZE, store), ImageCache(files, SIZE, None)
    for _ in range(2):
        for position in range(3):
            image, frame_size = cached[position]
            np.testing.assert_array_equal(image, plain[position].image)
            assert frame_size == (16, 12)


def test_second_access_does_not_decode(files, store, monkeypatch):
    cache = ImageCache(files, SIZE, store)
    first = cache[0].image.copy()
    monkeypatch.setattr(cv2, "imdecode", None)  # decoding again would fail
    np.testing.assert_array_equal(cache[0].image, first)


def test_a_changed_file_is_decoded_again(files, store):
    cache = ImageCache(files, SIZE, store)
    cache[0], cache[1]
    replace_image(files[0], 7)
    assert (ImageCache(files, SIZE, store)[0].image == 7).all()
    replace_image(files[0], 9, keep_time=False)
    assert (ImageCache(files, SIZE, store)[0].image == 9).all()
    files[1].unlink()
    with pytest.raises(ImageFileError, match="no such image"):
        ImageCache(files, SIZE, store)[1]


def test_crops_over_the_edge_are_told_once_not_for_each_image(files, caplog):
    caplog.set_level("INFO", "lp_data")
    cache = ImageCache(files, SIZE, None, [Box(-4, 0, 12, 16)] * 3)
    for _ in range(2):
        for position in range(3):
            assert (cache[position].image[:, 0] == 0).all()
    assert caplog.text.count("reaches over the edge") == 1


def test_a_file_is_looked_at_once_in_a_process(files, store):
    cache = ImageCache(files, SIZE, store)
    before = cache[0].image.copy()
    replace_image(files[0], 7)
    files[1].unlink()
    np.testing.assert_array_equal(cache[0].image, before)  # as the training began with it
    with pytest.raises(ImageFileError, match="no such image"):
        cache[1]


def test_a_change_of_the_image_size_changes_the_frame_size(files, store):
    ImageCache(files, SIZE, store)[0]
    cv2.imwrite(str(files[0]), np.zeros((20, 30, 3), np.uint8))
    assert ImageCache(files, SIZE, store)[0].frame_size == (20, 30)


def test_files_are_shared_by_processes_that_never_met(files, tmp_path, monkeypatch):
    first = open_cache(files, SIZE, folder=tmp_path / "cache", processes=2)
    expected = first[2].image.copy()
    second = open_cache(files, SIZE, folder=tmp_path / "cache", processes=2)
    monkeypatch.setattr(cv2, "imdecode", None)
    np.testing.assert_array_equal(second[2].image, expected)


def test_other_sizes_and_other_files_have_stores_of_their_own(files, tmp_path):
    folder = tmp_path / "cache"
    assert open_cache(files, (4, 4), folder=folder, budget=0)[0].image.shape == (4, 4, 3)
    assert open_cache(files, SIZE, folder=folder, budget=0)[0].image.shape == (*SIZE, 3)
    turned = open_cache(files[::-1], SIZE, folder=folder, budget=0)
    np.testing.assert_array_equal(turned[0].image, ImageCache(files, SIZE, None)[2].image)
    assert len(list(folder.glob("*.images"))) == 3


def test_an_entry_that_was_cut_off_is_decoded_again(files, tmp_path):
    folder = tmp_path / "cache"
    expected = open_cache(files, SIZE, folder=folder, budget=0)[0].image.copy()
    (path,) = folder.glob("*.images")
    spoilt = np.memmap(path, np.uint8, "r+")
    spoilt[: spoilt.size // 3] ^= 255
    spoilt.flush()
    again = open_cache(files, SIZE, folder=folder, budget=0)
    np.testing.assert_array_equal(again[0].image, expected)


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes_fill_one_cache(files, store, method, monkeypatch):
    cache = ImageCache(files, SIZE, store)
    worker = multiprocessing.get_context(method).Process(target=getitem, args=(cache, 1))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    expected = ImageCache(files, SIZE, None)[1].image
    monkeypatch.setattr(cv2, "imdecode", None)
    np.testing.assert_array_equal(cache[1].image, expected)


def test_without_room_every_access_decodes_and_the_log_says_so(
    files, tmp_path, monkeypatch, caplog
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    cache = open_cache(files, SIZE, folder=tmp_path / "cache", budget=0)
    assert cache[0].image.shape == (*SIZE, 3)
    assert "No space left" in caplog.text


def test_little_shared_memory_means_files(files, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=10)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    open_cache(files, SIZE, folder=tmp_path / "cache")[0]
    assert list((tmp_path / "cache").glob("*.images"))


def test_stores_unused_for_a_month_go(files, tmp_path):
    folder = tmp_path / "cache"
    open_cache(files, (4, 4), folder=folder, budget=0)
    (old,) = folder.glob("*.images")
    os.utime(old, (0, 0))
    open_cache(files, SIZE, folder=folder, budget=0)
    assert not old.exists()
    assert len(list(folder.glob("*.images"))) == 1
