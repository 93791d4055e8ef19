import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lp_core.errors import LossError
from lp_core.losses.contract import LearnsFromLabels, TrainingLabels
from lp_core.losses.factory import LossFactory
from lp_core.options import read_options
from lp_core.registry import LOSSES, load_plugin

KEYPOINTS = 8
VIEWS = ((0, 1, 2, 3), (4, 5, 6, 7))


def _loss(name="pca_singleview", **options):
    kind = load_plugin(LOSSES, name)
    return kind(read_options(kind.Options, options, place=f"losses.{name}"))


def _poses(count, seed=0, noise=0.5, scale=1.0, dimensions=3):
    """Poses in frame px of a low dimension, with a little noise in every coordinate."""
    random = torch.Generator().manual_seed(seed)
    shape = torch.Generator().manual_seed(99)
    axes = torch.randn(dimensions, 2 * KEYPOINTS, generator=shape)
    spread = torch.linspace(60, 20, dimensions)
    poses = (torch.randn(count, dimensions, generator=random) * spread) @ axes + 300
    poses += noise * torch.randn(count, 2 * KEYPOINTS, generator=random)
    return scale * poses.unflatten(1, (KEYPOINTS, 2))


def _mirrored(count, seed=0, noise=0.5):
    """Four body parts in space, projected into two views of one frame."""
    random = torch.Generator().manual_seed(seed)
    cameras = torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(5))
    parts = 40 * torch.randn(count, 4, 3, generator=random)
    views = [parts @ camera + 200 for camera in cameras]
    points = torch.cat(views, dim=1)
    return points + noise * torch.randn(points.shape, generator=random)


def _labels(keypoints, **more):
    names = tuple(f"k{number}" for number in range(keypoints.shape[1]))
    return TrainingLabels(keypoints=keypoints, keypoint_names=names, **more)


def _fitted(name="pca_singleview", keypoints=None, labels=None, **options):
    loss = _loss(name, **options)
    poses = _poses(200) if keypoints is None else keypoints
    loss.fit_labels(_labels(poses, **(labels or {})))
    return loss


def _hidden(keypoints, share, seed=1):
    """The same labels with a share of the keypoints missing."""
    drawn = torch.rand(keypoints.shape[:2], generator=torch.Generator().manual_seed(seed))
    return torch.where((drawn < share).unsqueeze(2), math.nan, keypoints)


@pytest.mark.parametrize("centering", [None, "mean"])
@pytest.mark.parametrize("count", [25, 200])
def test_true_poses_stay_below_epsilon(count, centering):
    loss = _fitted(keypoints=_poses(count), centering_method=centering)
    errors = loss.reprojection_error(_poses(2000, seed=7))
    assert (errors < loss.space.epsilon).float().mean() > 0.97
    assert loss.space.epsilon < 10 * 0.5


def test_true_poses_stay_below_epsilon_of_a_median_centre():
    # the median bends the space, so that more is left outside its components
    loss = _fitted(centering_method="median")
    errors = loss.reprojection_error(_poses(2000, seed=7))
    assert (errors < loss.space.epsilon).float().mean() > 0.97


def test_true_views_stay_below_epsilon():
    loss = _fitted("pca_multiview", _mirrored(40), {"mirrored_column_matches": VIEWS})
    errors = loss.reprojection_error(_mirrored(2000, seed=7))
    assert (errors < loss.space.epsilon).float().mean() > 0.97
    assert loss.space.epsilon < 5 * 0.5
    assert loss.space.axes.shape == (3, 4)


def test_epsilon_is_in_frame_px():
    # Lightning Pose learned in model px and measured in frame px
    small = _fitted(keypoints=_poses(100))
    large = _fitted(keypoints=_poses(100, scale=3.0))
    assert large.space.epsilon.item() == pytest.approx(3 * small.space.epsilon.item(), rel=1e-3)


@pytest.mark.parametrize("name", ["pca_singleview", "pca_multiview"])
def test_missing_labels_change_little(name):
    poses = _poses(200) if name == "pca_singleview" else _mirrored(200)
    labels = {"mirrored_column_matches": VIEWS}
    hidden = _hidden(poses, 0.2)
    assert hidden.isnan().any(dim=(1, 2)).float().mean() > 0.8
    full, partial = _fitted(name, poses, labels), _fitted(name, hidden, labels)
    test = _poses(500, seed=7) if name == "pca_singleview" else _mirrored(500, seed=7)
    assert (partial.reprojection_error(test) < partial.space.epsilon).float().mean() > 0.95
    assert partial.space.epsilon < 2.5 * full.space.epsilon


