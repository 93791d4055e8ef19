"""Which video is which view of which session, and views read in step."""

from __future__ import annotations

import unicodedata
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_data.errors import SessionError
from lp_data.sessions import (
    MANIFEST,
    SessionVideo,
    ViewNames,
    ViewSet,
    calibrations_of,
    find_calibrations,
    group_videos,
    read_manifest,
    tell_lengths,
)
from lp_data.video.base import Source

CAMERAS = ViewNames(("cam1", "cam10", "cam_10"))


@pytest.fixture
def folder(tmp_path):
    """Makes empty files."""

    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    return make


def grouped(folder, *names, views=CAMERAS, listed=None):
    """(session, view, file) of each video, and the files left out."""
    found = group_videos([folder / name for name in names], views, listed)
    return (
        [(v.session, v.view, v.video.name) for v in found.videos],
        [each.file.name for each in found.left_out],
    )


def test_a_view_that_begins_as_another_one_is_not_taken_for_it(folder):
    """`multiview_facts` 45: cam1 took the videos of cam10, and sessions were left out."""
    names = ("a_cam1.mp4", "a_cam10.mp4", "b_cam10.mp4")
    assert grouped(folder(*names), *names) == (
        [("a", "cam1", names[0]), ("a", "cam10", names[1]), ("b", "cam10", names[2])],
        [],
    )


def test_the_longest_view_at_the_end_counts(folder):
    """`multiview_facts` 5: a view whose name holds an underscore gave a wrong session."""
    (video,) = grouped(folder("a_cam_10.mp4"), "a_cam_10.mp4")[0]
    assert video == ("a", "cam_10", "a_cam_10.mp4")
    assert ViewNames(("10", "cam_10")).split("a_cam_10") == ("a", "cam_10")


@pytest.mark.parametrize("name", ["xcam1.mp4", "cam1_a.mp4", "a_cam1_late.mp4", "a-cam1.mp4"])
def test_a_view_elsewhere_in_a_name_is_none_and_the_file_is_named(folder, name):
    """`multiview_facts` 46: xcam1 was taken for cam1."""
    assert grouped(folder(name), name) == ([], [name])


def test_a_session_keeps_a_view_within_its_name(folder):
    """`multiview_facts` 47: every _<view> was taken out of the name."""
    name = "day_cam1_late_cam1.mp4"
    assert grouped(folder(name), name)[0] == [("day_cam1_late", "cam1", name)]


def test_absent_views_and_files_left_out_are_told(folder):
    """`multiview_facts` 48: a session that lacked a view was left out without a word."""
    names = ["a_cam1.mp4", "a_cam10.mp4", "b_cam10.mp4", "notes.mp4"]
    views = ViewNames(("cam1", "cam10"))
    found = group_videos([folder(*names) / name for name in names], views)
    assert found.absent == (("b", "cam1"),)
    assert found.text().splitlines() == [
        "session  cam1        cam10",
        "a        a_cam1.mp4  a_cam10.mp4",
        "b        absent      b_cam10.mp4",
        "left out: notes.mp4: its name does not end in _cam1, _cam10",
    ]
    assert len(found.notes()) == 2


def test_two_videos_of_one_view_are_refused(folder):
    project = folder("x/a_cam1.mp4", "y/a_cam1.mp4")
    with pytest.raises(SessionError, match="two videos are the view 'cam1' of the session 'a'"):
        grouped(project, "x/a_cam1.mp4", "y/a_cam1.mp4")


def test_names_are_compared_in_one_form_of_unicode(folder):
    name = unicodedata.normalize("NFD", "mäuse_käfig.mp4")
    found = grouped(folder(name), name, views=ViewNames(("käfig", "b")))[0]
    assert found == [(unicodedata.normalize("NFC", "mäuse"), "käfig", name)]


@pytest.mark.parametrize("names", [("a", "a"), ("",), ("a/b",)])
def test_views_that_cannot_be_are_refused(names):
    with pytest.raises(SessionError):
        ViewNames(names)


NAME = st.text("ab1_", min_size=1, max_size=4)


