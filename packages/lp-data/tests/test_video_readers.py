"""Every reader on every hostile file: index i is frame i, or the reader refuses."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from lp_core.registry import VIDEO_READERS, load_plugin, registered
from lp_core.video import VideoSource
from lp_data.errors import VideoError
from lp_data.testing.encoding import read_codes
from lp_data.testing.hostile import HOSTILE, HostileVideo
from lp_data.video.open import open_video

FILE_READERS = [name for name in registered(VIDEO_READERS) if not name.startswith("image")]
# What a reader refuses, since it could not be exact; anything else it must read.
UNTIMED = {"b_frames_avi", "mpeg4_b_frames_avi", "vp8_hidden_frames", "raw_stream"}
DAMAGED = {"truncated_mp4", "truncated_mkv", "beheaded_stream"}
ON_CPU_BY_DALI = {"vp9", "vp8_hidden_frames", "mjpeg_avi", "odd_size_vp9", "count_too_low"}
REFUSED: dict[str, set[str]] = {
    "pyav": set(),
    "opencv": UNTIMED | {"mirrored", "av1"},
    "dali": set(HOSTILE) - ON_CPU_BY_DALI,
    "torchcodec": UNTIMED | DAMAGED | {"mirrored", "transport_stream"},
}
PAIRS = [(r, name) for r in FILE_READERS for name in HOSTILE if name not in REFUSED.get(r, set())]
REFUSALS = [(r, name) for r in FILE_READERS for name in sorted(REFUSED.get(r, set()))]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Hostile files by name, made when they are first asked for."""
    folder = tmp_path_factory.mktemp("hostile")

    class Made(dict):
        def __missing__(self, name: str) -> Path:
            self[name] = HOSTILE[name].make(folder)
            return self[name]

    return Made()


def plain(reader: str) -> str:
    """A video that the reader can read, without any trick."""
    return "vp9" if reader == "dali" else "b_frames"


def opened(reader: str, path: Path, **options) -> VideoSource:
    """The source; the test is skipped where the reader's extra is not installed."""
    refusal = load_plugin(VIDEO_READERS, reader).refusal(path)
    if refusal and "lp-data[" in refusal:
        pytest.skip(refusal)
    return open_video(path, reader=reader, **options)


def first_number(video: HostileVideo, source: VideoSource) -> int:
    return read_codes(source.read(0, 1))[0] if video.first is None else video.first


@pytest.mark.parametrize(("reader", "name"), PAIRS)
class TestEachFrameIsTheOneItsIndexMeans:
    def test_in_order(self, reader, name, made):
        video = HOSTILE[name]
        with opened(reader, made[name]) as source:
            first = first_number(video, source)
            numbers = [n for chunk in source.chunks(7) for n in read_codes(chunk)]
            assert numbers == list(range(first, first + len(source)))
            if video.count is None:
                assert 10 < len(numbers) < 40
            else:
                assert len(numbers) == video.count
            assert source.size == video.how.shown_size
            assert video.fps in (None, source.fps)
            assert bool(source.damage) == video.damaged
            if video.damaged:
                assert str(len(source)) in source.damage

    def test_anywhere(self, reader, name, made):
        video = HOSTILE[name]
        with opened(reader, made[name]) as source:
            first = first_number(video, source)
            choice = random.Random(name)
            for _ in range(8):
                index = choice.randrange(len(source))
                assert read_codes(source.read_indices([index])) == [first + index]
            everything = range(len(source))
            by_chance = [choice.randrange(len(source)) for _ in range(15)]
            for indices in (by_chance, everything[::2], everything[1::7], everything[::-5]):
                assert read_codes(source.read_indices(indices)) == [first + i for i in indices]


@pytest.mark.parametrize(("reader", "name"), REFUSALS)
def test_what_a_reader_cannot_do_exactly_it_refuses_clearly(reader, name, made):
    try:
        source = opened(reader, made[name])
    except VideoError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert str(made[name]) in refusal.where
        assert refusal.remedy == "choose reader 'pyav'"
        return
    with source:  # another version, or a GPU, can do more
        first = first_number(HOSTILE[name], source)
        numbers = read_codes(source.read(0, len(source)))
        assert numbers == list(range(first, first + len(numbers)))


def test_torchcodec_without_ffmpeg_says_what_it_needs(made, monkeypatch):
    torchcodec = pytest.importorskip("torchcodec")
    monkeypatch.setattr(torchcodec, "ffmpeg_major_version", None)
    with pytest.raises(VideoError, match=r"lp-data\[torchcodec\] .* FFmpeg's shared libraries"):
        open_video(made["b_frames"], reader="torchcodec")


@pytest.mark.parametrize("reader", FILE_READERS)
class TestAnyReader:
    def test_ranges_outside_the_video_are_index_errors(self, reader, made):
        with opened(reader, made[plain(reader)]) as source:
            for start, stop in ((-1, 3), (0, 41), (5, 4)):
                with pytest.raises(IndexError, match="40 frames"):
                    source.read(start, stop)
            for index in (-1, 40):
                with pytest.raises(IndexError, match="40 frames"):
                    source.read_indices([0, index])

    def test_an_empty_range_is_an_empty_array(self, reader, made):
        with opened(reader, made[plain(reader)], resize_to=(20, 30)) as source:
            assert source.read(3, 3).shape == (0, 20, 30, 3)
            assert source.read_indices([]).shape == (0, 20, 30, 3)

    def test_the_last_chunk_is_shorter(self, reader, made):
        with opened(reader, made[plain(reader)]) as source:
            assert [len(chunk) for chunk in source.chunks(16)] == [16, 16, 8]

    def test_chunks_start_anew_each_time_and_side_by_side(self, reader, made):
        with opened(reader, made[plain(reader)]) as source:
            one, two = source.chunks(10), source.chunks(5)
            read_codes(next(one))
            assert read_codes(next(two)) == list(range(5))
            assert read_codes(next(one)) == list(range(10, 20))

    def test_reading_after_close_is_an_error(self, reader, made):
        source = opened(reader, made[plain(reader)])
        source.close()
        source.close()
        with pytest.raises(VideoError, match="closed"):
            source.read(0, 1)

    def test_colours_are_red_green_blue(self, reader, made):
        with opened(reader, made[plain(reader)]) as source:
            light = source.read(5, 6)[0][8, 8]
        assert abs(light.astype(int) - (255, 220, 120)).max() < 25

    def test_satisfies_the_contract(self, reader, made):
        with opened(reader, made[plain(reader)]) as source:
            assert isinstance(source, VideoSource)
