"""Each broken video gets its own clear message, or serves what can be read and says what cannot."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from lp_data.errors import VideoError
from lp_data.testing.encoding import Encoding, encode, read_codes
from lp_data.testing.hostile import scramble, truncate
from lp_data.video.open import open_video

SHORT = {"preset": "ultrafast", "crf": "18", "g": "10"}


def empty(folder: Path) -> Path:
    (folder / "a.mp4").touch()
    return folder / "a.mp4"


def text(folder: Path) -> Path:
    (folder / "a.mp4").write_text("frame,x,y\n1,2,3\n" * 50)
    return folder / "a.mp4"


def noise(folder: Path) -> Path:
    (folder / "a.avi").write_bytes(np.random.default_rng(0).bytes(5000))
    return folder / "a.avi"


def without_moov(folder: Path) -> Path:
    return truncate(encode(folder / "a.mp4", Encoding(options=SHORT)), 0.5)


def only_header(folder: Path) -> Path:
    path = encode(folder / "a.mkv", Encoding(options=SHORT))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"\x1f\x43\xb6\x75")])  # up to the first cluster
    return path


def sound_only(folder: Path) -> Path:
    path = folder / "a.m4a"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=48_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts = 48_000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def all_data_lost(folder: Path) -> Path:
    path = encode(folder / "a.mp4", Encoding(options=SHORT))
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    end = data.index(b"moov") - 4
    data[start:end] = bytes(end - start)
    path.write_bytes(data)
    return path


def playlist(folder: Path) -> Path:
    encode(folder / "other.ts", Encoding(options=SHORT))
    (folder / "a.mp4").write_text(
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n"
    )
    return folder / "a.mp4"


def concatenation(folder: Path) -> Path:
    encode(folder / "other.ts", Encoding(options=SHORT))
    (folder / "a.mp4").write_text("ffconcat version 1.0\nfile other.ts\n")
    return folder / "a.mp4"


def missing(folder: Path) -> Path:
    return folder / "gone.mp4"


BROKEN = {
    "missing": (missing, "no such video"),
    "empty": (empty, "empty: 0 bytes"),
    "text": (text, "not a video"),
    "noise": (noise, "not a video"),
    "without moov atom": (without_moov, r"truncated video.*moov"),
    "only a header": (only_header, "truncated video.*within its header"),
    "sound only": (sound_only, "no video stream"),
    "all data lost": (all_data_lost, "no frame of the video can be decoded"),
    "playlist": (playlist, "not a video"),
    "concatenation": (concatenation, "not a video"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("reader", ["auto", "pyav", "opencv"])
def test_a_broken_video_has_its_own_message(tmp_path: Path, name: str, reader: str) -> None:
    make, message = BROKEN[name]
    path = make(tmp_path)
    with pytest.raises(VideoError, match=message) as caught:
        open_video(path, reader=reader)
    assert str(path) in str(caught.value)


def damaged_in_the_middle(folder: Path, name: str) -> Path:
    path = encode(folder / name, Encoding(count=60, options=SHORT, grain=15))
    return scramble(path, 0.42, 0.47)


def test_damage_in_the_middle_is_an_error_at_its_frame(tmp_path: Path) -> None:
    with open_video(damaged_in_the_middle(tmp_path, "bad.mp4")) as source:
        assert len(source) == 60
        served = []

        def serve_all() -> None:
            for chunk in source.chunks(1):
                served.extend(read_codes(chunk))

        with pytest.raises(VideoError, match=r"frame \d+ is damaged") as caught:
            serve_all()
        bad = len(served)
        assert served == list(range(bad))
        assert 15 < bad < 35
        assert f"frame {bad}" in caught.value.where
        after = -(-bad // 10) * 10  # the next keyframe
        with pytest.raises(VideoError, match=f"frame {bad} is damaged"):
            source.read_indices([after - 1])  # it rests on the damaged one
        assert read_codes(source.read(50, 60)) == list(range(50, 60))
        assert read_codes(source.read(0, 5)) == list(range(5))


def test_frames_that_a_damaged_container_has_lost_are_told(tmp_path: Path) -> None:
    with open_video(damaged_in_the_middle(tmp_path, "bad.avi")) as source:
        assert 50 < len(source) < 60
        assert source.damage.startswith(f"only {len(source)} of the 60 frames")


def test_a_tail_of_zeros_is_told_and_left_out(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", Encoding(options=SHORT, container={"movflags": "faststart"}))
    data = bytearray(path.read_bytes())
    data[-len(data) // 6 :] = bytes(len(data) // 6 + 1)
    path.write_bytes(data[: path.stat().st_size])
    with open_video(path) as source:
        assert 10 < len(source) < 40
        assert (
            source.damage
            == f"only {len(source)} of the 40 frames that the file promises can be decoded"
        )
        numbers = read_codes(source.read(0, len(source)))
    assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("share", np.linspace(0.5, 0.98, 8).round(3).tolist())
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_wherever_a_file_is_cut_its_frames_are_exact(tmp_path, name: str, share: float) -> None:
    options = {"preset": "fast", "crf": "18", "bf": "2", "g": "12"}
    container = {"movflags": "faststart"} if name == "a.mp4" else {}
    how = Encoding(count=24, options=options, container=container, grain=15)
    path = truncate(encode(tmp_path / name, how), share)
    with open_video(path) as source:
        assert read_codes(source.read(0, len(source))) == list(range(len(source)))
        assert source.damage.startswith(f"truncated video: {len(source)}")


@pytest.mark.parametrize("share", np.linspace(0.5, 0.98, 8).round(3).tolist())
@pytest.mark.parametrize("name", ["a.ts", "a.flv"])
def test_wherever_a_stream_is_cut_its_frames_are_exact(tmp_path, name: str, share: float) -> None:
    options = {"preset": "fast", "crf": "18", "bf": "2", "g": "12"}
    path = encode(tmp_path / name, Encoding(count=24, options=options, grain=15))
    with open_video(path) as source:
        assert len(source) == 24
        assert source.damage is None
    with open_video(truncate(path, share)) as source:
        assert read_codes(source.read(0, len(source))) == list(range(len(source)))


def test_what_is_appended_to_an_mp4_does_not_make_it_truncated(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", Encoding(options=SHORT))
    for appended in (b"\xff" * 32, b"recorded in room 7, by hand"):
        path.write_bytes(path.read_bytes() + appended)
        with open_video(path) as source:
            assert len(source) == 40
            assert source.damage is None


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_damage_in_the_first_frame_shifts_nothing(tmp_path, name: str, b_frames: str) -> None:
    options = {"preset": "fast", "crf": "18", "bf": b_frames, "g": "10"}
    path = encode(tmp_path / name, Encoding(options=options))
    with av.open(str(path)) as container:
        first = bytes(next(packet for packet in container.demux(video=0) if packet.size))
    path.write_bytes(path.read_bytes().replace(first, bytes(len(first))))
    with pytest.raises(VideoError, match="frame 0 is damaged"):
        open_video(path)


@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_recordings_appended_to_each_other_are_read_in_the_order_of_the_file(
    tmp_path: Path, b_frames: str
) -> None:
    # the second one's times begin again, before those of the first
    options = {"preset": "fast", "crf": "18", "bf": b_frames, "g": "10"}
    later = Encoding(count=20, options=options, pts=lambda number: number + 500)
    first = encode(tmp_path / "first.ts", later)
    second = encode(tmp_path / "second.ts", Encoding(count=12, options=options))
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with open_video(both) as source:
        assert read_codes(source.read(0, len(source))) == [*range(20), *range(12)]
        assert read_codes(source.read_indices([25])) == [5]


def test_frames_in_an_avi_are_not_missed_for_being_counted_twice(tmp_path: Path) -> None:
    options = {"preset": "fast", "crf": "18", "bf": "2"}
    copied = encode(tmp_path / "a.mp4", Encoding(options=options))
    path = tmp_path / "a.avi"
    with av.open(str(copied)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream_from_template(source.streams.video[0])
        framing = BitStreamFilterContext("h264_mp4toannexb", source.streams.video[0])
        for packet in source.demux(video=0):
            for framed in framing.filter(packet if packet.size else None):
                framed.stream = stream
                target.mux(framed)
    with open_video(path) as video:
        assert len(video) == 40
        assert video.damage is None


def test_a_change_of_size_is_an_error_at_its_frame(tmp_path: Path) -> None:
    first = encode(tmp_path / "a.ts", Encoding(count=12, options=SHORT))
    second = encode(tmp_path / "b.ts", Encoding(count=12, size=(96, 128), options=SHORT))
    both = tmp_path / "both.ts"
    both.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(VideoError), open_video(both) as source:
        source.read(0, len(source))
