"""Animals cut out of training crops and pasted into others bring their pixels and their labels."""

from __future__ import annotations

import pickle
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from lp_core.poses import PoseTable, Skeleton, Visibility
from lp_core.poses.limbs import limbs_of
from lp_data.augmentation.composition import Composition
from lp_data.datasets.labeled import LabeledDataset
from lp_data.datasets.pasting import body_mask, lone_animals
from lp_data.regions.centred import CentredRegions

FRAME, CROP = 128, (64, 64)
RED, GREEN, BLUE = (230, 20, 20), (20, 230, 20), (20, 20, 230)
KEYPOINTS = ("nose", "neck", "back", "tail")


def bar(x, y, length=40, turn=0.0):
    """Four keypoints along a body."""
    along = np.linspace(-0.5, 0.5, len(KEYPOINTS)) * length
    return np.stack([x + along * np.cos(turn), y + along * np.sin(turn)], axis=1)


def drawn(*animals, seed=0):
    """Noise, and bodies 12 px wide, each a (pose, colour)."""
    random = np.random.default_rng(seed)
    image = random.integers(100, 140, (FRAME, FRAME, 3), np.uint8)
    for pose, colour in animals:
        first, last = (tuple(point) for point in pose[[0, -1]].round().astype(int).tolist())
        cv2.line(image, first, last, colour, 12)
    return image


