import math

import pytest
import torch

from lp_core.errors import LossError
from lp_core.losses.contract import TrainingLabels
from lp_core.options import read_options
from lp_core.registry import LOSSES, load_plugin


def _loss(name, **options):
    kind = load_plugin(LOSSES, name)
    return kind(read_options(kind.Options, options, place=f"losses.{name}"))


def _moving(*positions):
    """One keypoint that moves along x, always believed."""
    keypoints = torch.tensor([[[float(x), 5.0]] for x in positions], requires_grad=True)
    return {"keypoints_pred": keypoints, "confidences": torch.ones(len(positions), 1)}


def _maps(*columns):
    """One keypoint whose heatmap is a single cell in the given columns."""
    maps = torch.zeros(len(columns), 1, 2, 8)
    for row, column in enumerate(columns):
        maps[row, 0, 0, column] = 1
    return {"heatmaps_pred": maps.requires_grad_(), "confidences": torch.ones(len(columns), 1)}


def test_only_what_exceeds_epsilon_costs():
    value, share = _loss("temporal", epsilon=20.0)(_moving(0, 10, 40, 40))
    assert value.item() == pytest.approx((0 + 10 + 0) / 3)
    assert share.item() == pytest.approx(1 / 3)


def test_each_keypoint_may_have_its_own_epsilon():
    keypoints = torch.zeros(2, 2, 2)
    keypoints[1] = torch.tensor([[3.0, 4.0], [6.0, 8.0]])
    inputs = {"keypoints_pred": keypoints, "confidences": torch.ones(2, 2)}
    assert _loss("temporal", epsilon=[1, 9])(inputs).value.item() == pytest.approx((4 + 1) / 2)


def test_a_doubted_frame_frees_the_steps_on_both_sides():
    inputs = _moving(0, 100, 0, 100)
    inputs["confidences"] = torch.tensor([[1.0], [0.04], [1.0], [1.0]])
    value, share = _loss("temporal", epsilon=0.0, prob_threshold=0.05)(inputs)
    assert value.item() == pytest.approx(100 / 3)
    assert share.item() == 1
    value.backward()
    gradient = inputs["keypoints_pred"].grad[:, 0, 0]
    assert gradient[1] == 0
    assert gradient[2] < 0 < gradient[3]


@pytest.mark.parametrize("name", ["temporal", "temporal_heatmap_mse", "temporal_heatmap_kl"])
def test_what_does_not_change_costs_nothing(name):
    inputs = _maps(3, 3, 3) | {"keypoints_pred": torch.full((3, 1, 2), 7.0, requires_grad=True)}
    value = _loss(name, epsilon=0.0)(inputs).value
    assert value.item() == pytest.approx(0.0, abs=1e-6)
    value.backward()
    for key in ("heatmaps_pred", "keypoints_pred"):
        gradient = inputs[key].grad
        assert gradient is None or gradient.isfinite().all()


@pytest.mark.parametrize("name", ["temporal", "temporal_heatmap_mse", "temporal_heatmap_kl"])
@pytest.mark.parametrize("frames", [0, 1])
def test_a_clip_without_steps_costs_nothing(name, frames):
    inputs = {
        "keypoints_pred": torch.zeros(frames, 2, 2, requires_grad=True),
        "heatmaps_pred": torch.zeros(frames, 2, 4, 4, requires_grad=True),
        "confidences": torch.ones(frames, 2),
    }
    value, share = _loss(name)(inputs)
    value.backward()
    assert value.item() == 0
    assert share.item() == 0


def test_positions_that_are_not_numbers_cost_nothing():
    keypoints = torch.full((4, 1, 2), math.nan, requires_grad=True)
    value = _loss("temporal")({"keypoints_pred": keypoints, "confidences": torch.ones(4, 1)}).value
    value.backward()
    assert value.item() == 0
    assert (keypoints.grad == 0).all()


def test_heatmaps_that_jump_cost_their_divergence():
    assert _loss("temporal_heatmap_mse")(_maps(1, 5)).value.item() == pytest.approx(2.0)
    assert _loss("temporal_heatmap_mse", epsilon=0.5)(_maps(1, 5)).value.item() == pytest.approx(
        1.5
    )
    expected = math.log(1 / 1e-10)
    assert _loss("temporal_heatmap_kl")(_maps(1, 5)).value.item() == pytest.approx(
        expected, rel=1e-3
    )


