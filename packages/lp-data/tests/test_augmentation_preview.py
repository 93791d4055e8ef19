"""Contact sheets show what training sees."""

import cv2
import numpy as np
import pytest

from lp_core.poses import PoseTable, Skeleton
from lp_data.augmentation.build import build_augmenter
from lp_data.datasets.labeled import LabeledDataset
from lp_data.datasets.sheets import (
    contact_sheet,
    draw_keypoints,
    labelled_sheet,
    overlay_heatmaps,
    preview_clip,
    rainbow,
)
from lp_data.errors import AugmentationError

GRAY = np.full((40, 60, 3), 90, np.uint8)
FLIP = build_augmenter([{"name": "vertical_flip"}], Skeleton(("nose", "tail")))


def changed_places(image, background=GRAY):
    """Middle (x, y) of what differs."""
    rows, columns = np.nonzero((image != background).any(axis=-1))
    return columns.mean(), rows.mean()


def test_circle_is_drawn_around_its_keypoint_and_none_for_a_missing_one():
    drawn = draw_keypoints(GRAY, np.array([[20.5, 10.25], [np.nan, np.nan]]), radius=3)
    np.testing.assert_allclose(changed_places(drawn), [20.5, 10.25], atol=0.3)
    assert (GRAY == 90).all()


def test_each_keypoint_has_a_colour_of_its_own():
    assert len(set(map(tuple, rainbow(20)))) == 20


def test_heatmap_colours_its_place_and_a_map_of_zeros_nothing():
    heatmaps = np.zeros((2, 10, 15))
    heatmaps[0, 5, 3] = 0.2
    shown = overlay_heatmaps(GRAY, heatmaps)
    # the centre of cell (5, 3), 4 px to a cell
    np.testing.assert_allclose(changed_places(shown), [13.5, 21.5], atol=0.5)


def test_sheet_has_every_image_in_its_cell():
    small, large = np.full((10, 20, 3), 50, np.uint8), np.full((30, 10, 3), 100, np.uint8)
    sheet = contact_sheet([[small, large], [large]], gap=2)
    assert sheet.shape == (62, 42, 3)
    assert (sheet[:10, :20] == 50).all()
    assert (sheet[:30, 22:32] == 100).all()
    assert (sheet[32:62, :10] == 100).all()
    assert (sheet[32:, 22:] == 255).all()


@pytest.mark.parametrize("rows", [[], [[]]])
def test_empty_sheet_is_refused(rows):
    with pytest.raises(AugmentationError, match="nothing to show"):
        contact_sheet(rows)


def sheet_of(folder, keypoints, cell=None):
    cv2.imwrite(str(folder / "a.png"), GRAY)
    table = PoseTable(Skeleton(("nose", "tail")), keypoints[None], ("a.png",))
    return labelled_sheet(LabeledDataset(table, folder, (40, 60), augmenter=FLIP), 0, cell=cell)


def test_sheet_of_labels_shows_the_original_and_then_what_training_draws(tmp_path):
    sheet = sheet_of(tmp_path, np.array([[20.0, 5.0], [np.nan, np.nan]]))
    assert sheet.shape == (40, 5 * 60 + 4 * 4, 3)
    np.testing.assert_allclose(changed_places(sheet[:, :60]), [20, 5], atol=0.1)
    for start in range(64, sheet.shape[1], 64):
        np.testing.assert_allclose(changed_places(sheet[:, start : start + 60]), [20, 34], atol=0.1)


def test_sheet_of_labels_lays_the_targets_over_the_images(tmp_path):
    keypoints = np.array([[20.0, 5.0], [40.0, 12.0]])
    plain, laid = sheet_of(tmp_path, keypoints), sheet_of(tmp_path, keypoints, cell=4)
    assert (plain != laid).any()
    # there is light around the keypoints, beyond their circles, and nowhere far from them
    rows, columns = np.nonzero((laid[:, 64:124] != plain[:, 64:124]).any(axis=-1))
    apart = np.hypot(columns[:, None] - [20, 40], rows[:, None] - [34, 27]).min(axis=1)
    assert apart.max() < 20


def test_clip_preview_has_a_row_for_each_version_and_marks_the_labelled_frame():
    frames = np.repeat(GRAY[None], 5, axis=0)
    keypoints = np.array([[20.0, 5.0], [np.nan, np.nan]])
    sheet = preview_clip(
        frames, FLIP, np.random.default_rng(0), keypoints=keypoints, copies=1, columns=5
    )
    assert sheet.shape == (2 * 40 + 4, 5 * 60 + 4 * 4, 3)
    middle = slice(2 * 64, 2 * 64 + 60)
    np.testing.assert_allclose(changed_places(sheet[:40, middle]), [20, 5], atol=0.1)
    np.testing.assert_allclose(changed_places(sheet[44:, middle]), [20, 34], atol=0.1)
    assert (sheet[:40, :60] == GRAY).all()


def test_clip_preview_lays_the_targets_over_the_labelled_frame_alone():
    frames = np.repeat(GRAY[None], 3, axis=0)
    peak = np.zeros((2, 10, 15))
    peak[0, 5, 3] = 1
    sheet = preview_clip(
        frames,
        FLIP,
        np.random.default_rng(0),
        keypoints=np.full((2, 2), np.nan),
        copies=1,
        columns=3,
        heatmaps_of=lambda keypoints, size: peak,
    )
    for top in (0, 44):
        tiles = [sheet[top : top + 40, left : left + 60] for left in (0, 64, 128)]
        np.testing.assert_allclose(changed_places(tiles[1]), [13.5, 21.5], atol=0.5)
        assert (tiles[0] == GRAY).all()
        assert (tiles[2] == GRAY).all()


def test_long_clip_is_shown_by_some_of_its_frames():
    frames = np.repeat(GRAY[None], 32, axis=0)
    sheet = preview_clip(frames, FLIP, np.random.default_rng(0), copies=1, columns=4)
    assert sheet.shape[1] == 4 * 60 + 3 * 4
