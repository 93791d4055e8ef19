"""Crops centred on animals: where they are, and what a dataset shows of them."""

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lp_core.geometry import affine
from lp_core.poses import PoseTable, Skeleton
from lp_data.augmentation.build import build_augmenter
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_data.errors import BoxFileError
from lp_data.regions import CentredRegions, centred_box, crop_side

SIDE, MODEL = 64, (64, 64)
DOTS = np.array([[[60, 50], [72, 58]], [[110, 90], [118, 106]], [[20, 16], [8, 4]]], float)


def table(points, frames, names):
    return PoseTable(Skeleton(("a", "b")), points, tuple(frames), individual=tuple(names))


@pytest.fixture
def project(tmp_path):
    """Two frames; every labelled keypoint is a white dot."""
    frames, names = ("0.png", "0.png", "1.png"), ("left", "right", "left")
    for frame in set(frames):
        image = np.full((128, 160, 3), 40, np.uint8)
        for name, pose in zip(frames, DOTS.astype(int), strict=True):
            for x, y in pose if name == frame else ():
                image[y - 1 : y + 2, x - 1 : x + 2] = 255
        cv2.imwrite(str(tmp_path / frame), image)
    return tmp_path, table(DOTS, frames, names)


def dataset(project, **options):
    folder, labels = project
    regions = CentredRegions(labels, (SIDE, SIDE))
    return LabeledDataset(labels, folder, MODEL, regions=regions, **options)


@given(
    st.tuples(st.floats(-50, 500), st.floats(-50, 500)), st.integers(1, 200), st.integers(1, 200)
)
def test_a_box_is_centred_to_half_a_pixel(centre, height, width):
    """`multiview_facts` 57: half the height was taken from x, and half the width from y."""
    box = centred_box(centre, (height, width))
    middle = (box.x + (box.width - 1) / 2, box.y + (box.height - 1) / 2)
    np.testing.assert_allclose(middle, centre, atol=0.5 + 1e-9)
    assert (box.width, box.height) == (width, height)


@given(st.lists(st.lists(st.floats(0, 300), min_size=4, max_size=4), min_size=1, max_size=5))
def test_every_labelled_animal_is_in_its_crop(rows):
    points = np.array(rows).reshape(-1, 2, 2)
    labels = table(points, range(len(points)), ["x"] * len(points))
    side = crop_side(labels)
    regions = CentredRegions(labels, (side, side))
    for frame, pose in enumerate(points):
        (region,) = regions.regions(frame)
        low = np.array([region.box.x, region.box.y])
        assert ((pose >= low - 0.5) & (pose <= low + side - 0.5)).all()


def test_the_size_of_crops_needs_a_labelled_animal():
    with pytest.raises(BoxFileError, match="size of crops"):
        crop_side(table(np.full((1, 2, 2), np.nan), (0,), ("x",)))


def test_each_animal_is_an_image_of_its_own(project):
    data = dataset(project)
    assert [data[i]["table_row"].tolist() for i in range(len(data))] == [[0], [1], [2]]
    assert [data[i]["frame"] for i in range(3)] == [0, 0, 1]


def assert_dots_are_at_their_labels(sample, labels):
    points = sample["keypoints"][0]
    inside = ~torch.isnan(points[:, 0])
    back = affine.transform(points[None].double(), sample["to_frame"][None].double())[0]
    row = int(sample["table_row"][0])
    np.testing.assert_allclose(back[inside], labels.points[row][inside], atol=1e-3)
    for x, y in points[inside].round().int().tolist():
        assert sample["images"][:, y, x].min() > 150
    return int(inside.sum())


def test_moved_crops_show_their_animals_where_the_keypoints_say(project):
    """Also over the edge of a frame, where an image without surroundings would be black."""
    flip = build_augmenter([], project[1].skeleton, horizontal_flip=False)
    data = dataset(project, jitter=0.15, augmenter=flip)
    starts = set()
    for epoch in range(6):
        data.set_epoch(epoch)
        for sample in (data[i] for i in range(len(data))):
            assert assert_dots_are_at_their_labels(sample, project[1]) == 2
            starts.add(tuple(sample["to_frame"][:, 2].tolist()))
    assert len(starts) > 12
    middles = np.array([region.box[:2] for region in data.regions]) + 0.0
    moved = np.array(sorted(starts))
    nearest = np.abs(moved[:, None] - middles).max(axis=2).min(axis=1)
    assert 5 < nearest.max() <= 0.15 * SIDE + 1


def test_surroundings_change_nothing_where_nothing_moves(project):
    plain, wide = dataset(project), dataset(project, jitter=0.1)
    for i in range(len(plain)):
        assert torch.equal(plain[i]["images"], wide[i]["images"])
        torch.testing.assert_close(plain[i]["to_frame"], wide[i]["to_frame"])
        torch.testing.assert_close(plain[i]["keypoints"], wide[i]["keypoints"], equal_nan=True)


def test_rows_without_a_position_have_no_crop(project):
    folder, labels = project
    points = labels.points.copy()
    points[1] = np.nan
    labels = table(points, labels.frame, ("left", "right", None))
    data = dataset((folder, labels))
    assert [data[i]["table_row"].tolist() for i in range(len(data))] == [[0], [2]]


def test_other_animals_are_told_where_they_are_on_the_crop(project):
    """They move with the image; those of the same animal, of other images, and off it are none."""
    folder, labels = project
    crops = CentredRegions(labels, (96, 96))
    flip = build_augmenter([], labels.skeleton, horizontal_flip=True)
    data = LabeledDataset(
        labels, folder, (96, 96), regions=crops, jitter=0.1, augmenter=flip, others=True
    )
    seen = 0
    for epoch in range(8):
        data.set_epoch(epoch)
        for row, partner in ((0, 1), (1, 0)):
            sample = data[row]
            assert sample["others"].shape == (1, 2, 2)
            points = sample["others"][0]
            inside = ~torch.isnan(points[:, 0])
            back = affine.transform(points[None].double(), sample["to_frame"][None].double())[0]
            np.testing.assert_allclose(back[inside], labels.points[partner][inside], atol=1e-3)
            for x, y in points[inside].round().int().tolist():
                assert sample["images"][:, y, x].min() > 150
            seen += int(inside.sum())
        assert torch.isnan(data[2]["others"]).all()
    assert seen > 8
    assert collate([data[0], data[2]])["others"].shape == (2, 1, 2, 2)
    assert "others" not in dataset(project)[0]