def test_a_wrong_keypoint_costs_and_is_pulled_back():
    loss = _fitted()
    poses = _poses(5, seed=3)
    assert loss({"keypoints_pred": poses}).value.item() < 0.05
    poses[2, 4, 0] += 80
    poses.requires_grad_()
    value, share = loss({"keypoints_pred": poses})
    value.backward()
    assert value.item() > 0.5
    assert 0 < share.item() < 0.5
    assert poses.grad[2, 4, 0] > 0
    assert poses.grad[2].abs().argmax() == 2 * 4
    assert poses.grad[[0, 1, 3, 4]].abs().max() < 1e-2


def test_the_excess_over_a_given_epsilon_is_the_mean_over_keypoints():
    loss = _fitted(noise_free := "pca_singleview", epsilon=2.0)
    poses = _poses(4, seed=3)
    poses[0, 0] += 50
    errors = loss.reprojection_error(poses)
    value, share = loss({"keypoints_pred": poses})
    assert noise_free == loss.name
    assert value.item() == pytest.approx((errors - 2).clamp_min(0).mean().item(), rel=1e-4)
    assert share.item() == pytest.approx((errors > 2).float().mean().item())


def test_only_the_chosen_columns_take_part():
    columns = (1, 3, 4, 6)
    loss = _fitted(labels={"columns_for_singleview_pca": columns})
    poses = _poses(6, seed=3)
    errors = loss.reprojection_error(poses)
    assert errors[:, list(columns)].isfinite().all()
    assert errors[:, [0, 2, 5, 7]].isnan().all()
    moved = poses.clone()
    moved[:, 0] += 500
    assert torch.equal(loss.reprojection_error(moved)[:, 1], errors[:, 1])


def test_errors_of_views_stand_at_their_keypoints():
    matches = ((0, 1), (6, 5))
    loss = _fitted("pca_multiview", _mirrored(60), {"mirrored_column_matches": ((0, 1), (4, 5))})
    poses = _mirrored(10, seed=4)
    poses[:, 5] += 100
    errors = loss.reprojection_error(poses)
    assert errors[:, [2, 3, 6, 7]].isnan().all()
    assert (errors[:, [1, 5]] > 5).any(dim=1).all()
    assert (errors[:, [0, 4]] < 5).all()
    crossed = _mirrored(60)[:, [0, 1, 2, 3, 7, 5, 4, 6]]
    swapped = _fitted("pca_multiview", crossed, {"mirrored_column_matches": matches})
    assert swapped.space.keypoints.tolist() == [0, 6, 1, 5]
    fine = swapped.reprojection_error(_mirrored(10, seed=4)[:, [0, 1, 2, 3, 7, 5, 4, 6]])
    assert (fine[:, [0, 1, 5, 6]] < 5).all()


@pytest.mark.parametrize(("keep", "expected"), [(2, 2), (0.99, 3), (0.5, 1), (1.0, 16)])
def test_components_are_a_count_or_a_share(keep, expected):
    loss = _fitted(components_to_keep=keep)
    assert len(loss.space.axes) == expected
    gram = loss.space.axes @ loss.space.axes.T
    torch.testing.assert_close(gram, torch.eye(expected), atol=1e-5, rtol=0)


@pytest.mark.parametrize("keep", [0, -1, 0.0, 1.5, 3.0])
def test_what_is_neither_is_refused(keep):
    with pytest.raises(LossError, match="neither a number of components nor a share"):
        _loss(components_to_keep=keep)


@pytest.mark.parametrize("centering", ["mean", "median"])
def test_centred_poses_may_be_anywhere(centering):
    loss = _fitted(centering_method=centering)
    poses = _poses(20, seed=3)
    errors = loss.reprojection_error(poses)
    torch.testing.assert_close(loss.reprojection_error(poses + 400), errors, atol=5e-3, rtol=0)
    uncentred = _fitted()
    assert (uncentred.reprojection_error(poses + 400) > 10).any()


def test_a_percentile_written_as_a_fraction_is_refused_with_a_hint():
    with pytest.raises(LossError, match="looks like a fraction") as caught:
        _loss(empirical_epsilon_percentile=0.99)
    assert "write 99" in str(caught.value)
    with pytest.raises(LossError, match="from 0 to 100"):
        _loss(empirical_epsilon_percentile=101.0)


def test_percentile_and_multiplier_set_epsilon():
    epsilons = [
        _fitted(empirical_epsilon_percentile=p).space.epsilon.item() for p in (50.0, 90.0, 99.0)
    ]
    assert epsilons[0] < epsilons[1] < epsilons[2]
    twice = _fitted(empirical_epsilon_multiplier=2.0).space.epsilon.item()
    assert twice == pytest.approx(2 * epsilons[2])


