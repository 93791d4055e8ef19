"""Losses of calibrated cameras; faults are those of Lightning Pose's."""

import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from lp_core.errors import LossError
from lp_core.geometry.cameras import Camera, Rig, local_cameras, project
from lp_core.losses.factory import LossFactory
from lp_core.testing.devices import moved
from lp_core.testing.toy import ToyProblem, with_frame_at_model
from lp_models.losses.heatmap import HeatmapMSELoss
from lp_models.losses.reprojection import (
    PairwiseProjectionsLoss,
    ReprojectionHeatmapMSELoss,
    ReprojectionLoss,
    ReprojectionOptions,
)
from lp_models.multiview.tracker import MultiviewTransformerTracker

LENSES = [
    ((-0.2, 0.05, 0.001, -0.001, 0.0), "pinhole"),
    ((0.05, -0.02, 0.008, -0.003), "fisheye"),
    ((0.4, -0.3, 0.001, -0.001, 0.05, 0.7, -0.2, 0.02), "pinhole"),
    ((), "pinhole"),
    ((0.1,) * 4, "pinhole"),
    ((), "pinhole"),
]


def camera_at(number, lens):
    """A camera that looks at the origin from around it."""
    angle = 0.1 + 1.1 * number
    position = np.array([500 * math.cos(angle), 500 * math.sin(angle), 150.0 + 40 * number])
    ahead = -position / np.linalg.norm(position)
    right = np.cross(ahead, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(ahead, right), ahead])
    return Camera(
        name=f"cam{number}",
        size=(640, 480),
        matrix=np.array([[600.0, 0, 320], [0, 610, 240], [0, 0, 1]]),
        distortion=np.array(lens[0], float),
        rotation=rotation,
        translation=-rotation @ position,
        model=lens[1],
    )


def rig_of(views):
    return Rig(tuple(camera_at(n, lens) for n, lens in enumerate(LENSES[:views])), "mm")


def truth(frames=3, views=4, keypoints=5, seed=0):
    """What a tracker without errors gives to the losses, and the points in space (F, K, 3)."""
    rig = rig_of(views)
    scene = torch.from_numpy(np.random.default_rng(seed).uniform(-80, 80, (frames, keypoints, 3)))
    points = torch.stack([project(rig, each) for each in scene]).flatten(0, 1).float()
    inputs = {
        "keypoints_pred": points.clone().requires_grad_(),
        "keypoints_targ": points,
        "confidences": torch.full(points.shape[:2], 0.9),
        "cameras": torch.stack([local_cameras(rig, each) for each in scene]).float(),
    }
    return inputs, scene


def moved_by(inputs, shift):
    """The inputs, whose predictions (R, K, 2) are off by so many frame px."""
    predicted = (inputs["keypoints_targ"] + shift).requires_grad_()
    return {**inputs, "keypoints_pred": predicted}


def elsewhere(inputs, shift):
    """The inputs, whose predictions are of a body that is off by so many world units."""
    moves = inputs["cameras"][..., :3] @ torch.as_tensor(shift).float().unsqueeze(-1)
    return moved_by(inputs, moves.squeeze(-1).flatten(0, 1))


def gradient_of(loss, inputs):
    value = loss(inputs).value
    (gradient,) = torch.autograd.grad(value, inputs["keypoints_pred"])
    assert gradient.isfinite().all()
    return value.item(), gradient


def test_right_predictions_cost_nothing_before_every_kind_of_lens():
    """Faults 12 and 13: fisheye lenses were taken for pinholes, and coefficients had to be as many
    for all cameras."""
    inputs, _ = truth(views=5)
    value, gradient = gradient_of(ReprojectionLoss(), inputs)
    assert value < 1e-4
    assert gradient.norm(dim=-1).max() < 1e-3


def test_the_error_is_that_of_the_reprojected_point_in_frame_px():
    inputs, scene = truth()
    rig = rig_of(4)
    wrong = torch.stack([project(rig, each + torch.tensor([3.0, 0, 0])) for each in scene])
    given = moved_by(inputs, wrong.flatten(0, 1).float() - inputs["keypoints_targ"])
    away = (given["keypoints_pred"] - given["keypoints_targ"]).norm(dim=-1)
    expected = (5 * ((1 + (away / 5).square()).sqrt() - 1)).mean()
    assert ReprojectionLoss()(given).value.item() == pytest.approx(expected.item(), rel=0.02)
    small = ReprojectionLoss(ReprojectionOptions(delta=1e-3))(given).value.item()
    assert small == pytest.approx(away.mean().item(), rel=0.02)


@pytest.mark.parametrize("fall", [20.0, 150.0, 3000.0])
def test_the_gradient_pulls_at_any_distance(fall):
    """Fault 31: a point that was reprojected some cells off its label, or off the map, had none."""
    inputs, _ = truth()
    given = elsewhere(inputs, [0.0, 0.0, -fall])
    value, gradient = gradient_of(ReprojectionLoss(), given)
    assert value > 0.6 * fall
    shift = given["keypoints_pred"].detach() - inputs["keypoints_targ"]
    pull = (gradient * shift / shift.norm(dim=-1, keepdim=True)).sum(dim=-1)
    assert pull.mean().item() * 60 == pytest.approx(1, abs=0.1)  # 3 frames, 4 views, 5 keypoints


