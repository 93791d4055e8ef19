"""Predictions that train besides labels by hand, by their weights."""

import cv2
import numpy as np
import pytest

from lp_core.errors import PoseError
from lp_core.poses import Origin, PoseTable, Skeleton, write_pose_csv
from lp_data.augmentation.build import build_augmenter
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_data.extra_labels import weights_of, with_extra_labels
from lp_data.split import images_by_use, split_frames

NAMES = ("left_paw", "right_paw", "nose")


def labels(count=20):
    frames = tuple(f"labeled-data/a/img{number:02d}.png" for number in range(count))
    points = np.random.default_rng(0).uniform(8, 40, (count, 3, 2))
    return PoseTable(Skeleton(NAMES), points, frames)


def extra(folder, frames, weights, points=None, names=NAMES):
    shape = (len(frames), len(names), 2)
    points = np.full(shape, 20.0) if points is None else points
    weights = np.broadcast_to(weights, shape[:2]).astype(float)
    table = PoseTable(Skeleton(names), points, tuple(frames), confidence=weights)
    write_pose_csv(table, folder / "extra.csv")
    return folder / "extra.csv"


def test_hand_labels_come_first_and_origins_are_kept(tmp_path):
    hand = labels(4)
    frames = ["labeled-data/a/img02.png", "labeled-data/b/img00.png"]
    table = with_extra_labels(hand, extra(tmp_path, frames, 0.6))
    assert table.frame == (*hand.frame, "labeled-data/b/img00.png")
    np.testing.assert_array_equal(table.points[:4], hand.points)
    assert table.origin == (Origin.LABELLED,) * 4 + (Origin.PREDICTED,)
    np.testing.assert_allclose(weights_of(table), [[1, 1, 1]] * 4 + [[0.6, 0.6, 0.6]])


def test_keypoints_without_position_or_weight_teach_nothing(tmp_path):
    points = np.full((1, 2, 2), 20.0)
    points[0, 0] = np.nan
    path = extra(tmp_path, ["labeled-data/b/img00.png"], [[0.9, 0.0]], points, NAMES[:2])
    table = with_extra_labels(labels(3), path)
    assert table.codes[3].tolist() == [0, 0, 0]
    assert np.isnan(table.points[3]).all()


def test_extra_rows_only_train(tmp_path):
    frames = [f"labeled-data/b/img{number:02d}.png" for number in range(30)]
    table = with_extra_labels(labels(), extra(tmp_path, frames, 0.6))
    alone = split_frames(labels(), 0.5, 0.25, seed=1, train_frames=4)
    split = split_frames(table, 0.5, 0.25, seed=1, train_frames=4)
    assert split.validation == alone.validation
    assert split.test == alone.test
    assert split.train == (*alone.train, *range(20, 50))
    images = images_by_use(split, table)
    assert images["extra"] == tuple(frames)
    assert set(images["train"]) == {table.frame[row] for row in alone.train}


def test_batches_have_weights_only_where_some_labels_are_predicted(tmp_path):
    table = with_extra_labels(
        labels(2), extra(tmp_path, ["labeled-data/b/img00.png"], [[0.5, 0.75, 1.0]])
    )
    for name in table.frame:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.zeros((64, 64, 3), np.uint8))
    dataset = LabeledDataset(table, tmp_path, (64, 64))
    batch = collate([dataset[0], dataset[2]])
    np.testing.assert_allclose(batch["weights"], [[1, 1, 1], [0.5, 0.75, 1.0]])
    assert "weights" not in collate([LabeledDataset(labels(2), tmp_path, (64, 64))[0]])
    flip = build_augmenter("none", table.skeleton, horizontal_flip=True)
    flipped = LabeledDataset(table, tmp_path, (64, 64), augmenter=flip)
    seen = {tuple(flipped[2 + 3 * draw]["weights"][0].tolist()) for draw in range(20)}
    assert seen == {(0.5, 0.75, 1.0), (0.75, 0.5, 1.0)}  # a mirrored left paw is a right one


def test_what_cannot_be_extra_labels_is_refused(tmp_path):
    frames = ["labeled-data/b/img00.png"]
    with pytest.raises(PoseError, match="no keypoint 'tail'"):
        with_extra_labels(labels(2), extra(tmp_path, frames, 0.5, names=(*NAMES[:2], "tail")))
    with pytest.raises(PoseError, match="from 0 to 1"):
        with_extra_labels(labels(2), extra(tmp_path, frames, 1.5))
    mice = PoseTable(Skeleton(NAMES), np.ones((2, 3, 2)), ("a", "a"), individual=("ann", "bob"))
    with pytest.raises(PoseError, match="several"):
        with_extra_labels(mice, extra(tmp_path, frames, 0.5))
    write_pose_csv(labels(2), tmp_path / "labels.csv")
    with pytest.raises(PoseError):  # labels are no predictions
        with_extra_labels(labels(2), tmp_path / "labels.csv")
