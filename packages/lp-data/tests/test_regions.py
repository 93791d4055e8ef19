"""Boxes are read strictly, joined by name, cut exactly, and lead back to frame px."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.geometry import affine
from lp_core.geometry.decoding import decode_heatmaps
from lp_core.geometry.targets import heatmap_targets
from lp_core.poses import PoseTable, Skeleton
from lp_core.regions import Box, Region, WholeFrame, collect, ownership
from lp_core.registry import REGION_SOURCES
from lp_data.augmentation.affine_effects import Affine
from lp_data.augmentation.composition import Composition
from lp_data.datasets.clips import ClipDataset, whole_runs
from lp_data.datasets.labeled import LabeledDataset
from lp_data.errors import BoxFileError, DataModuleError
from lp_data.regions import CutVideo, cut, cutting, read_boxes
from lp_data.split import split_frames
from lp_data.testing.encoding import Encoding, encode
from lp_data.testing.hostile import claim_frames
from lp_data.video.image_source import ImageFolderSource
from lp_data.video.open import open_video


def boxes(folder, text, name="boxes.csv"):
    path = folder / name
    path.write_text(text)
    return path


def test_boxes_of_lightning_pose_are_joined_by_name_in_any_order(tmp_path):
    text = ",x,y,h,w\nlabeled-data/v/img2.png,5,6,70,80\nlabeled-data\\v\\img1.png,-1,2,30,40\n"
    found = read_boxes([boxes(tmp_path, text)])
    assert found.regions("labeled-data/v/img1.png") == (Region(Box(-1, 2, 40, 30)),)
    assert found.regions("./labeled-data/v/img2.png") == (Region(Box(5, 6, 80, 70)),)


def test_names_are_the_same_in_every_unicode_form(tmp_path):
    found = read_boxes([boxes(tmp_path, ",x,y,h,w\nmäuse/1.png,0,0,9,9\n")])
    assert found.regions(unicodedata.normalize("NFD", "mäuse/1.png"))[0].box == Box(0, 0, 9, 9)


def test_columns_stand_in_any_order_with_names_and_scores(tmp_path):
    """`multiview_facts` 67: a box was x, y, w, h in one place and x, y, h, w in another."""
    text = "frame,w,h,y,x,score,individual,view\n0,4,3,2,1,0.5,anna,top\n0,4,3,2,1,,ben,\n"
    first, second = read_boxes([boxes(tmp_path, text)]).regions(0)
    assert first == Region(Box(1, 2, 4, 3), "anna", "top", 0.5)
    assert second == Region(Box(1, 2, 4, 3), "ben", None, 1.0)


def test_edges_between_pixels_are_rounded_to_the_nearest(tmp_path):
    found = read_boxes([boxes(tmp_path, ",x,y,h,w\n0,1.4,2.6,10.0,9.9999\n")])
    assert found.regions(0)[0].box == Box(1, 3, 10, 10)


def test_several_files_give_several_boxes_of_a_frame(tmp_path):
    one = boxes(tmp_path, ",x,y,h,w\na.png,0,0,5,5\n", "one.csv")
    two = boxes(tmp_path, ",x,y,h,w\na.png,3,3,5,5\n", "two.csv")
    assert [r.view for r in read_boxes({"top": one, "bot": two}).regions("a.png")] == ["top", "bot"]
    assert [r.view for r in read_boxes([one, two]).regions("a.png")] == [None, None]
    assert read_boxes([one]).digest != read_boxes({"top": one}).digest


HEAD = ",x,y,h,w\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (HEAD, "no boxes"),
        (HEAD + "a.png,1,2,x,4\n", r"(?s)'x' is not a number for h.*line 2, column 4"),
        (HEAD + "a.png,1,2,nan,4\n", "'nan' is not a number for h"),
        (HEAD + "a.png,,2,3,4\n", r"(?s)'' is not a number for x.*line 2, column 2"),
        (HEAD + "a.png,1,2,0,4\n", r"(?s)h must be at least 1 px, got 0.*column 4"),
        (HEAD + "a.png,1,2,3,-4\n", "w must be at least 1 px, got -4"),
        (HEAD + "a.png,1,2,3\n", r"(?s)4 cells, the header 5.*line 2"),
        (HEAD + "\n,1,2,3,4\n", r"(?s)does not name its frame.*line 3"),
        (HEAD + "1.0,1,2,3,4\n", "'1.0' is neither a frame number nor the path"),
        (HEAD + "a.png,1,2,3,4\n7,1,2,3,4\n", "some boxes are of images, some of frames"),
        (HEAD + "a.png,1,2,3,4\na.png,5,2,3,4\n", r"(?s)has two boxes.*line 2.*line 3"),
        (",x,y,h,width\na.png,1,2,3,4\n", r"(?s)no column is 'width'.*column 5"),
        (",x,y,h\na.png,1,2,3\n", "no column 'w'"),
        (",x,y,h,w,x\na.png,1,2,3,4,5\n", "'x' comes twice"),
        (",x,y,h,w,score\na.png,1,2,3,4,5\n", "a score is from 0 to 1, got 5"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(tmp_path, text, message):
    """`multiview_facts` 58 and 59: NaN became a number, and boxes of no size tiny videos."""
    with pytest.raises(BoxFileError, match=message):
        read_boxes([boxes(tmp_path, text)])


def test_a_missing_file_and_a_frame_without_a_box_are_told(tmp_path):
    """`multiview_facts` 63: rows that matched none silently became NaN."""
    with pytest.raises(BoxFileError, match="no such box file"):
        read_boxes([tmp_path / "none.csv"])
    found = read_boxes([boxes(tmp_path, HEAD + "v/img1.png,1,2,3,4\n")])
    with pytest.raises(BoxFileError, match=r"no box for 'v/img2.png'") as caught:
        found.regions("v/img2.png")
    assert "there is one for 'v/img1.png'" in caught.value.remedy
    with pytest.raises(BoxFileError, match="no box for frame 0") as caught:
        found.of_video(3)
    assert "holds boxes of images" in caught.value.remedy


def test_a_video_needs_the_same_boxes_in_each_of_its_frames_and_no_other(tmp_path):
    rows = "0,0,0,2,2,top\n1,1,0,2,2,top\n0,5,0,2,2,bot\n1,6,0,2,2,bot\n"
    found = read_boxes([boxes(tmp_path, ",x,y,h,w,view\n" + rows)])
    tracks = found.of_video(2)
    assert [[(r.view, r.box.x) for r in t] for t in tracks] == [
        [("top", 0), ("top", 1)],
        [("bot", 5), ("bot", 6)],
    ]
    with pytest.raises(BoxFileError, match="no box for frame 2"):
        found.of_video(3)
    with pytest.raises(BoxFileError, match="box for frame 1, but the video has 1 frames"):
        found.of_video(1)
    uneven = read_boxes([boxes(tmp_path, ",x,y,h,w,view\n" + rows[:-15])])
    with pytest.raises(BoxFileError, match="frame 1 does not have the same individuals and views"):
        uneven.of_video(2)


def test_what_is_beyond_the_edge_is_black():
    """`multiview_facts` 60 and 68: the last row and column were lost, and boxes cut off shrank."""
    image = np.full((4, 6, 3), 9, np.uint8)
    part = cut(image, Box(-1, 2, 4, 5))
    assert part.shape == (5, 4, 3)
    assert (part[:2, 1:] == 9).all()
    assert not part[2:].any()
    assert not part[:, 0].any()
    image[:] = np.arange(24).reshape(4, 6, 1)
    np.testing.assert_array_equal(cut(image, Box(2, 1, 4, 3)), image[1:, 2:])
    with pytest.raises(BoxFileError, match="outside a frame of 6 x 4 px"):
        cut(image, Box(6, 0, 2, 2))


def dot(x, y, size=(90, 120)):
    """A wide blob at (x, y) in frame px."""
    rows, columns = np.arange(size[0])[:, None] - y, np.arange(size[1]) - x
    light = 250 * np.exp(-(rows**2 + columns**2) / (2 * 4.0**2))
    return np.repeat(light.round().astype(np.uint8)[..., None], 3, axis=2)


def one_row(path, points):
    names = tuple(f"k{number}" for number in range(len(points)))
    return PoseTable(Skeleton(names), np.array([points], dtype=float), (path,))


class One:
    """One region for every frame."""

    def __init__(self, *regions):
        self.found = regions

    def regions(self, frame):
        return self.found


@settings(deadline=None, max_examples=40)
@given(
    x=st.floats(30, 80),
    y=st.floats(30, 60),
    left=st.integers(-20, 15),
    top=st.integers(-20, 15),
    right=st.integers(95, 140),
    bottom=st.integers(75, 110),
    factor=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_a_dot_comes_home_through_box_augmentation_and_heatmap(
    tmp_path_factory, x, y, left, top, right, bottom, factor, seed
):
    folder, size = tmp_path_factory.mktemp("project"), (64, 96)
    cv2.imwrite(str(folder / "a.png"), dot(x, y))
    dataset = LabeledDataset(
        one_row("a.png", [[x, y]]),
        folder,
        size,
        regions=One(Region(Box(left, top, right - left, bottom - top))),
        augmenter=Composition((Affine(rotation=(-25.0, 25.0), probability=1.0),)),
        seed=seed,
    )
    sample = dataset[0]
    keypoints, to_frame = sample["keypoints"], sample["to_frame"]
    if not keypoints.isfinite().all():
        return  # turned off the image
    cells = (size[0] >> factor, size[1] >> factor)
    heatmaps = heatmap_targets(keypoints, size, cells)
    home = affine.transform(decode_heatmaps(heatmaps, size)[0], to_frame)[0, 0]
    assert (home - torch.tensor([x, y])).abs().max() < 0.05
    # and the pixels are where the keypoint says: the blob's centre, unless the edge cuts it
    light = sample["images"][0].double()
    edge = (keypoints[0, 0].double() - torch.tensor([size[1], size[0]]) / 2).abs()
    if (edge < torch.tensor([size[1], size[0]]) / 2 - 16).all():
        columns = (light.sum(0) * torch.arange(size[1])).sum() / light.sum()
        rows = (light.sum(1) * torch.arange(size[0])).sum() / light.sum()
        assert (torch.stack([columns, rows]) - keypoints[0, 0]).abs().max() < 0.1


def test_keypoints_outside_the_box_are_not_on_the_image(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), dot(10, 10))
    table = one_row("a.png", [[10, 10], [50, 50], [29.4, 10], [29.6, 10]])
    region = Region(Box(0, 0, 30, 30))
    sample = LabeledDataset(table, tmp_path, (60, 60), regions=One(region))[0]
    assert sample["visibility"].tolist() == [[2, 0, 2, 0]]
    torch.testing.assert_close(sample["keypoints"][0, 0], torch.tensor([20.5, 20.5]))


def test_each_box_of_an_image_is_a_sample_and_has_pixels_of_its_own_in_the_cache(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), dot(40, 40))
    table, source = one_row("a.png", [[40, 40]]), One(
        Region(Box(0, 0, 60, 60)), Region(Box(20, 20, 60, 60))
    )  # fmt: skip
    options = {"cache_budget": 0, "cache_folder": tmp_path / "cache"}
    dataset = LabeledDataset(table, tmp_path, (60, 60), regions=source, **options)
    assert len(dataset) == 2
    assert dataset.samples_of([0]) == [0, 1]
    assert [dataset[i]["keypoints"].tolist() for i in (0, 1)] == [[[[40, 40]]], [[[20, 20]]]]
    assert [int(dataset[i]["images"][0].flatten().argmax()) for i in (0, 1)] == [
        40 * 60 + 40,
        20 * 60 + 20,
    ]
    assert [dataset[i]["frame"] for i in (0, 1)] == [0, 0]
    swapped = LabeledDataset(table, tmp_path, (60, 60), regions=One(*source.found[::-1]), **options)
    assert int(swapped[0]["images"][0].flatten().argmax()) == 20 * 60 + 20


def test_neighbours_are_cut_to_the_box_of_the_labelled_frame(tmp_path):
    """`multiview_facts` 64: also where a neighbour is labelled too, and has a box of its own."""
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"img{number}.png"), dot(40 + number, 40))
    points = np.array([[[42.0, 40]], [[43, 40]]])
    table = PoseTable(Skeleton(("k",)), points, ("img2.png", "img3.png"))
    text = ",x,y,h,w\nimg2.png,20,20,60,60\nimg3.png,10,20,60,60\n"
    own = read_boxes([boxes(tmp_path, text)])
    dataset = LabeledDataset(table, tmp_path, (60, 60), regions=own, context_frames=5)
    for _ in range(2):  # also from the cache
        for row, left in ((0, 20), (1, 10)):
            shown = [int(frame[0].flatten().argmax()) for frame in dataset[row]["images"]]
            assert shown == [20 * 60 + 40 - left + row + number for number in range(5)]


def test_animals_find_their_boxes_by_name(tmp_path):
    cv2.imwrite(str(tmp_path / "a.png"), dot(40, 40))
    points = np.array([[[40.0, 40]], [[60, 50]]])
    table = PoseTable(Skeleton(("k",)), points, ("a.png",) * 2, individual=("anna", "ben"))
    text = ",x,y,h,w,individual\na.png,30,30,20,20,ben\na.png,10,10,20,20,anna\n"
    dataset = LabeledDataset(table, tmp_path, (20, 20), regions=read_boxes([boxes(tmp_path, text)]))
    assert [dataset[i]["table_row"].tolist() for i in range(2)] == [[1], [0]]
    with pytest.raises(DataModuleError, match="has 2 animals") as caught:
        LabeledDataset(table, tmp_path, (20, 20))
    assert "individual" in caught.value.remedy
    only = read_boxes([boxes(tmp_path, text.splitlines()[0] + "\na.png,0,0,9,9,anna\n")])
    with pytest.raises(BoxFileError, match="there is no box for the individual 'ben'"):
        LabeledDataset(table, tmp_path, (20, 20), regions=only)


def test_all_rows_of_a_frame_are_in_one_part_of_the_split():
    frames = tuple(f"{number // 2}.png" for number in range(40))
    table = PoseTable(Skeleton(("k",)), np.zeros((40, 1, 2)), frames)
    split = split_frames(table, 0.7, 0.2, 0)
    parts = [{row // 2 for row in part} for part in (split.train, split.validation, split.test)]
    assert sum(map(len, parts)) == len(set().union(*parts)) == 20
    assert sum(len(part) for part in (split.train, split.validation, split.test)) == 40


@pytest.fixture
def frames(tmp_path):
    folder = tmp_path / "video"
    folder.mkdir()
    for number in range(8):
        cv2.imwrite(str(folder / f"{number}.png"), dot(40 + 2 * number, 40))
    return folder


def test_a_video_is_cut_frame_by_frame(frames):
    """`multiview_facts` 61: the box of a frame was found by its time, and one off at times."""
    cuts = [Box(20 + 2 * number, 20, 60, 60) for number in range(8)]
    video = CutVideo(ImageFolderSource(frames), cuts, (60, 60))
    assert len(video) == 8
    together = np.concatenate(list(video.chunks(3)))
    for found in (together, video.read(0, 8), video.read_indices(range(8))):
        assert [int(frame[..., 0].argmax()) for frame in found] == [20 * 60 + 20] * 8
    maps = video.to_frame(-2, 10)
    assert maps[:, 0, 2].tolist() == [20, 20, *range(20, 36, 2), 34, 34]
    assert (
        cutting((90, 120), None, (45, 60)).tolist() == affine.resizing((90, 120), (45, 60)).tolist()
    )


def test_a_box_beside_the_frame_is_told_before_anything_is_predicted(frames):
    """`multiview_facts` 60: a video was lost at the frame whose box was outside."""
    cuts = [Box(0, 0, 60, 60)] * 6 + [Box(0, 200, 60, 60)] * 2
    with pytest.raises(BoxFileError, match=r"the box of frame 6, .* outside a frame of 120 x 90"):
        CutVideo(ImageFolderSource(frames), cuts, (60, 60))


def test_boxes_are_as_many_as_the_frames_that_a_video_has(tmp_path):
    """`multiview_facts` 62: frames were counted by duration and rate, or as the header claims."""
    path = claim_frames(encode(tmp_path / "a.avi", Encoding("mpeg4", count=12)), 20)
    found = read_boxes([boxes(tmp_path, HEAD + "\n".join(f"{n},0,0,9,9" for n in range(12)))])
    with open_video(path) as source:
        assert len(found.of_video(len(source))[0]) == 12


def test_clips_are_cut_to_the_boxes_of_their_frames(frames, tmp_path):
    rows = [f"{n},{20 + 2 * n},20,60,60,top\n{n},{30 + 2 * n},20,60,60,bot" for n in range(8)]
    found = read_boxes([boxes(tmp_path, ",x,y,h,w,view\n" + "\n".join(rows) + "\n")])
    runs = partial(whole_runs, found)
    clips = ClipDataset([frames], 3, (60, 60), open_video=ImageFolderSource, runs=runs)
    assert len(clips) == 2 * 6
    seen = set()
    for number in range(12):
        clip = clips[number]
        place = {int(frame[0].flatten().argmax()) % 60 for frame in clip["frames"]}
        assert len(place) == 1
        seen |= place
        at = torch.tensor([[[float(*place), 20.0]]]).expand(3, 1, 2)
        home = affine.transform(at, clip["to_frame"])[:, 0, 0]
        assert home.tolist() == [40 + 2 * n for n in clip["frame"].tolist()]
    assert seen == {20, 10}


def test_a_keypoint_comes_from_its_owner_else_from_the_most_confident():
    regions = [Region(view="top"), Region(view="bot"), Region()]
    owned = ownership(regions, ("nose_top", "nose_bot", "tail"))
    assert owned.tolist() == [[True, False, False], [False, True, False], [False, False, False]]
    keypoints = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 3, 2)
    confidences = torch.tensor([[[0.1, 0.9, 0.2]], [[0.9, 0.2, 0.3]], [[0.8, 0.8, 0.3]]])
    found, trust = collect(keypoints, confidences, owned)
    assert found[0, :, 0].tolist() == [0, 1, 1]
    assert trust[0].tolist() == pytest.approx([0.1, 0.2, 0.3])


def test_region_sources_are_registered():
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    entries = project["project"]["entry-points"][REGION_SOURCES]
    loaded = {name: EntryPoint(name, place, "").load() for name, place in entries.items()}
    assert loaded == {"boxes": read_boxes, "whole_frame": WholeFrame}
    assert WholeFrame().regions("a.png") == (Region(),)
