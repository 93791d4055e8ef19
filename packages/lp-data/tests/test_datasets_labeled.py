"""Samples hold the right pixels, and keypoints that belong to them."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.geometry import affine
from lp_core.poses import MissingPolicy, PoseTable, Skeleton, Visibility
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.effect import Augmented
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_data.datasets.neighbours import neighbour_name
from lp_data.errors import DataModuleError, ImageFileError

FRAME = (40, 60)


def make_table(paths, keypoints, visibility=None):
    keypoints = np.asarray(keypoints, dtype=np.float64)
    if visibility is None:
        visibility = np.where(np.isnan(keypoints[..., 0]), 0, 2)
    names = tuple(f"k{i}" for i in range(keypoints.shape[1]))
    return PoseTable(
        Skeleton(tuple(names)), keypoints, tuple(paths), visibility=np.asarray(visibility, np.int8)
    )


@pytest.fixture
def project(tmp_path):
    """Ten frames; every pixel of frame i has the value 10 * i."""

    def make(numbers=range(10), form="v/img{:03d}.png", size=FRAME):
        (tmp_path / "v").mkdir(exist_ok=True)
        for i in numbers:
            cv2.imwrite(str(tmp_path / form.format(i)), np.full((*size, 3), 10 * i, np.uint8))
        return tmp_path

    return make


def shown(sample):
    """The numbers of the frames in a sample."""
    return [int(frame[0, 0, 0]) // 10 for frame in sample["images"]]


def shift(x, y, permutation=None):
    """An augmenter that moves pixels and keypoints by whole pixels."""

    def augment(images, keypoints, rng):
        matrix = np.array([[1.0, 0.0, x], [0.0, 1.0, y]])
        moved = np.roll(images, (round(y), round(x)), (1, 2))
        points = np.add(keypoints, [x, y])
        points = points if permutation is None else points[..., permutation, :]
        return Augmented(moved, points, matrix, permutation)

    return augment


def noise(images, keypoints, rng):
    """An augmenter that paints every image in one colour of chance."""
    value = rng.integers(0, 256)
    return Augmented(np.full_like(images, value), keypoints, np.eye(3)[:2])


def test_a_sample_follows_the_contract(project):
    table = make_table(["v/img003.png"], [[[29.5, 19.5], [np.nan, np.nan]]])
    sample = LabeledDataset(table, project(), (20, 30))[0]
    assert sample["images"].shape == (3, 20, 30)
    assert sample["images"].dtype == torch.uint8
    assert (sample["images"] == 30).all()
    # The centre of the frame is the centre of the image: (60 - 1) / 2 goes to (30 - 1) / 2.
    torch.testing.assert_close(sample["keypoints"][0][0], torch.tensor([14.5, 9.5]))
    assert sample["keypoints"].dtype == torch.float32
    assert sample["keypoints"][0][1].isnan().all()
    assert sample["visibility"][0].tolist() == [2, 0]
    assert sample["table_row"].tolist() == [0]


@settings(deadline=None, max_examples=25)
@given(
    points=st.lists(st.tuples(st.floats(0, 59), st.floats(0, 39)), min_size=1, max_size=5),
    size=st.tuples(st.integers(8, 70), st.integers(8, 70)),
    x=st.integers(-3, 3),
    y=st.integers(-3, 3),
)
def test_to_frame_inverts_resizing_and_augmentation(tmp_path_factory, points, size, x, y):
    folder = tmp_path_factory.mktemp("project")
    cv2.imwrite(str(folder / "a.png"), np.zeros((*FRAME, 3), np.uint8))
    dataset = LabeledDataset(make_table(["a.png"], [points]), folder, size, augmenter=shift(x, y))
    sample = dataset[0]
    back = affine.transform(sample["keypoints"][0], sample["to_frame"])
    there = ~sample["keypoints"][0].isnan().any(-1)
    expected = torch.tensor(points, dtype=torch.float32)
    torch.testing.assert_close(back[there], expected[there], atol=1e-3, rtol=0)
    inside = (sample["keypoints"][0][there] >= -0.5) & (
        sample["keypoints"][0][there] < torch.tensor([size[1], size[0]]) - 0.5
    )
    assert inside.all()


def test_keypoints_that_leave_the_image_are_missing_not_clamped(project):
    table = make_table(["v/img001.png"], [[[0, 0], [10, 10], [59, 39], [np.nan, np.nan]]])
    dataset = LabeledDataset(table, project(), FRAME, augmenter=shift(2, 0))
    sample = dataset[0]
    assert sample["keypoints"][0].isnan().any(-1).tolist() == [False, False, True, True]
    assert sample["visibility"][0].tolist() == [2, 2, 0, 0]


@pytest.mark.parametrize("missing", MissingPolicy)
def test_only_a_keypoint_on_the_augmented_image_is_visible(project, missing):
    corners = [[1, 1], [58, 1], [1, 38], [58, 38], [30, 20]]
    table = make_table(
        ["v/img001.png"], [[*corners, [2, 2], [np.nan, np.nan]]], [[2, 2, 2, 2, 2, 1, 0]]
    )
    augmenter = build_augmenter("dlc", table.skeleton)
    table = replace(table, missing=missing)
    dataset = LabeledDataset(table, project(), FRAME, augmenter=augmenter)
    samples = [dataset[draw] for draw in range(60)]
    placed = torch.stack([sample["keypoints"][0].isfinite().all(-1) for sample in samples])
    codes = torch.stack([sample["visibility"][0] for sample in samples])
    left = ~placed[:, :5]
    assert left.any()
    assert placed[:, :5].any()
    assert (codes[:, :5][left] == missing.value).all()
    assert (codes[:, :5][~left] == Visibility.VISIBLE).all()
    assert not placed[:, 5].all()
    assert (codes[:, 5] == Visibility.OCCLUDED).all()
    assert not placed[:, 6].any()
    assert (codes[:, 6] == Visibility.UNLABELED).all()


def test_a_flip_reorders_visibility_with_its_keypoints(project):
    table = make_table(["v/img001.png"], [[[5, 5], [6, 6], [7, 7]]], [[2, 1, 2]])
    swap = np.array([1, 0, 2])
    dataset = LabeledDataset(table, project(), FRAME, augmenter=shift(0, 0, swap))
    sample = dataset[0]
    torch.testing.assert_close(sample["keypoints"][0][:, 0], torch.tensor([6.0, 5.0, 7.0]))
    assert sample["visibility"][0].tolist() == [1, 2, 2]


def test_occluded_keypoints_keep_their_position(project):
    table = make_table(["v/img001.png"], [[[5, 5], [np.nan, np.nan]]], [[1, 1]])
    sample = LabeledDataset(table, project(), FRAME)[0]
    assert sample["visibility"][0].tolist() == [1, 1]
    assert sample["keypoints"][0].isnan().any(-1).tolist() == [False, True]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(5, [3, 4, 5, 6, 7]), (1, [0, 0, 1, 2, 3]), (0, [0, 0, 0, 1, 2]), (9, [7, 8, 9, 9, 9])],
)
def test_context_is_the_frames_around(project, number, expected):
    table = make_table([f"v/img{number:03d}.png"], [[[1, 1]]])
    sample = LabeledDataset(table, project(), FRAME, context_frames=5)[0]
    assert sample["images"].shape == (5, 3, *FRAME)
    assert shown(sample) == expected


def test_a_missing_neighbour_is_replaced_by_the_centre(project):
    folder = project([2, 4, 5])
    table = make_table(["v/img004.png"], [[[1, 1]]])
    assert shown(LabeledDataset(table, folder, FRAME, context_frames=5)[0]) == [2, 4, 4, 5, 4]


@pytest.mark.parametrize(
    ("name", "offset", "expected"),
    [
        ("d/img0099.png", 1, "d/img0100.png"),
        ("d/img99.png", 1, "d/img100.png"),
        ("d/img01.png", -2, "d/img00.png"),
        ("7.jpg", -1, "6.jpg"),
        ("d/cam2_000012.left.png", 2, "d/cam2_000014.left.png"),
        ("d12/12_12.png", 1, "d12/12_13.png"),
        ("d2/mouse.png", 1, None),
    ],
)
def test_names_of_neighbours(name, offset, expected):
    """`multiview_facts` 65: the number was replaced wherever it was, and had to be there."""
    assert neighbour_name(name, offset) == expected


def test_a_name_without_a_number_has_only_itself(project):
    folder = project([3])
    (folder / "v/img003.png").rename(folder / "v/mouse.png")
    table = make_table(["v/mouse.png"], [[[1, 1]]])
    assert shown(LabeledDataset(table, folder, FRAME, context_frames=3)[0]) == [3, 3, 3]


def test_chance_depends_on_seed_epoch_row_and_draw_only(project):
    table = make_table(["v/img001.png", "v/img002.png"], [[[1, 1]], [[1, 1]]])

    def values(seed, epoch):
        dataset = LabeledDataset(table, project(), FRAME, augmenter=noise, seed=seed)
        dataset.set_epoch(epoch)
        return [int(dataset[i]["images"][0, 0, 0]) for i in (3, 0, 1, 2)][::-1]

    assert values(0, 5) == values(0, 5)
    first = values(0, 5)
    assert len({*first}) > 2  # the rows differ, and so do two draws of one row
    assert values(0, 6) != first
    assert values(1, 5) != first


def test_draws_beyond_the_table_are_its_rows_again(project):
    table = make_table(["v/img001.png", "v/img002.png"], [[[1, 1]], [[2, 2]]])
    sample = LabeledDataset(table, project(), FRAME)[5]
    assert sample["table_row"].tolist() == [1]
    assert (sample["images"] == 20).all()


def test_without_augmentation(project):
    table = make_table(["v/img001.png"], [[[1, 1]]])
    dataset = LabeledDataset(table, project(), FRAME, augmenter=noise)
    plain = dataset.without_augmentation()
    assert (plain[0]["images"] == 10).all()
    assert dataset.augmenter is noise


def test_an_image_that_fills_up_a_batch_is_not_judged_twice(project):
    table = make_table(["v/img001.png"], [[[1, 1]]])
    dataset = LabeledDataset(table, project(), FRAME)
    plain = dataset.without_augmentation()
    assert plain[0]["visibility"][0].tolist() == dataset[1]["visibility"][0].tolist() == [2]
    assert plain[1]["visibility"][0].tolist() == [0]
    assert plain[1]["keypoints"][0].isnan().all()
    assert (plain[1]["images"] == plain[0]["images"]).all()


def test_changing_a_sample_does_not_change_the_next(project):
    dataset = LabeledDataset(make_table(["v/img001.png"], [[[1, 1]]]), project(), FRAME)
    dataset[0]["images"].zero_()
    assert (dataset[0]["images"] == 10).all()


def test_frames_of_different_sizes_in_one_project(project):
    folder = project([1])
    project([2], size=(80, 120))
    table = make_table(["v/img001.png", "v/img002.png"], [[[29.5, 19.5]], [[59.5, 39.5]]])
    dataset = LabeledDataset(table, folder, (20, 30))
    for row in range(2):
        torch.testing.assert_close(dataset[row]["keypoints"][0], torch.tensor([[14.5, 9.5]]))
    assert [dataset.frame_size(row) for row in range(2)] == [(40, 60), (80, 120)]


def test_a_missing_image_is_named_with_its_row(project):
    table = make_table(["v/img001.png", "v/img055.png"], [[[1, 1]], [[1, 1]]])
    with pytest.raises(ImageFileError, match=r"(?s)1 of 2.*v/img055.png.*row 1"):
        LabeledDataset(table, project(), FRAME)


def test_a_broken_image_is_named_with_its_row(project):
    folder = project()
    (folder / "v/img001.png").write_bytes(b"no image")
    dataset = LabeledDataset(make_table(["v/img001.png"], [[[1, 1]]]), folder, FRAME)
    with pytest.raises(ImageFileError, match=r"(?s)decoded.*needed by row 0"):
        dataset[0]


@pytest.mark.parametrize("frames", [0, 4, -1])
def test_context_needs_a_middle(project, frames):
    table = make_table(["v/img001.png"], [[[1, 1]]])
    with pytest.raises(DataModuleError, match="middle"):
        LabeledDataset(table, project(), FRAME, context_frames=frames)


def test_images_and_neighbours_are_found_in_another_unicode_form(project):
    folder = project()
    (folder / "v").rename(folder / unicodedata.normalize("NFD", "mäuse"))
    table = make_table([unicodedata.normalize("NFC", "mäuse/img003.png")], [[[1, 2]]])
    dataset = LabeledDataset(table, folder, FRAME, context_frames=5)
    assert shown(dataset[0]) == [1, 2, 3, 4, 5]


def test_a_missing_image_is_told_with_the_name_that_is_there(project):
    table = make_table(["v/img003.jpg"], [[[1, 2]]])
    with pytest.raises(ImageFileError, match="labelled images have no file") as caught:
        LabeledDataset(table, project(), FRAME)
    assert "there is 'v/img003.png'" in caught.value.remedy


def test_an_image_has_as_many_rows_as_animals(project):
    paths = ["v/img001.png", "v/img002.png", "v/img001.png"]
    table = make_table(paths, [[[1, 1]], [[2, 2]], [[3, 3]]])
    dataset = LabeledDataset(table, project(), FRAME, instances="many", augmenter=shift(1, 0))
    assert len(dataset) == 2
    assert dataset.samples_of([2, 1, 0]) == [0, 1]
    batch = collate([dataset[1], dataset[0]])
    assert batch["images"].shape == (2, 3, *FRAME)
    assert batch["image"].tolist() == [0, 1, 1]
    assert batch["table_row"].tolist() == [1, 0, 2]
    assert batch["frame"].tolist() == [1, 0]
    assert batch["keypoints"].tolist() == [[[3, 2]], [[2, 1]], [[4, 3]]]
    assert batch["visibility"].tolist() == [[2], [2], [2]]
    back = affine.transform(batch["keypoints"], batch["to_frame"][batch["image"]])
    torch.testing.assert_close(back[:, 0, 0], torch.tensor([2.0, 1.0, 3.0]))


def test_a_frame_without_any_animal_is_an_image_without_rows(project):
    table = make_table(["v/img001.png", "v/img002.png"], [[[np.nan, np.nan]], [[2, 2]]])
    dataset = LabeledDataset(table, project(), FRAME, instances="many")
    assert dataset.samples_of([0, 1]) == [0, 1]
    batch = collate([dataset[0], dataset[1]])
    assert batch["images"].shape == (2, 3, *FRAME)
    assert batch["image"].tolist() == batch["table_row"].tolist() == [1]
    assert LabeledDataset(table, project(), FRAME)[0]["table_row"].tolist() == [0]


def test_a_flip_reorders_the_keypoints_of_every_row(project):
    table = make_table(["v/img001.png"] * 2, [[[5, 5], [6, 6]], [[7, 7], [8, 8]]], [[2, 1], [1, 2]])
    swap = shift(0, 0, np.array([1, 0]))
    sample = LabeledDataset(table, project(), FRAME, instances="many", augmenter=swap)[0]
    assert sample["keypoints"][..., 0].tolist() == [[6, 5], [8, 7]]
    assert sample["visibility"].tolist() == [[1, 2], [2, 1]]


def test_several_animals_on_an_image_are_refused_for_a_tracker_of_one(project):
    table = make_table(["v/img001.png", "v/img001.png"], [[[1, 1]], [[2, 2]]])
    with pytest.raises(DataModuleError, match=r"(?s)has 2 animals.*row 0.*row 1"):
        LabeledDataset(table, project(), FRAME)