def test_too_few_labels_are_refused():
    with pytest.raises(LossError, match="too few labels for PCA: 6 poses") as caught:
        _fitted(keypoints=_poses(6))
    assert caught.value.where == "losses.pca_singleview"
    with pytest.raises(LossError, match="cannot determine 11 components"):
        _fitted(keypoints=_poses(12), components_to_keep=11)
    with pytest.raises(LossError, match="20 components cannot be kept of 16 dimensions"):
        _fitted(components_to_keep=20)
    never_together = _poses(40)
    never_together[:20, 2], never_together[20:, 5] = math.nan, math.nan
    with pytest.raises(LossError, match="number 2 labelled together with number 5"):
        _fitted(keypoints=never_together)


def test_an_epsilon_of_the_wrong_unit_is_refused():
    with pytest.raises(LossError, match="finer than any label"):
        _loss(epsilon=0.02)
    with pytest.raises(LossError, match=r"no error can exceed 500 frame px"):
        _fitted(epsilon=600.0, labels={"frame_size": (300, 400)})
    assert _fitted(epsilon=400.0, labels={"frame_size": (300, 400)}).space.epsilon == 400


def test_labels_that_are_all_missing_are_refused():
    with pytest.raises(LossError, match="too few labels for PCA: 0 poses"):
        _fitted(keypoints=torch.full((50, KEYPOINTS, 2), math.nan))


@pytest.mark.parametrize(
    ("matches", "message"),
    [
        ((), "at least two views"),
        (((0, 1),), "at least two views"),
        (((0, 1), (2,)), "as many columns"),
        (((0, 1), (2, 8)), "there is no column 8"),
        (((0, 1), (2, 1)), "comes twice"),
    ],
)
def test_views_that_do_not_match_are_refused(matches, message):
    with pytest.raises(LossError, match=message):
        _fitted("pca_multiview", _mirrored(40), {"mirrored_column_matches": matches})


def test_columns_that_do_not_exist_are_refused():
    with pytest.raises(LossError, match="there is no column 8"):
        _fitted(labels={"columns_for_singleview_pca": (0, 1, 8)})


def test_what_was_learned_travels_in_the_state_dict():
    loss = _fitted()
    fresh = _loss()
    fresh.load_state_dict(loss.state_dict())
    poses = _poses(5, seed=3)
    assert torch.equal(fresh.reprojection_error(poses), loss.reprojection_error(poses))
    assert fresh.space.epsilon == loss.space.epsilon
    factory = LossFactory([_loss()], {"keypoints_pred"})
    factory.load_state_dict(LossFactory([loss], {"keypoints_pred"}).state_dict())
    inputs = {"keypoints_pred": poses}
    assert factory("train", inputs).total == pytest.approx(0.5 * loss(inputs).value.item())


def test_an_unfitted_loss_says_what_to_do():
    with pytest.raises(LossError, match="call fit_labels"):
        _loss()({"keypoints_pred": _poses(3)})


def test_predictions_that_are_not_numbers_cost_nothing():
    loss = _fitted()
    poses = _poses(3, seed=3)
    poses[1, 2] = math.nan
    poses.requires_grad_()
    value = loss({"keypoints_pred": poses}).value
    value.backward()
    assert value.isfinite()
    assert (poses.grad[1] == 0).all()
    assert loss.reprojection_error(poses.detach())[1].isnan().all()
    empty = torch.zeros(0, KEYPOINTS, 2, requires_grad=True)
    assert loss({"keypoints_pred": empty}).value.item() == 0


def test_precision_survives_autocast():
    loss, poses = _fitted(), _poses(20, seed=3)
    plain = loss.reprojection_error(poses)
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(loss.reprojection_error(poses), plain)


@settings(deadline=None, max_examples=6)
@given(seed=st.integers(0, 10_000), share=st.floats(0, 0.4))
def test_whatever_is_missing_the_components_are_finite_and_orthonormal(seed, share):
    loss = _fitted(keypoints=_hidden(_poses(60, seed), share, seed))
    count = len(loss.space.axes)
    torch.testing.assert_close(
        loss.space.axes @ loss.space.axes.T, torch.eye(count), atol=1e-5, rtol=0
    )
    assert 0 < loss.space.epsilon < 100
    assert isinstance(loss, LearnsFromLabels)


def _moved(loss, confidences):
    """Of poses far from the true ones, the keypoints that the loss has a gradient for."""
    keypoints = (_mirrored(5, seed=7) + 40 * torch.randn(5, KEYPOINTS, 2)).requires_grad_()
    value = loss({"keypoints_pred": keypoints, "confidences": confidences}).value
    assert value > 0
    value.backward()
    return keypoints.grad.abs().sum(dim=-1) > 0