@given(session=NAME, names=st.lists(NAME, min_size=1, max_size=4, unique=True), data=st.data())
def test_what_a_name_is_made_of_is_found_unless_a_longer_view_fits(session, names, data):
    view = data.draw(st.sampled_from(names))
    found = ViewNames(tuple(names)).split(f"{session}_{view}")
    assert found is not None
    assert len(found.view) >= len(view)
    if found.view == view:
        assert found.session == session


MANIFEST_TEXT = """session,view,video,calibration,frame_offset
mouse,top,raw/one.mp4,rig.toml,0
mouse,side,raw/two.mp4,rig.toml,-3
other,top,raw/three.mp4,,
other,side,,,
"""


def listed(folder, text=MANIFEST_TEXT, views=("top", "side")):
    (folder / MANIFEST).write_text(text)
    return read_manifest(folder / MANIFEST, views)


def test_a_manifest_says_what_names_do_not(folder):
    project = folder("raw/one.mp4", "raw/two.mp4", "raw/three.mp4", "rig.toml", "mouse2_top.mp4")
    manifest = listed(project)
    assert [(v.session, v.view, v.video.name, v.offset) for v in manifest.videos] == [
        ("mouse", "top", "one.mp4", 0),
        ("mouse", "side", "two.mp4", -3),
        ("other", "top", "three.mp4", 0),
    ]
    assert manifest.absent == (("other", "side"),)
    assert manifest.videos[1].table == "mouse_side"
    names = ("raw/two.mp4", "raw/one.mp4", "mouse2_top.mp4")
    assert grouped(project, *names, views=manifest.view_names, listed=manifest) == (
        [("mouse", "top", "one.mp4"), ("mouse", "side", "two.mp4"), ("mouse2", "top", names[2])],
        [],
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("calibration", "calibrations"), "the column 'calibrations' is unknown"),
        (("session,view,video", "session,view,file"), "the column 'file' is unknown"),
        (("mouse,side", "mouse,sid"), "there is no view 'sid'"),
        (("mouse,side", "mouse,top"), "the session 'mouse' has the view 'top' twice"),
        (("raw/two", "raw/2"), "there is no video 'raw/2.mp4'"),
        (("-3", "early"), "'early' is not a number of frames"),
        (("rig.toml,0", "rig.toml"), "the row has 4 cells"),
        (("other,top", ",top"), "does not name its session"),
    ],
)
def test_a_manifest_is_read_strictly(folder, change, message):
    project = folder("raw/one.mp4", "raw/two.mp4", "raw/three.mp4", "rig.toml")
    with pytest.raises(SessionError, match=message):
        listed(project, MANIFEST_TEXT.replace(*change, 1))


def test_every_session_has_a_calibration_or_none_has(folder):
    """`multiview_facts` 6: a folder of calibrations of other sessions changed what was trained."""
    project = folder("calibrations/a.toml")
    assert find_calibrations(project, ["b", "c"]) == {}
    with pytest.raises(SessionError, match="not 'b'"):
        find_calibrations(project, ["a", "b"])
    folder("calibration.toml")
    found = find_calibrations(project, ["a", "b", "a"])
    assert {session: file.name for session, file in found.items()} == {
        "a": "a.toml",
        "b": "calibration.toml",
    }


FRAMES = ("labeled-data/a/img1.png", "labeled-data/a/img2.png", "labeled-data/b/img1.png")


def cameras_of(folder, *rows, frames=FRAMES):
    table = folder / "cameras.csv"
    table.write_text("\n".join(["path,file", *rows]) + "\n")
    found = calibrations_of(folder, frames, CAMERAS, table=table)
    return [found[frame].name for frame in frames]


