"""The centroid tracker: targets, peaks, and what it finds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from lp_core.errors import TrackerError
from lp_core.testing import CHECKS, ConformanceError, Subject, check_tracker
from lp_models.centroid.tracker import CentroidOptions, CentroidTracker
from lp_models.losses.peaks import PeaksLoss
from lp_models.peaks import find_peaks, nearest_points, peak_targets

SIZE, CELLS = (96, 128), (24, 32)


def subject(tracker_class=CentroidTracker):
    return Subject(tracker_class, {"keypoint_names": ["centroid"]}, loss_classes=[PeaksLoss])


@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_keeps_the_contract(check):
    check(subject())


def targets_of(points):
    """The target (1, 1, h, w) of some points on one image."""
    image = torch.zeros(len(points), dtype=torch.long)
    return peak_targets(nearest_points(points.unsqueeze(1), image, 1, SIZE, CELLS))


def found(points, most=8):
    """What is decoded from the target of some points on one image."""
    points = torch.as_tensor(points, dtype=torch.float64).reshape(-1, 2)
    targets = targets_of(points)[0].clamp(1e-12, 1 - 1e-12)
    places, scores = find_peaks(targets.logit(), most, 1, SIZE)
    return places[0][scores[0] > 0.1].numpy(), scores[0].numpy()


coordinates = st.tuples(st.floats(8, 119), st.floats(8, 87))


@given(coordinates)
@example((8.0, 15.5))  # exactly between two cells, which are of equal height
@example((11.5, 15.5))
def test_the_peak_of_a_target_is_where_the_animal_is(point):
    places, _ = found([point])
    np.testing.assert_allclose(places, [point], atol=0.05)


def test_every_animal_has_a_peak_however_many_there_are():
    points = np.array([[20.0, 75.0], [60.5, 20.0], [20.0, 20.0], [100.0, 70.25]])
    places, scores = found(points)
    order = [np.linalg.norm(places - point, axis=1).argmin() for point in points]
    np.testing.assert_allclose(places[order], points, atol=0.05)
    assert (scores[4:] < 0.01).all()


def test_neighbours_do_not_add_up():
    """F18: the target of two animals at one place is that of one."""
    once, twice = (targets_of(torch.full((n, 2), 40.0)) for n in (1, 2))
    torch.testing.assert_close(once, twice)
    assert twice.max() <= 1


def test_an_empty_image_has_no_peak_and_the_same_shapes():
    """F5, F19: what is found of an empty image differs in scores only."""
    empty, full = found(np.empty((0, 2))), found([[40.0, 40.0]])
    assert (len(empty[0]), len(full[0])) == (0, 1)
    assert empty[1].shape == full[1].shape


def test_peaks_nearer_than_the_distance_are_one():
    """F4: the distance is a radius, and an even one is as good as an odd one."""
    maps = torch.full((1, *CELLS), -9.0)
    maps[0, 10, 10], maps[0, 10, 14] = 2.0, 1.0
    for distance, count in ((3, 2), (4, 1), (5, 1)):
        _, scores = find_peaks(maps, 5, distance, SIZE)
        assert (scores > 0.5).sum() == count


def test_rows_without_a_position_leave_no_trace():
    points = torch.tensor([[torch.nan, torch.nan], [40.0, 40.0]])
    torch.testing.assert_close(targets_of(points), targets_of(points[1:]))


def test_the_loss_falls_to_nothing_where_the_maps_are_right():
    targets = targets_of(torch.tensor([[40.0, 40.0]]))
    right = targets.clamp(1e-6, 1 - 1e-6).logit()
    loss = PeaksLoss()
    assert loss({"peaks_targ": targets, "peaks_pred": right}).value < 1e-6
    assert loss({"peaks_targ": targets, "peaks_pred": right.flip(2)}).value > 0.5
    nothing = loss({"peaks_targ": 0 * targets, "peaks_pred": torch.full_like(right, -8.0)})
    assert 0 <= nothing.value < 1e-3


def test_more_than_one_point_of_each_animal_is_refused():
    with pytest.raises(TrackerError, match="one point of each animal, not 2"):
        CentroidOptions(keypoint_names=("a", "b"))


class MapsOfRows(CentroidTracker):
    """Gives a map for each row and not for each image."""

    def get_loss_inputs_labeled(self, batch):
        outputs = super().get_loss_inputs_labeled(batch)
        return {**outputs, "peaks_pred": outputs["peaks_pred"][batch["image"]]}


class ScoresAboveOne(CentroidTracker):
    """Gives scores that leave their range."""

    def predict_step(self, batch, batch_idx=0):
        prediction = super().predict_step(batch)
        return replace(prediction, scores=prediction.scores + 1)


@pytest.mark.parametrize(
    ("broken", "problem"),
    [(MapsOfRows, "'peaks_pred' of a labelled batch has shape"), (ScoresAboveOne, "scores")],
)
def test_the_conformance_kit_names_what_is_wrong(broken, problem):
    with pytest.raises(ConformanceError, match=problem):
        check_tracker(
            broken, options_overrides={"keypoint_names": ["centroid"]}, loss_classes=[PeaksLoss]
        )