def test_one_wrong_view_hardly_moves_the_others_and_is_pulled_back():
    """Fault 32: the mean over pairs of views had no rejection of outliers."""
    inputs, _ = truth(frames=1)
    shift = torch.zeros(4, 5, 2)
    shift[1] = torch.tensor([200.0, 100.0])
    value, gradient = gradient_of(ReprojectionLoss(), moved_by(inputs, shift))
    everywhere, _ = gradient_of(ReprojectionLoss(), moved_by(inputs, shift[1].expand(4, 5, 2)))
    assert value < 0.02 * everywhere
    back = -(gradient[1] * shift[1]).sum(dim=-1)
    assert (back < 0).all()  # a step against the gradient takes it back towards its label


def test_views_that_are_unsure_count_less():
    inputs, _ = truth(frames=1)
    shift = torch.zeros(4, 5, 2)
    shift[2] = 12.0
    sure = moved_by(inputs, shift)
    unsure = {**sure, "confidences": inputs["confidences"].clone()}
    unsure["confidences"][2] = 0.1
    loss = ReprojectionLoss()
    assert loss(unsure).value < 0.3 * loss(sure).value


def test_the_scale_depends_neither_on_views_nor_on_keypoints():
    """Fault 29: views · keypoints · rows of the map, where the loss of heatmaps has rows · columns.

    The loss reads no maps at all.
    """
    values = []
    for views, keypoints in ((2, 3), (4, 3), (6, 3), (6, 30)):
        inputs, _ = truth(frames=8, views=views, keypoints=keypoints)
        off = torch.tensor([0.0, 20.0])
        values.append(ReprojectionLoss()(moved_by(inputs, off)).value.item())
    assert max(values) < 1.35 * min(values)
    assert not any(key.startswith("heatmaps") for key in ReprojectionLoss.requires)


def test_keypoints_without_a_label_cost_nothing():
    """Fault 30: each added a constant, and was compared with a uniform map."""
    inputs, _ = truth()
    targets = inputs["keypoints_targ"].clone()
    targets[:, 2] = torch.nan  # nowhere
    targets[1, 3] = torch.nan  # in one view of the first frame
    given = moved_by(inputs, torch.tensor([3.0, 4.0])) | {"keypoints_targ": targets}
    value, gradient = gradient_of(ReprojectionLoss(), given)
    assert (gradient[:, 2] == 0).all()
    assert gradient[1, 3].any()  # what it predicts still moves the point
    few = {key: inputs[key][:, [0, 1, 4]] for key in ("keypoints_targ", "confidences")}
    few |= {"cameras": inputs["cameras"][:, :, [0, 1, 4]]}
    alone = ReprojectionLoss()(moved_by(few, torch.tensor([3.0, 4.0]))).value.item()
    assert value == pytest.approx(alone, rel=0.2)


def test_views_and_cameras_that_are_absent_take_no_part():
    inputs, _ = truth(views=4)
    fewer, _ = truth(views=3)
    predicted, targets = inputs["keypoints_targ"].clone() + 7, inputs["keypoints_targ"].clone()
    absent = torch.arange(12) % 4 == 3
    predicted[absent] = targets[absent] = torch.nan
    cameras = inputs["cameras"].clone()
    cameras[:, 3] = torch.nan
    given = {
        "keypoints_pred": predicted.requires_grad_(),
        "keypoints_targ": targets,
        "confidences": inputs["confidences"] * ~absent[:, None],
        "cameras": cameras,
    }
    value, gradient = gradient_of(ReprojectionLoss(), given)
    assert (gradient[absent] == 0).all()
    expected = ReprojectionLoss()(moved_by(fewer, torch.tensor(7.0))).value.item()
    assert value == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    "kind", [ReprojectionLoss, ReprojectionHeatmapMSELoss, PairwiseProjectionsLoss]
)
@pytest.mark.parametrize("seen", [0, 1])
def test_a_body_that_fewer_than_two_views_see_costs_nothing(kind, seen):
    inputs, _ = truth(views=3)
    predicted = inputs["keypoints_targ"].clone() + 5
    predicted[torch.arange(9) % 3 >= seen] = torch.nan
    value, gradient = gradient_of(kind(), {**inputs, "keypoints_pred": predicted.requires_grad_()})
    assert value == 0
    assert (gradient == 0).all()


def test_predictions_that_are_nonsense_have_finite_gradients():
    """Behind cameras, all in one place, or at the edge of what lenses see."""
    inputs, _ = truth(frames=20)
    random = torch.Generator().manual_seed(3)
    for scale in (0.0, 1.0, 1e3, 1e5):
        points = scale * torch.randn(80, 5, 2, generator=random)
        for kind in (ReprojectionLoss, PairwiseProjectionsLoss):
            value, _ = gradient_of(kind(), {**inputs, "keypoints_pred": points.requires_grad_()})
            assert math.isfinite(value)


