"""Frames per second: what the frames' intervals say, whatever the pauses between them."""

from __future__ import annotations

from fractions import Fraction

import av
import pytest

from lp_data.testing.encoding import Encoding, encode, read_codes
from lp_data.testing.hostile import truncate
from lp_data.video.open import open_video

MS = Fraction(1, 1000)
ZERO_DELAY = {"preset": "ultrafast", "g": "10"}


def with_times(folder, pts, *, rate=25, suffix=".mkv"):
    """A video whose frame ``n`` is shown at ``pts(n)`` ms; the header declares ``rate``."""
    how = Encoding(time_base=MS, pts=pts, rate=Fraction(rate), options=ZERO_DELAY)
    return encode(folder / f"film{suffix}", how)


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize(
    ("interval", "declared", "expected"),
    [(40, 25, Fraction(25)), (33, 30, Fraction(1000, 33)), (10, 25, Fraction(100))],
)
def test_an_hour_of_pause_does_not_slow_a_video_down(
    tmp_path, caplog, suffix, interval, declared, expected
) -> None:
    def pts(number):
        return interval * number + (3_600_000 if number > 20 else 0)

    path = with_times(tmp_path, pts, rate=declared, suffix=suffix)
    with caplog.at_level("INFO", "lp_data"), open_video(path) as source:
        assert float(source.fps) == pytest.approx(float(expected), rel=0.02)
        assert read_codes(source.read(0, 40)) == list(range(40))
    (note,) = [text for text in caplog.messages if "(h:mm:ss)" in text]
    assert "1:00:00" in note


def test_uneven_intervals_without_a_pause_keep_the_length_of_the_video(tmp_path, caplog) -> None:
    with open_video(with_times(tmp_path, lambda n: 40 * n + 20 * (n % 2))) as source:
        assert float(source.fps) == pytest.approx(25, rel=0.03)
    assert "(h:mm:ss)" not in caplog.text


def test_an_odd_rate_is_noted(tmp_path, caplog) -> None:
    how = Encoding(time_base=Fraction(1, 90_000), rate=Fraction(90_000), options=ZERO_DELAY)
    with caplog.at_level("INFO", "lp_data"), open_video(encode(tmp_path / "a.mkv", how)):
        pass
    path = encode(tmp_path / "b.ts", Encoding(rate=Fraction(1, 10), options=ZERO_DELAY))
    with caplog.at_level("INFO", "lp_data"), open_video(path) as source:
        assert source.fps == Fraction(1, 10)
    notes = [text for text in caplog.messages if "frames a second" in text]
    assert any("b.ts" in note and "0.1 frames a second" in note for note in notes)


def test_a_usual_rate_is_not(tmp_path, caplog) -> None:
    with caplog.at_level("INFO", "lp_data"), open_video(with_times(tmp_path, lambda n: 40 * n)):
        pass
    assert "frames a second" not in caplog.text


AVI_CODECS = {
    "mjpeg": Encoding("mjpeg", pix_fmt="yuvj420p"),
    "b_frames": Encoding("mpeg4", options={"bf": "2"}, grain=40),
    "h264": Encoding(options=ZERO_DELAY, grain=10),
}


class TestAviThatCountsTicks:
    """FFmpeg writes an empty chunk for each tick without a frame, and counts those as frames."""

    def made(self, folder, codec):
        how = AVI_CODECS[codec]
        ticks = Encoding(
            **{**vars(how), "time_base": Fraction(1, 50), "pts": lambda number: 2 * number}
        )
        return encode(folder / "ticks.avi", ticks)

    @pytest.mark.parametrize("codec", AVI_CODECS)
    def test_whole(self, tmp_path, codec) -> None:
        with open_video(self.made(tmp_path, codec)) as source:
            assert (len(source), source.damage) == (40, None)

    @pytest.mark.parametrize("codec", AVI_CODECS)
    def test_cut_off(self, tmp_path, codec) -> None:
        with open_video(truncate(self.made(tmp_path, codec), 0.7)) as source:
            assert source.damage == f"truncated video: {len(source)} of 40 frames readable"


@pytest.mark.parametrize("lost", [0.5, 0.1])
@pytest.mark.parametrize("frame", range(11, 20))
def test_a_raw_stream_that_ends_within_a_frame_ends_with_a_whole_one(tmp_path, frame, lost) -> None:
    options = {"preset": "fast", "crf": "18", "bf": "3", "g": "12", "b-pyramid": "normal"}
    path = encode(tmp_path / "raw.h264", Encoding(options=options, grain=10))
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    kept = sum(sizes[:frame]) + int((1 - lost) * sizes[frame])
    path.write_bytes(path.read_bytes()[:kept])
    with open_video(path) as source:
        assert read_codes(source.read(0, len(source))) == list(range(len(source)))
        assert len(source) >= frame - 4
        assert source.damage