def project(folder, *images, context=1):
    """A dataset of crops of images, each a list of (pose, colour)."""
    poses, frames, names = [], [], []
    for number, animals in enumerate(images):
        image = drawn(*animals, seed=number)
        cv2.imwrite(str(folder / f"img{9 * number}.png"), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        for place, (pose, _) in enumerate(animals):
            poses.append(pose)
            frames.append(f"img{9 * number}.png")
            names.append(f"animal{place}")
    table = PoseTable(Skeleton(KEYPOINTS), np.stack(poses), tuple(frames), individual=tuple(names))
    return LabeledDataset(
        table,
        folder,
        CROP,
        regions=CentredRegions(table, CROP),
        jitter=0.0,
        others=True,
        context_frames=context,
        augmenter=Composition(()),
    )


def shows(sample, colour):
    """How many pixels of an image have about a colour."""
    near = (sample["images"].movedim(-3, -1).int() - torch.tensor(colour)).abs().amax(-1) < 60
    return int(near.sum())


def alone(colour, y=64.0):
    return [(bar(64.0, y), colour)]


def test_pasted_animals_bring_their_pixels_and_labels(tmp_path):
    dataset = project(tmp_path, alone(RED), alone(GREEN))
    plain = dataset[0]
    assert not shows(plain, GREEN)
    dataset.paste_animals(1.0, (0, 1))
    met, told = 0, set()
    for draw in range(30):
        sample = dataset[0 + draw * len(dataset)]
        other = sample["others"][0]
        torch.testing.assert_close(sample["keypoints"], plain["keypoints"])
        known = other.isfinite().all(dim=1)
        if not known.any():
            continue
        met += 1
        assert shows(sample, GREEN) > 20
        size = 40.0
        between = torch.cdist(sample["keypoints"][0], other[known]).min()
        assert between < 0.8 * size
        for place, state in zip(sample["keypoints"][0], sample["visibility"][0], strict=True):
            x, y = place.round().int().tolist()
            pixel = sample["images"][:, y, x].int()
            for colour, expected in ((RED, Visibility.VISIBLE), (GREEN, Visibility.OCCLUDED)):
                if (pixel - torch.tensor(colour)).abs().amax() < 30:
                    assert int(state) == expected
                    told.add(expected)
    assert met > 20
    assert told == {Visibility.VISIBLE, Visibility.OCCLUDED}


def test_the_animal_of_the_crop_is_as_often_above_as_beneath(tmp_path):
    dataset = project(tmp_path, alone(RED), alone(GREEN))
    dataset.paste_animals(1.0, (0, 1))
    covered = [
        bool((dataset[draw * 2]["visibility"] == Visibility.OCCLUDED).any()) for draw in range(60)
    ]
    whole = shows(project(tmp_path, alone(RED), alone(GREEN))[0], RED)
    beneath = [
        shows(dataset[draw * 2], RED) > 0.95 * whole and shows(dataset[draw * 2], GREEN) > 20
        for draw in range(60)
    ]
    assert sum(covered) > 10
    assert sum(beneath) > 10


def test_animals_are_cut_out_of_the_given_samples_alone(tmp_path):
    dataset = project(tmp_path, alone(RED), alone(GREEN), alone(BLUE))
    dataset.paste_animals(1.0, (0, 1))  # blue is of the validation
    draws = [dataset[draw * 3] for draw in range(40)]
    assert any(shows(sample, GREEN) for sample in draws)
    assert not any(shows(sample, BLUE) for sample in draws)


def test_animals_in_contact_are_not_cut_out(tmp_path):
    together = [(bar(64.0, 60.0), GREEN), (bar(64.0, 66.0), BLUE)]
    dataset = project(tmp_path, alone(RED), together)
    dataset.paste_animals(1.0, (0, 1, 2))
    assert not any(shows(dataset[draw * 3], GREEN) for draw in range(20))
    # but they get others
    assert any(shows(dataset[1 + draw * 3], RED) for draw in range(20))


def test_what_is_pasted_depends_on_seed_epoch_and_draw_alone(tmp_path):
    dataset = project(tmp_path, alone(RED), alone(GREEN))
    dataset.paste_animals(1.0, (0, 1))
    first = dataset[0]["images"]
    copy = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(copy[0]["images"], first)
    assert not torch.equal(dataset[2]["images"], first)
    dataset.set_epoch(1)
    assert not torch.equal(dataset[0]["images"], first)
    dataset.set_epoch(0)
    assert torch.equal(dataset[0]["images"], first)


@pytest.mark.parametrize(("probability", "context"), [(0.0, 1), (1.0, 3)])
def test_nothing_is_pasted_where_it_should_not_be(tmp_path, probability, context):
    dataset = project(tmp_path, alone(RED), alone(GREEN), context=context)
    before = [dataset[draw * 2] for draw in range(5)]
    dataset.paste_animals(probability, (0, 1))
    for draw, sample in enumerate(before):
        assert torch.equal(dataset[draw * 2]["images"], sample["images"])
        assert not shows(sample, GREEN)


def test_nothing_is_pasted_where_there_is_one_animal(tmp_path):
    dataset = project(tmp_path, alone(RED), alone(GREEN))
    dataset.table = replace(dataset.table, individual=None)
    dataset.paste_animals(1.0, (0, 1))
    assert not any(shows(dataset[draw * 2], GREEN) for draw in range(5))


def test_validation_images_stay_as_they_are(tmp_path):
    dataset = project(tmp_path, alone(RED), alone(GREEN))
    before = dataset.without_augmentation()[0]
    dataset.paste_animals(1.0, (0, 1))
    after = dataset.without_augmentation()[0]
    assert torch.equal(after["images"], before["images"])
    assert after["others"].isnan().all()


@pytest.mark.parametrize("turn", [0.0, 0.6, 1.57])
def test_a_mask_is_the_body(turn):
    pose = bar(60.0, 70.0, turn=turn)
    image = drawn((pose, RED))
    body = (np.abs(image.astype(int) - RED) < 5).all(axis=-1)
    mask = body_mask(image, pose, limbs_of(pose[None])) > 0.5
    assert (mask & body).sum() / (mask | body).sum() > 0.85


def test_animals_that_are_cut_off_or_near_others_are_not_alone():
    whole, part = bar(60.0, 70.0), bar(60.0, 70.0)
    part[2:] = np.nan
    near, far = bar(60.0, 76.0), bar(60.0, 110.0)
    found = lone_animals(np.stack([whole, part, whole]), [far[None], far[None], near[None]])
    assert found.tolist() == [True, False, False]