@pytest.mark.parametrize("name", ["pca_singleview", "pca_multiview"])
def test_a_keypoint_whose_heatmap_has_no_peak_yet_is_not_moved_but_counts(name):
    torch.manual_seed(0)
    loss = _fitted(
        name, _mirrored(200), {"mirrored_column_matches": VIEWS}, components_to_keep=3, epsilon=1.0
    )
    confidences = torch.ones(5, KEYPOINTS)
    confidences[:, 3] = 0.04
    moved = _moved(loss, confidences)
    assert not moved[:, 3].any()
    assert moved[:, [0, 1, 2, 4, 5, 6, 7]].float().mean() > 0.9
    keypoints = _mirrored(5, seed=8) + 40 * torch.randn(5, KEYPOINTS, 2)
    counted = loss({"keypoints_pred": keypoints, "confidences": confidences})
    torch.testing.assert_close(counted, loss({"keypoints_pred": keypoints}))


def test_a_threshold_of_0_moves_every_keypoint_and_another_must_be_a_confidence():
    torch.manual_seed(0)
    loss = _fitted(keypoints=_mirrored(200), components_to_keep=3, epsilon=1.0, prob_threshold=0.0)
    assert _moved(loss, torch.zeros(5, KEYPOINTS)).float().mean() > 0.9
    with pytest.raises(LossError, match="prob_threshold is a confidence from 0 to 1"):
        _loss(prob_threshold=5.0)


def test_the_cameras_of_a_frame_are_one_observation_as_mirrored_views_are():
    poses, found = _mirrored(200), _mirrored(6, seed=3, noise=30.0)
    frame, view = torch.arange(200).repeat_interleave(2), torch.arange(400) % 2
    mirrored = _fitted("pca_multiview", poses, {"mirrored_column_matches": VIEWS})
    rows = {"frame": frame, "view": view}
    cameras = _fitted("pca_multiview", poses.reshape(400, 4, 2), rows)
    assert cameras.space.epsilon.item() == pytest.approx(mirrored.space.epsilon.item())
    expected = mirrored({"keypoints_pred": found})
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    shuffled = found.reshape(12, 4, 2)[order].requires_grad_()
    inputs = {"keypoints_pred": shuffled, "frame": 40 + order // 2, "view": order % 2}
    value = cameras(inputs)
    assert value.value.item() == pytest.approx(expected.value.item())
    assert value.above_epsilon.item() == pytest.approx(expected.above_epsilon.item())
    value.value.backward()
    assert shuffled.grad.isfinite().all()
    assert shuffled.grad.any()


def test_a_frame_that_a_camera_does_not_show_costs_nothing():
    poses = _mirrored(200)
    rows = {"frame": torch.arange(200).repeat_interleave(2), "view": torch.arange(400) % 2}
    loss = _fitted("pca_multiview", poses.reshape(400, 4, 2), rows)
    one = {"keypoints_pred": 1000 * torch.rand(3, 4, 2), "frame": torch.tensor([1, 2, 3])}
    assert loss(one | {"view": torch.tensor([0, 1, 0])}).value.item() == 0


def test_some_keypoints_of_separate_views_are_compared_by_one_list():
    """`multiview_facts` 1.1 and 41: a flat list of keypoints stands for all views; none is all."""
    poses = _mirrored(200)
    rows = {"frame": torch.arange(200).repeat_interleave(2), "view": torch.arange(400) % 2}
    some = rows | {"mirrored_column_matches": ((0, 2),)}
    loss = _fitted("pca_multiview", poses.reshape(400, 4, 2), some)
    picked = _fitted("pca_multiview", poses.reshape(400, 4, 2)[:, [0, 2]], rows)
    seen = _mirrored(20, seed=3, noise=30).reshape(40, 4, 2)
    places = {"frame": rows["frame"][:40], "view": rows["view"][:40]}
    expected = picked({"keypoints_pred": seen[:, [0, 2]], **places}).value
    assert expected > 0
    torch.testing.assert_close(loss({"keypoints_pred": seen, **places}).value, expected)
    loaded = _loss("pca_multiview")
    loaded.load_state_dict(loss.state_dict())
    torch.testing.assert_close(loaded({"keypoints_pred": seen, **places}).value, expected)


def test_separate_views_take_no_list_per_view():
    rows = {"frame": torch.arange(40).repeat_interleave(2), "view": torch.arange(80) % 2}
    labels = rows | {"mirrored_column_matches": ((0, 1), (2, 3))}
    with pytest.raises(LossError, match="images of their own"):
        _fitted("pca_multiview", _mirrored(40).reshape(80, 4, 2), labels)
