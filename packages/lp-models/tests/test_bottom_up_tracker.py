"""The bottom-up tracker: its targets, and what it finds where its maps are right."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lp_core.errors import TrackerError
from lp_core.losses.factory import LossFactory
from lp_core.testing import CHECKS, Subject
from lp_models.bottom_up.options import BottomUpOptions
from lp_models.bottom_up.targets import make_targets
from lp_models.bottom_up.tracker import BottomUpTracker
from lp_models.losses.offsets import OffsetsLoss
from lp_models.losses.peaks import PeaksLoss

SIZE, K = (128, 192), 3
NOSE_TO_TAIL = torch.tensor([[-24.0, 0.0], [0.0, 2.0], [24.0, 0.0]])


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_keeps_the_contract(check):
    check(Subject(BottomUpTracker, loss_classes=[PeaksLoss, OffsetsLoss]))


def options(**changes):
    values = {"image_size": SIZE, "body_length": 50.0, "backbone": "test_resnet"}
    return BottomUpOptions(
        keypoint_names=("nose", "back", "tail"), backbone_pretrained=False, **values | changes
    )


def labels(animals, image=None, images=1, visibility=None):
    """A labelled batch of grey images, with (R, K, 2) keypoints in model px."""
    keypoints = torch.stack(animals) if animals else torch.empty(0, K, 2)
    image = torch.zeros(len(keypoints), dtype=torch.long) if image is None else image
    if visibility is None:
        visibility = torch.where(keypoints.isfinite().all(dim=-1), 2, 0)
    return {
        "images": torch.zeros(images, 3, *SIZE, dtype=torch.uint8),
        "to_frame": torch.eye(3)[:2].repeat(images, 1, 1),
        "keypoints": keypoints,
        "visibility": visibility,
        "image": image,
    }


class PerfectTracker(BottomUpTracker):
    """Its maps are the targets of the batch that it was last shown."""

    shown = None

    def forward(self, images):
        peaks, offsets = make_targets(self.shown, self.shown["image"], self.options)
        logits = peaks.nan_to_num().clamp(1e-6, 1 - 1e-6).logit()
        return logits, offsets.nan_to_num()


def found(batch, **changes):
    """What a tracker with perfect maps predicts."""
    tracker = PerfectTracker(options(**changes)).eval()
    tracker.shown = batch
    return tracker.predict_step(batch)


def at(x, y, turn=0.0):
    """An animal of 48 px with its middle at (x, y) in model px, turned by so many degrees."""
    cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
    matrix = torch.tensor([[cos, sin], [-sin, cos]], dtype=torch.float32)
    return NOSE_TO_TAIL @ matrix + torch.tensor([float(x), float(y)])


def assert_are(prediction, animals):
    """The predicted rows are these animals, in whatever order, with all keypoints."""
    assert len(prediction.keypoints) == len(animals)
    for animal in animals:
        apart = (prediction.keypoints - animal).norm(dim=-1).amax(dim=1)
        assert apart.nan_to_num(torch.inf).amin() < 0.1


@given(st.integers(0, 10_000))
@example(344)  # a keypoint between the last two cells of a map
@settings(deadline=None, max_examples=25)
def test_animals_come_home_from_their_targets(seed):
    rng = np.random.default_rng(seed)
    places = [(30, 32), (96, 32), (162, 32), (63, 96), (129, 96)]
    animals = [at(x + rng.uniform(-2, 2), y, rng.uniform(0, 360)) for x, y in places]
    prediction = found(labels(animals))
    assert_are(prediction, animals)
    assert (prediction.scores > 0.8).all()
    torch.testing.assert_close(prediction.scores, prediction.confidences.mean(dim=1))


def test_two_animals_nose_to_nose_both_survive():
    """F6: keypoints of two animals that nearly touch belong to one each."""
    animals = [at(60, 60, 180), at(60 + 2 * 24 + 14, 60)]
    assert_are(found(labels(animals)), animals)


def test_where_two_noses_are_one_peak_one_animal_lacks_it():
    """Both stay; a peak is never of two animals."""
    prediction = found(labels([at(60, 60, 180), at(60 + 2 * 24, 60)]))
    assert len(prediction.keypoints) == 2
    assert (prediction.confidences[:, 0] > 0).sum() == 1
    lacking = prediction.confidences == 0
    torch.testing.assert_close(prediction.keypoints.isnan().all(dim=-1), lacking)


def test_crossed_animals_keep_their_own_keypoints():
    animals = [at(90, 64, 20), at(106, 64, -70)]
    assert_are(found(labels(animals)), animals)


@pytest.mark.parametrize("turn", [90, 120, 180])
def test_animals_that_lie_across_each_other_are_two(turn):
    """Their centres are one, and their shape tells which keypoints head the same way."""
    animals = [at(90, 62), at(90, 66, turn)]
    batch = labels(animals)
    shape = ((-24.0, -0.7), (0.0, 0.0), (24.0, -0.7))  # the back, at the centre, tells no heading
    prediction = found(batch, shape=shape)
    assert len(prediction.keypoints) == 2
    for animal in animals:
        apart = (prediction.keypoints - animal)[:, [0, 2]].norm(dim=-1).amax(dim=1)
        assert apart.amin() < 0.1
    assert len(found(batch).keypoints) == 1


@pytest.mark.parametrize("turn", [0, 30, 45, 90, 200])
def test_a_turned_animal_scores_as_much(turn):
    """F1: scores do not depend on how an animal is turned."""
    straight, turned = (found(labels([at(96.5, 64.5, angle)])).scores[0] for angle in (0, turn))
    assert turned == pytest.approx(float(straight), rel=0.01)


def test_a_shift_within_a_cell_changes_votes_and_scores_smoothly():
    """F3: nothing is cut to whole cells."""
    tracker = PerfectTracker(options()).eval()
    centres, scores = [], []
    for step in range(41):
        tracker.shown = labels([at(80 + step / 10, 60)])
        votes = tracker._votes(*tracker(tracker.shown["images"]))
        centres.append(votes.centres[0, :, 0, 0].numpy() - step / 10)
        scores.append(votes.scores[0, :K, 0].numpy())
    assert np.abs(np.diff(centres, axis=0)).max() < 0.05
    assert np.abs(np.diff(scores, axis=0)).max() < 0.01


@pytest.mark.parametrize("animals", [[], [at(50, 50)]])
def test_empty_and_full_images_give_results_of_one_kind(animals):
    """F5, F19: an empty image has no rows, and neither differs by what is beside it in a batch."""
    alone = found(labels(animals))
    assert len(alone.keypoints) == len(animals)
    both = labels([*animals, at(90, 70)], torch.tensor([0] * len(animals) + [2]), images=3)
    beside = found(both)
    for one, two in zip(alone, beside, strict=True):
        assert (one.dtype, one.device, one.ndim) == (two.dtype, two.device, two.ndim)
        torch.testing.assert_close(one, two[beside.image == 0])
    assert beside.image.tolist() == [0] * len(animals) + [2]


def test_the_order_of_images_changes_nothing():
    animals = [at(50, 50), at(120, 40, 70), at(100, 90, 10)]
    one = found(labels(animals, torch.tensor([0, 0, 1]), images=2))
    two = found(labels(animals, torch.tensor([1, 1, 0]), images=2))
    for image in (0, 1):
        torch.testing.assert_close(
            one.keypoints[one.image == image], two.keypoints[two.image == 1 - image]
        )


def test_an_animal_that_is_seen_in_part_lacks_the_rest():
    animal = at(90, 60)
    animal[2] = torch.nan
    prediction = found(labels([animal]))
    assert prediction.confidences[0].gt(0).tolist() == [True, True, False]
    assert prediction.scores[0] == pytest.approx(2 / 3, abs=0.1)
    assert len(found(labels([animal]), min_keypoints=3).keypoints) == 0


def test_offsets_of_animals_in_contact_are_those_of_the_nearer_one():
    """F18: they neither add up nor average."""
    animals = [at(60, 60, 180), at(60 + 2 * 24 + 14, 60)]
    _, offsets = make_targets(batch := labels(animals), batch["image"], options())
    assert offsets[0, 0].isfinite().any()
    lengths = offsets.norm(dim=2)
    assert lengths[lengths.isfinite()].max() < 0.5 + 3 * 4 * 2**0.5 / 50
    between = offsets[0, 0, 0, 15]  # along the line through both noses, x to the centre
    turn = between.isfinite().nonzero()[:, 0]
    signs = between[turn].sign()
    assert (signs[0], signs[-1]) == (-1, 1)
    assert signs.diff().count_nonzero() == 1


def test_a_peak_is_half_as_high_at_the_half_width_of_a_gaussian():
    """F17: a target is as wide as is said of it."""
    half = 1.25 * (2 * np.log(2)) ** 0.5 * 4  # model px
    animal = torch.tensor([[61.5 - half, 61.5], [90.0, 90.0], [120.0, 61.5]])
    peaks, _ = make_targets(batch := labels([animal]), batch["image"], options())
    assert peaks[0, 0, 15, 15] == pytest.approx(0.5, abs=0.01)


def test_offsets_are_learnt_near_keypoints_only():
    batch = labels([at(60, 60)])
    _, offsets = make_targets(batch, batch["image"], options())
    cells = offsets[0, 0, 0].isfinite().nonzero().float()
    keypoint = (torch.tensor([60.0, 36.0]) + 0.5) / 4 - 0.5
    assert (cells - keypoint).norm(dim=1).max() <= 3


def test_nothing_is_learnt_of_an_unlabelled_keypoint_near_its_animal():
    animal = at(50, 60)
    animal[2] = torch.nan
    batch = labels([animal, at(140, 60)])
    peaks, offsets = make_targets(batch, batch["image"], options())
    row = peaks[0, 2, 15]
    assert row[12:15].isnan().all()  # within a body length of the animal
    assert row[30:].isfinite().all()
    assert row.nan_to_num().max() > 0.8  # the tail of the other one
    assert peaks[0, :2].isfinite().all()
    losses = LossFactory([PeaksLoss(), OffsetsLoss()], BottomUpTracker.labeled_outputs)
    predicted = torch.zeros_like(peaks, requires_grad=True)
    aims = torch.zeros_like(offsets, requires_grad=True)
    inputs = {"peaks_pred": predicted, "offsets_pred": aims}
    losses("train", {**inputs, "peaks_targ": peaks, "offsets_targ": offsets}).total.backward()
    assert (predicted.grad[peaks.isnan()] == 0).all()
    assert (aims.grad[offsets.isnan()] == 0).all()
    assert predicted.grad.isfinite().all()


def test_an_occluded_keypoint_teaches_its_position_or_that_it_is_not_seen():
    batch = labels([at(90, 60)], visibility=torch.tensor([[2, 2, 1]]))
    placed, _ = make_targets(batch, batch["image"], options())
    unseen, offsets = make_targets(batch, batch["image"], options(occluded_targets="none"))
    assert placed[0, 2].max() > 0.8
    assert unseen[0, 2].max() == 0
    assert offsets[0, 2].isnan().all()
    assert unseen.isfinite().all()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"min_keypoints": 4}, "min_keypoints is 4, but there are 3"),
        ({"shape": ((1.0, 0.0),)}, "shape has 1 points, but there are 3 keypoints"),
        ({"max_animals": 0}, "must be at least 1"),
        ({"body_length": 0.0}, "body_length must be positive"),
    ],
)
def test_options_that_cannot_be_are_refused(changes, problem):
    with pytest.raises(TrackerError, match=problem):
        options(**changes)
