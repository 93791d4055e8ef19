"""Labelled images of several cameras: joined by frame, never split within one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from lp_core.geometry import affine
from lp_core.geometry.cameras import Camera, Rig, agree
from lp_core.geometry.cameras import project as project_points
from lp_core.poses import PoseTable, Skeleton
from lp_core.regions import Box, Region
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.effect import Augmented
from lp_data.augmentation.scene import SceneMotion
from lp_data.datamodule import LabeledDataModule
from lp_data.datasets.joint import JointDataset
from lp_data.datasets.labeled import LabeledDataset, collate
from lp_data.errors import DataModuleError
from lp_data.regions import read_boxes
from lp_data.sessions import ViewNames, join_views
from lp_data.split import Split, split_frames

VIEWS = ViewNames(("top", "side", "back"))
SIZE = (40, 60)


def path_of(view, number):
    return f"labeled-data/a_{view}/img{number:03d}.png"


@pytest.fixture
def project(tmp_path):
    """Images whose pixels are 40 · view + frame; labels of some, in another order in each view."""

    def make(frames, extra=()):
        tables = {}
        for view, numbers in frames.items():
            camera = VIEWS.names.index(view)
            for number in {*numbers, *extra}:
                file = tmp_path / path_of(view, number)
                file.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(file), np.full((*SIZE, 3), 40 * camera + number, np.uint8))
            x = np.array([[10 * camera + number] for number in numbers], float)
            points = np.stack([x, x + 1], -1)
            paths = tuple(path_of(view, number) for number in numbers)
            tables[view] = PoseTable(Skeleton(("nose",)), points, paths)
        return join_views(tables, VIEWS), tmp_path

    return make


SOME = {"top": [1, 2, 3, 4], "side": [4, 2, 1], "back": [3, 2]}


def test_each_image_says_its_frame_and_camera(project):
    table, folder = project(SOME)
    dataset = LabeledDataset(table, folder, (20, 30), views=VIEWS)
    batch = collate([dataset[i] for i in range(len(dataset))])
    assert len(dataset) == 9
    assert batch["view"].tolist() == [0, 1, 0, 1, 2, 0, 2, 0, 1]
    assert batch["frame"].tolist() == [0, 0, 1, 1, 1, 2, 2, 3, 3]
    assert batch["present"].all()
    numbers = batch["images"][:, 0, 0, 0]
    assert numbers.tolist() == (40 * batch["view"] + batch["frame"] + 1).tolist()


def test_the_images_of_a_frame_are_neighbours_with_black_ones_for_absent_cameras(project):
    table, folder = project(SOME)
    dataset = JointDataset(table, folder, (20, 30), views=VIEWS)
    batch = collate([dataset[i] for i in range(len(dataset))])
    assert len(dataset) == 4
    assert batch["view"].tolist() == [0, 1, 2] * 4
    assert batch["frame"].tolist() == [n // 3 for n in range(12)]
    present = [True, True, False, True, True, True, True, False, True, True, True, False]
    assert batch["present"].tolist() == present
    absent = ~batch["present"]
    assert not batch["images"][absent].any()
    assert batch["keypoints"][absent].isnan().all()
    assert not batch["visibility"][absent].any()
    assert (batch["table_row"][absent] == -1).all()
    assert batch["table_row"][~absent].tolist() == list(range(9))
    assert batch["image"].tolist() == list(range(12))
    found = affine.transform(batch["keypoints"], batch["to_frame"])[~absent, 0, 0]
    expected = 10 * batch["view"] + batch["frame"] + 1
    torch.testing.assert_close(found, expected[~absent].float())


def test_all_views_of_a_frame_are_in_one_part_of_the_split(project):
    frames = {view: list(range(12)) for view in VIEWS.names}
    table, _ = project(frames)
    split = split_frames(table, 0.5, 0.25, seed=3, views=VIEWS)
    parts = {
        use: {VIEWS.moments(table)[row] for row in rows} for use, rows in split._asdict().items()
    }
    assert [len(parts[use]) for use in ("train", "validation", "test")] == [6, 3, 3]
    assert len(set.union(*parts.values())) == 12


def test_batches_count_frames_where_views_are_seen_jointly(project):
    table, folder = project(SOME)
    joint = JointDataset(table, folder, (20, 30), views=VIEWS)
    split = Split(train=tuple(range(7)), validation=(7, 8), test=())
    data = LabeledDataModule(joint, split, train_batch_size=2, num_workers=0)
    batches = list(data.train_dataloader())
    assert [len(batch["images"]) for batch in batches] == [6, 3]
    assert {int(f) for batch in batches for f in batch["frame"]} == {0, 1, 2}
    (validation,) = data.val_dataloader()
    assert validation["frame"].tolist() == [3, 3, 3]


def test_every_camera_of_a_frame_is_augmented_by_itself_and_each_draw_afresh(project):
    def shift(images, keypoints, rng):
        x = float(rng.integers(1, 1000))
        return Augmented(images, keypoints, np.array([[1.0, 0, x], [0, 1, 0]]))

    table, folder = project(SOME)
    dataset = JointDataset(table, folder, (20, 30), views=VIEWS, augmenter=shift)
    first, again = ([s["to_frame"][0, 2].item() for s in dataset[i]] for i in (1, 5))
    assert len({*first, *again}) == 6


def test_each_view_has_its_own_neighbours_in_time(project):
    """`multiview_facts` 1.11 and 24: context models work on several views."""
    table, folder = project({view: [5] for view in VIEWS.names}, extra=range(3, 8))
    dataset = JointDataset(table, folder, (20, 30), views=VIEWS, context_frames=5)
    batch = collate([dataset[0]])
    shown = batch["images"][:, :, 0, 0, 0].tolist()
    assert shown == [[40 * view + n for n in range(3, 8)] for view in range(3)]


def test_boxes_of_views_are_found_by_the_path_whatever_their_order(project, tmp_path):
    """`multiview_facts` 25: boxes in another order than the labels failed without a message."""
    table, folder = project({"top": [1, 2], "side": [1, 2]})
    files = []
    for view, x in (("side", 5), ("top", 0)):
        rows = [f"{path_of(view, number)},{x + number},0,20,40" for number in (2, 1)]
        files.append(tmp_path / f"bboxes_{view}.csv")
        files[-1].write_text("\n".join(["frame,x,y,h,w", *rows]))
    dataset = JointDataset(table, folder, (20, 40), views=VIEWS, regions=read_boxes(files))
    assert [region.box.x for region in dataset.regions] == [1, 6, 2, 7]
    sample = dataset[0][1]
    found = affine.transform(sample["keypoints"], sample["to_frame"])[0, 0]
    torch.testing.assert_close(found, torch.tensor([11.0, 12.0]))


class Halves:
    """Two regions of every image."""

    def regions(self, frame):
        return (Region(Box(0, 0, 30, 40)), Region(Box(30, 0, 30, 40)))


def test_several_regions_of_a_view_are_refused_where_views_are_seen_jointly(project):
    table, folder = project(SOME)
    with pytest.raises(DataModuleError, match="the view 'top' has several regions"):
        JointDataset(table, folder, (20, 30), views=VIEWS, regions=Halves())


def test_mirror_images_are_refused_where_views_are_seen_jointly(project):
    """A flip would give each camera another animal, however the config asked for it."""
    table, folder = project(SOME)
    for spec, flip in (([], True), ([{"name": "horizontal_flip", "probability": 0.5}], False)):
        augmenter = build_augmenter(spec, table.skeleton, horizontal_flip=flip)
        with pytest.raises(DataModuleError, match="cannot be flipped"):
            JointDataset(table, folder, (20, 30), views=VIEWS, augmenter=augmenter)
        LabeledDataset(table, folder, (20, 30), views=VIEWS, augmenter=augmenter)


def camera_at(name, position):
    """A camera that looks at the origin, of images of 60 × 40 px."""
    matrix = np.array([[60.0, 0, 30], [0, 60, 20], [0, 0, 1]])
    return Camera.looking_at((0, 0, 0), position, name=name, size=(60, 40), matrix=matrix)


RIG = Rig(
    tuple(
        camera_at(name, position)
        for name, position in zip(VIEWS.names, [(0, -9, 5), (9, 1, 4), (-6, 6, 5)], strict=True)
    )
)


@pytest.fixture
def calibrated(tmp_path):
    """Frames with a bright square at the nose, as each camera sees it, and datasets of them."""
    scene = np.random.default_rng(0).uniform(-1.5, 1.5, (3, 3, 3))
    seen = project_points(RIG, scene)  # (V, F, K, 2)
    tables = {}
    for camera, view in enumerate(VIEWS.names):
        paths = tuple(path_of(view, number) for number in range(3))
        for number, path in enumerate(paths):
            image = np.full((*SIZE, 3), 40, np.uint8)
            x, y = np.round(seen[camera, number, 0]).astype(int)
            image[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3] = 255
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / path), image)
        skeleton = Skeleton(("nose", "ear", "tail"))
        tables[view] = PoseTable(skeleton, seen[camera], paths)
    table = join_views(tables, VIEWS)
    packed = {moment: RIG.packed().float() for moment in VIEWS.moments(table)}

    def dataset(**options):
        keywords = {"views": VIEWS, "cameras": packed, "augmenter": Plain(), **options}
        return JointDataset(table, tmp_path, SIZE, **keywords)

    return dataset, seen


class Plain:
    """Augments nothing."""

    def __call__(self, images, keypoints, rng):
        return Augmented(images, keypoints, affine.identity().numpy())


def test_the_cameras_of_each_frame_go_into_the_batch(calibrated):
    dataset, seen = calibrated
    joint = dataset()
    assert joint.calibrated
    batch = collate([joint[2], joint[0]])
    assert batch["cameras"].shape == (2, 3, 3, 2, 4)
    expected = torch.from_numpy(seen[:, [2, 0]]).transpose(0, 1).float()
    torch.testing.assert_close(batch["cameras"][..., 3], expected, atol=1e-2, rtol=0)
    agreed = agree(batch["cameras"], batch["cameras"][..., 3] + 1, torch.ones(2, 3, 3))
    assert agreed.known.all()


def test_cameras_of_absent_views_and_of_keypoints_without_a_place_are_absent(calibrated):
    dataset, _ = calibrated
    joint = dataset()
    table = joint.table
    table.points[table.image_paths.index(path_of("side", 1)), 1] = np.nan
    table.points[table.image_paths.index(path_of("top", 1)), 1] = np.nan
    cameras = {moment: RIG.packed() for moment in VIEWS.moments(table)}
    again = JointDataset(table, joint.data_dir, SIZE, views=VIEWS, cameras=cameras)
    batch = collate([again[1]])
    assert batch["cameras"][0, :, 1].isnan().all()  # one view labels the ear
    assert batch["cameras"][0, :, [0, 2]].isfinite().all()
    gone = table.image_paths.index(path_of("back", 2))
    rest = table.rows([row for row in range(len(table)) if row != gone])
    fewer = JointDataset(rest, joint.data_dir, SIZE, views=VIEWS, cameras=cameras)
    batch = collate([fewer[2]])
    assert batch["cameras"][0, 2].isnan().all()
    assert batch["cameras"][0, :2].isfinite().all()


def test_an_animal_moves_before_all_cameras_with_its_images_and_labels(calibrated):
    """Faults 15 to 20: labels, images and cameras of an augmented frame belong together."""
    dataset, seen = calibrated
    moving = dataset(motion=SceneMotion())
    moves = []
    for frame in range(3):
        batch = collate([moving[frame]])
        labels = affine.transform(batch["keypoints"], batch["to_frame"])
        moves.append((labels - torch.from_numpy(seen[:, frame])).norm(dim=-1).nanmean())
        # the labels here are exact, so the cameras see the moved points where the labels are
        away = (batch["cameras"][0, ..., 3] - labels).norm(dim=-1)
        assert away.nan_to_num().max() < 0.05
        for view in range(3):
            x, y = batch["keypoints"][view, 0].tolist()
            if 4 < x < 56 and 4 < y < 36:  # NaN where it left the image
                assert batch["images"][view, 0, round(y), round(x)] > 150
    assert np.mean(moves) > 1


def test_without_augmentation_or_without_the_motion_nothing_moves(calibrated):
    """Fault 7: ``imgaug_3d: false`` left it on."""
    dataset, seen = calibrated
    for still in (dataset(motion=None), dataset(motion=SceneMotion()).without_augmentation()):
        batch = collate([still[1]])
        labels = affine.transform(batch["keypoints"], batch["to_frame"])
        expected = torch.from_numpy(seen[:, 1]).float()
        torch.testing.assert_close(labels, expected, atol=1e-3, rtol=0)