def test_a_table_of_cameras_is_read_by_session_and_frame(folder):
    """`multiview_facts` 8 and 9: rows were used by position after comparing base names only."""
    project = folder("rigs/one.toml", "rigs/two.toml")
    rows = [
        "labeled-data/b_cam10/img1.png,rigs/two.toml",  # of a view
        "labeled-data/a/img2.png,rigs/two.toml",
        "labeled-data/a/img1.png,rigs/one.toml",
    ]
    assert cameras_of(project, *rows) == ["one.toml", "two.toml", "two.toml"]
    with pytest.raises(SessionError, match="without cameras, of the sessions 'b'"):
        cameras_of(project, *rows[1:])
    with pytest.raises(SessionError, match="no file of cameras"):
        cameras_of(project, "labeled-data/a/img1.png,rigs/3.toml")
    with pytest.raises(SessionError, match="one frame has two files"):
        cameras_of(project, rows[1], "labeled-data/a/img2.png,rigs/one.toml")


class Counted(Source):
    """A video that is not on disk, whose frames show their numbers."""

    fps = Fraction(30)
    size = (4, 6)

    def __init__(self, length):
        super().__init__(Path("none"), None)
        self.length = length

    def __len__(self):
        return self.length

    def _decode(self, indices, out):
        out[...] = 1 + np.asarray(indices)[:, None, None, None]

    def _release(self):
        pass


def view_set(lengths, offsets=(0, 0)):
    videos = [
        SessionVideo("s", view, Path(f"s_{view}.mp4"), offset=offset)
        for view, offset in zip("ab", offsets, strict=False)
    ][: len(lengths)]
    sources = {video.view: Counted(length) for video, length in zip(videos, lengths, strict=True)}
    return ViewSet(videos, sources)


def shown(views, frames, names="ab"):
    """The numbers of the frames of each view, -1 for black or none."""
    read = [views.read(name, frames) for name in names]
    empty = [-1] * len(frames)
    numbers = [empty if each is None else (each[:, 0, 0, 0].astype(int) - 1) for each in read]
    return np.stack(numbers, axis=1).tolist() if len(frames) else []


def present(views, frames, names="ab"):
    return np.stack([views.present(name, frames) for name in names], axis=1).tolist()


def test_views_of_unequal_length_are_read_in_step_and_the_missing_ones_absent():
    views = view_set((5, 3))
    assert views.frames == range(5)
    assert shown(views, range(1, 5)) == [[1, 1], [2, 2], [3, -1], [4, -1]]
    assert present(views, range(1, 5)) == [[True, True]] * 2 + [[True, False]] * 2


def test_a_view_without_a_video_is_never_present():
    views = view_set((3,))
    assert shown(views, range(3), "ca") == [[-1, 0], [-1, 1], [-1, 2]]
    assert not views.present("c", range(3)).any()


@settings(max_examples=50)
@given(
    lengths=st.tuples(st.integers(8, 12), st.integers(8, 12)),
    offsets=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    data=st.data(),
)
def test_frame_offsets_say_which_frames_are_of_one_moment(lengths, offsets, data):
    views = view_set(lengths, offsets)
    start = data.draw(st.integers(views.frames.start, views.frames.stop - 1))
    stop = data.draw(st.integers(start, views.frames.stop))
    read, known = shown(views, range(start, stop)), present(views, range(start, stop))
    for moment, (frames, here) in enumerate(zip(read, known, strict=True), start):
        for frame, there, length, offset in zip(frames, here, lengths, offsets, strict=True):
            expected = moment + offset
            assert there == (0 <= expected < length)
            assert frame == (expected if there else -1)
    for view, length in zip("ab", lengths, strict=True):
        assert len(views.of_video(view)) == length


def test_unequal_lengths_are_told_with_files_and_lengths():
    """`multiview_facts` 53 and 54: lengths were compared by what containers claim, or not."""
    videos = list(view_set((5, 3)).videos.values())
    assert tell_lengths(videos, {"a": 5, "b": 5}) is None
    told = tell_lengths(videos, {"a": 5, "b": 3})
    assert "s_a.mp4 5 frames, s_b.mp4 3 frames" in told
    assert "present in frames 0 to 2" in told
    shifted = [videos[0], videos[1]._replace(offset=2)]
    assert tell_lengths(shifted, {"a": 5, "b": 7}) is not None
    with pytest.raises(SessionError, match="overlaps with no other"):
        tell_lengths([videos[0], videos[1]._replace(offset=9)], {"a": 5, "b": 3})