def test_following_the_gradient_brings_the_body_to_its_labels():
    inputs, _ = truth(frames=2)
    random = torch.Generator().manual_seed(0)
    shift = 25 * torch.randn(2, 1, 5, 3, generator=random)  # the body elsewhere in space
    given = elsewhere(inputs, shift)
    wrong = given["keypoints_pred"].detach()
    points = wrong.clone().requires_grad_()
    optimizer, loss = torch.optim.Adam([points], lr=1.0), ReprojectionLoss()
    for _ in range(100):
        optimizer.zero_grad()
        value = loss({**given, "keypoints_pred": points}).value
        value.backward()
        optimizer.step()
    assert value < 0.05
    away = [(p - inputs["keypoints_targ"]).norm(dim=-1).mean() for p in (points, wrong)]
    assert away[0] < 0.5 * away[1]


def test_it_weighs_the_same_in_training_and_in_validation():
    """Fault 33: 0 in the first epochs of training, and 1 in validation, which chose the model."""
    inputs, _ = truth()
    losses = LossFactory([ReprojectionLoss()], {"keypoints_pred", "keypoints_targ"})
    given = moved_by(inputs, torch.tensor(4.0))
    totals = [losses(stage, given, anneal=0.0).total.item() for stage in ("train", "val", "test")]
    assert totals[0] > 0
    assert totals == [totals[0]] * 3


def test_a_batch_without_cameras_is_refused_in_plain_words():
    """Fault 35: any error in space was swallowed, and reported as something else."""
    inputs, _ = truth()
    del inputs["cameras"]
    with pytest.raises(LossError, match="needs calibrated cameras"):
        ReprojectionLoss()(inputs)
    losses = LossFactory(
        [HeatmapMSELoss(), ReprojectionLoss()],
        {"keypoints_pred", "keypoints_targ", "heatmaps_pred", "heatmaps_targ"},
    )
    assert losses.needs_cameras == ("reprojection",)


def test_several_animals_are_refused():
    inputs, _ = truth()
    given = {key: inputs[key][:7] for key in ("keypoints_pred", "keypoints_targ", "confidences")}
    with pytest.raises(LossError, match="one animal"):
        ReprojectionLoss()({**given, "cameras": inputs["cameras"]})


@pytest.mark.parametrize("kind", [ReprojectionLoss, PairwiseProjectionsLoss])
def test_it_waits_for_no_value_of_the_device(kind):
    inputs, _ = truth()
    mode = FakeTensorMode()
    given = moved({key: value.detach() for key, value in inputs.items()}, mode)
    with mode:
        given["keypoints_pred"].requires_grad_()
        loss = kind()(given).value
    assert loss.device.type == "cuda"


def test_the_name_of_lightning_pose_is_the_same_loss_in_hundreds_of_px():
    inputs, _ = truth()
    given = moved_by(inputs, torch.tensor(4.0))
    theirs, ours = ReprojectionHeatmapMSELoss(), ReprojectionLoss()
    assert theirs(given).value.item() == pytest.approx(ours(given).value.item() / 100)
    assert theirs.weight == pytest.approx(1 / (2 * math.exp(3)))


def test_pairwise_projections_are_distances_in_world_units():
    inputs, _ = truth(views=3)
    given = elsewhere(inputs, [0.0, 3.0, 4.0])
    value, gradient = gradient_of(PairwiseProjectionsLoss(), given)
    assert value == pytest.approx(5.0, rel=1e-2)
    assert gradient.any()
    unplaced = given["cameras"].clone()
    unplaced[:, :, 0] = torch.nan  # labelled in one view: no point to compare with
    given = {**given, "cameras": unplaced}
    assert (gradient_of(PairwiseProjectionsLoss(), given)[1][:, 0] == 0).all()


def test_a_joint_tracker_learns_from_cameras():
    views = ("cam0", "cam1", "cam2")
    options = MultiviewTransformerTracker.Options(
        keypoint_names=("nose", "tail"),
        image_size=(48, 64),
        backbone="test_vit",
        backbone_pretrained=False,
        view_names=views,
    )
    tracker = MultiviewTransformerTracker(
        options,
        losses=LossFactory(
            [HeatmapMSELoss(), ReprojectionLoss()], MultiviewTransformerTracker.labeled_outputs
        ),
    )
    toy = ToyProblem(image_size=(48, 64), keypoints=2, context_frames=1, views=3)
    batch = with_frame_at_model(toy.labeled())
    batch["present"][4] = False
    batch["keypoints"][4], batch["visibility"][4] = torch.nan, 0
    batch["cameras"] = truth(frames=2, views=3, keypoints=2)[0]["cameras"]
    logged = {}
    tracker.log = lambda name, value, **_: logged.setdefault(name, value)
    loss = tracker.training_step(batch)
    loss.backward()
    assert loss.isfinite()
    assert logged["train_reprojection_loss"] > 0
    assert all(p.grad.isfinite().all() for p in tracker.parameters() if p.grad is not None)