def test_a_wrong_number_of_epsilons_is_refused_before_training():
    labels = TrainingLabels(keypoints=torch.zeros(1, 3, 2), keypoint_names=("a", "b", "c"))
    for name in ("temporal", "temporal_heatmap_mse", "unimodal_kl"):
        with pytest.raises(LossError, match="2 values of ε for 3 keypoints"):
            _loss(name, epsilon=[1.0, 2.0]).fit_labels(labels)
        _loss(name, epsilon=[1.0, 2.0, 3.0]).fit_labels(labels)


LARGEST = {"temporal": 50.0, "temporal_heatmap_mse": 2.0, "unimodal_mse": 2.0, "unimodal_kl": 23.1}


@pytest.mark.parametrize("name", LARGEST)
def test_an_epsilon_that_no_error_exceeds_is_refused_before_training(name):
    labels = TrainingLabels(
        keypoints=torch.zeros(1, 2, 2), keypoint_names=("a", "b"), frame_size=(30, 40)
    )
    with pytest.raises(LossError, match="tolerates everything") as caught:
        _loss(name, epsilon=LARGEST[name]).fit_labels(labels)
    assert caught.value.where == f"losses.{name}.epsilon"
    _loss(name, epsilon=0.9 * LARGEST[name]).fit_labels(labels)
    # one keypoint may be left out on purpose
    _loss(name, epsilon=[1.0, LARGEST[name]]).fit_labels(labels)


def test_an_epsilon_finer_than_any_label_is_refused():
    with pytest.raises(LossError, match="finer than any label"):
        _loss("temporal", epsilon=0.05)
    assert _loss("temporal", epsilon=0.0).options.epsilon == 0


@pytest.mark.parametrize("options", [{"epsilon": -1.0}, {"prob_threshold": 5.0}, {"epsilon": []}])
def test_senseless_options_are_refused(options):
    with pytest.raises(LossError, match=r"ε cannot be negative|confidence from 0 to 1"):
        _loss("temporal", **options)


def test_defaults_are_those_of_the_public_system():
    options = load_plugin(LOSSES, "temporal").Options()
    assert (options.epsilon, options.prob_threshold) == (20.0, 0.05)


def _interleaved(*rows):
    """Rows of (frame, view, individual, x) of one keypoint, always believed."""
    frame, view, individual, x = zip(*rows, strict=True)
    inputs = _moving(*x) | {"frame": torch.tensor(frame), "view": torch.tensor(view)}
    return inputs | {"individual": torch.tensor(individual)}


TWO_CAMERAS = [(f, v, 0, 300 * v + (10 * f if v else 0)) for f in range(4) for v in range(2)]


@pytest.mark.parametrize("order", [range(8), (0, 2, 4, 6, 1, 3, 5, 7), (7, 0, 3, 4, 1, 6, 2, 5)])
def test_steps_are_those_of_one_camera_however_the_rows_are_ordered(order):
    inputs = _interleaved(*(TWO_CAMERAS[row] for row in order))
    value, share = _loss("temporal", epsilon=0.0)(inputs)
    assert value.item() == pytest.approx((0 * 3 + 10 * 3) / 6)
    assert share.item() == pytest.approx(1 / 2)
    value.backward()
    still = (inputs["view"] == 0).nonzero().flatten()
    assert not inputs["keypoints_pred"].grad[still].any()


def test_neither_another_animal_nor_a_later_frame_makes_a_step():
    rows = [(0, 0, 0, 0), (0, 0, 1, 500), (1, 0, 0, 5), (1, 0, 1, 520), (7, 0, 0, 900)]
    value, share = _loss("temporal", epsilon=0.0)(_interleaved(*rows))
    assert value.item() == pytest.approx((5 + 20) / 2)
    assert share.item() == 1
    alone, _ = _loss("temporal", epsilon=0.0)(_interleaved((3, 0, 0, 1), (3, 1, 0, 99)))
    assert alone.item() == 0


@pytest.mark.parametrize("name", ["temporal_heatmap_mse", "temporal_heatmap_kl"])
def test_heatmaps_are_compared_within_one_camera_too(name):
    alone, moving = _maps(1, 2, 3), _maps(1, 6, 2, 6, 3, 6)
    moving |= {"frame": torch.tensor([4, 4, 5, 5, 6, 6]), "view": torch.tensor([1, 0] * 3)}
    value = _loss(name, epsilon=0.0)(moving).value
    assert value.item() == pytest.approx(_loss(name, epsilon=0.0)(alone).value.item() / 2)
