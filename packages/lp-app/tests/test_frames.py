"""The frame that is served for index i is frame i, of every video that can be read at all."""

import cv2
import numpy as np
import pytest

from lp_app.errors import MissingError
from lp_app.frames.cache import FrameCache
from lp_app.frames.reader import FrameReader
from lp_app.frames.service import FrameService
from lp_data.testing.encoding import CODES, read_codes
from lp_data.testing.hostile import HOSTILE
from lp_data.video.open import open_video


def shown_number(content):
    picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    return read_codes(picture[None, ..., ::-1])[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_frame_i_is_frame_i_of_hostile_videos(name, tmp_path):
    hostile = HOSTILE[name]
    path = hostile.make(tmp_path)
    with open_video(path) as source:
        true = read_codes(source.read(0, len(source)))
    cache = FrameCache()
    reader = FrameReader(name, path, cache)
    count = reader.frames
    assert count == len(true)
    if hostile.count is not None and hostile.first is not None:
        assert true == [(hostile.first + index) % CODES for index in range(hostile.count)]
    jumps = [0, count - 1, count // 2, count // 2 - 1, count // 2 - 2, count // 3, count - 1, 0]
    for index in (max(0, index) for index in jumps):
        assert shown_number(reader.frame(index)) == true[index]
    while reader.prefetch_one(count // 2, -1, None) or reader.prefetch_one(count // 2, 1, None):
        pass
    for index in range(count):
        found = cache.get((name, index, None))
        assert found is None or shown_number(found) == true[index]
    reader.close()


def test_frames_ahead_of_the_playhead_are_in_the_cache_both_ways(raw_videos):
    cache = FrameCache()
    reader = FrameReader("v", raw_videos / "first.mp4", cache)
    while reader.prefetch_one(15, 1, None):
        pass
    assert all(("v", index, None) in cache for index in range(16, 30))
    while reader.prefetch_one(15, -1, None):
        pass
    assert all(("v", index, None) in cache for index in range(15))
    reader.close()


def test_several_threads_get_the_frames_that_they_ask_for(raw_videos):
    from concurrent.futures import ThreadPoolExecutor

    service = FrameService(FrameCache(budget=20_000))  # so that most is read again
    indices = np.random.default_rng(0).integers(0, 30, 200).tolist()
    videos = ["first", "second"]

    def read(number):
        name = videos[number % 2]
        path = raw_videos / f"{name}.mp4"
        return shown_number(service.frame(name, path, indices[number], None))

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(read, range(len(indices)))) == indices
    service.close()


def test_a_frame_that_is_not_there_is_refused(raw_videos):
    reader = FrameReader("v", raw_videos / "first.mp4", FrameCache())
    for index in (-1, 30, 10**9):
        with pytest.raises(MissingError):
            reader.frame(index)
    reader.close()


def test_a_cache_keeps_to_its_budget():
    cache = FrameCache(budget=1000)
    for index in range(100):
        cache.put(("v", index, None), bytes(100))
        cache.get(("v", 0, None))
    assert ("v", 0, None) in cache  # it was used all the time
    assert sum(("v", index, None) in cache for index in range(100)) == 10


def test_a_frame_may_be_narrower(raw_videos):
    reader = FrameReader("v", raw_videos / "first.mp4", FrameCache())
    picture = cv2.imdecode(np.frombuffer(reader.frame(3, 72), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (48, 72, 3)
    reader.close()
