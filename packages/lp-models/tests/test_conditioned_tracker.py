"""The conditioned tracker: it starts as the heatmap tracker, and learns to go where it is told."""

import pytest
import torch

from lp_core.errors import TrackerError
from lp_core.losses.factory import LossFactory
from lp_core.optimization import OptimizationOptions
from lp_core.registry import LOSSES, MODELS, load_plugin
from lp_models.conditioned.maps import CELL, condition_maps
from lp_models.conditioned.noise import with_conditions

NAMES = ("nose", "left_paw", "right_paw")
SIZE = (48, 64)


def options(name="heatmap_conditioned", **changes):
    values = {
        "keypoint_names": NAMES,
        "image_size": SIZE,
        "backbone": "test_resnet",
        "backbone_pretrained": False,
        "feature_stride": 16,
    }
    return load_plugin(MODELS, name).Options(**(values | changes))


def tracker(name="heatmap_conditioned", **keywords):
    torch.manual_seed(0)
    return load_plugin(MODELS, name)(options(name), **keywords).eval()


def test_it_starts_as_the_heatmap_tracker_whatever_it_is_told():
    """So that nothing of what a backbone has learnt is disturbed."""
    plain, conditioned = tracker("heatmap"), tracker()
    conditioned.load_state_dict(plain.state_dict(), strict=False)
    images = torch.randint(0, 255, (2, 3, *SIZE), dtype=torch.uint8)
    told = torch.rand(2, 3, 2) * 40
    for condition in (None, told):
        torch.testing.assert_close(conditioned(images, condition), plain(images))


def test_maps_peak_where_the_condition_says_and_are_empty_where_it_says_nothing():
    condition = torch.tensor([[[21.5, 13.5], [torch.nan, torch.nan], [41.5, 45.5]]])
    maps = condition_maps(condition, SIZE, 3.0)[0]
    assert maps.shape == (3, SIZE[0] // CELL, SIZE[1] // CELL)
    assert maps[0].argmax() == 3 * (SIZE[1] // CELL) + 5
    torch.testing.assert_close(maps[0].max(), torch.tensor(1.0))
    assert maps[1].abs().max() == 0


def noisy(rows=4000, **changes):
    """A batch with labels and those of another animal 1000 px away, and what it is learnt as."""
    torch.manual_seed(1)
    labels = 20 + 24 * torch.rand(1, 3, 2).expand(rows, 3, 2)
    others = torch.stack([torch.full_like(labels, torch.nan), labels + 1000], dim=1)
    batch = {"keypoints": labels, "visibility": torch.full((rows, 3), 1), "others": others}
    mirror = torch.tensor([0, 2, 1])
    return batch, with_conditions(batch, mirror, options(**({"elsewhere": 0.0} | changes)))


def noise(**changes):
    """Labels, and conditions made of them."""
    _, learnt = noisy(**changes)
    return learnt["keypoints"], learnt["condition"]


def test_a_share_of_the_images_is_learnt_without_a_condition():
    for share in (0.0, 0.3, 1.0):
        _, told = noise(unconditioned=share, condition_misses=0.0)
        nothing = told.isnan().all(dim=(1, 2)).float().mean()
        assert float(nothing) == pytest.approx(share, abs=0.03)


def test_conditions_move_as_a_whole_and_jitter():
    quiet = {"unconditioned": 0.0, "condition_misses": 0.0, "condition_swaps": 0.0}
    labels, told = noise(**quiet, condition_shift=0.1, condition_jitter=0.0)
    shift = (told - labels).mean(dim=1)
    assert 0.05 * 64 < float(shift.std()) < 0.2 * 64
    sizes = (told[:, 1] - told[:, 2]).norm(dim=-1) / (labels[:, 1] - labels[:, 2]).norm(dim=-1)
    assert 0.8 < float(sizes.quantile(0.02)) < float(sizes.quantile(0.98)) < 1.25
    labels, told = noise(**quiet, condition_shift=0.0, condition_jitter=0.05)
    apart = (told - labels) - (told - labels).mean(dim=1, keepdim=True)
    assert 0.02 * 64 < float(apart.std()) < 0.1 * 64


def test_conditions_miss_keypoints_and_take_those_of_another_animal():
    labels, told = noise(unconditioned=0.0, condition_misses=0.5, condition_swaps=0.0)
    missing = told[..., 0].isnan()
    assert 0.1 < float(missing.float().mean()) < 0.3
    assert float((told - labels).nan_to_num().abs().max()) < 100
    _, told = noise(unconditioned=0.0, condition_misses=0.0, condition_swaps=1.0)
    foreign = (told[..., 0] > 500).float().mean(dim=1)
    assert 0.1 < float(foreign.mean()) < 0.4
    assert float((foreign > 0.5).float().mean()) > 0.05  # sometimes most of the pose


def test_another_animal_is_learnt_where_it_is_meant():
    """As if it were in the middle: with its own labels and a condition about them."""
    batch, learnt = noisy(elsewhere=0.4, unconditioned=0.5, condition_misses=0.0)
    other = (learnt["keypoints"] > 500).all(dim=(1, 2))
    assert float(other.float().mean()) == pytest.approx(0.4, abs=0.03)
    torch.testing.assert_close(learnt["keypoints"][other], batch["others"][other, 1])
    torch.testing.assert_close(learnt["keypoints"][~other], batch["keypoints"][~other])
    assert set(learnt["visibility"][other].unique().tolist()) == {2}
    assert set(learnt["visibility"][~other].unique().tolist()) == {1}
    told = learnt["condition"]
    assert told[other].isfinite().all()  # else nothing would say which animal is meant
    assert 0.4 < float(told[~other].isnan().float().mean()) < 0.6
    assert float((told[other] > 500).float().mean()) > 0.8


def test_a_keypoint_without_a_label_is_in_no_condition():
    labels = torch.full((50, 3, 2), 20.0)
    labels[:, 1] = torch.nan
    batch = {"keypoints": labels, "visibility": torch.full((50, 3), 2)}
    told = with_conditions(batch, torch.tensor([0, 1, 2]), options())["condition"]
    assert told[:, 1].isnan().all()
    assert told[:, [0, 2]].isfinite().any()


def two_animals(rows, generator):
    """Images of two alike animals left and right of the middle, and the pose of either."""
    left = torch.rand(rows, 2, generator=generator) * 8 + torch.tensor([10.0, 20.0])
    both = torch.stack([left, left + torch.tensor([30.0, 0.0])], dim=1)
    pose = torch.tensor([[0.0, 0.0], [6.0, 5.0], [6.0, -5.0]])
    poses = both[:, :, None] + pose
    y, x = torch.meshgrid(torch.arange(SIZE[0]), torch.arange(SIZE[1]), indexing="ij")
    off = torch.stack([x, y], dim=-1) - poses[..., None, None, :]
    blobs = torch.exp(-off.square().sum(dim=-1) / 8).sum(dim=1)
    images = (40 + 200 * blobs).clamp(0, 255).to(torch.uint8)
    meant = torch.randint(0, 2, (rows,), generator=generator)
    chosen = poses[torch.arange(rows), meant]
    other = poses[torch.arange(rows), 1 - meant]
    identity = torch.eye(3)[:2].repeat(rows, 1, 1)
    return {
        "images": images,
        "to_frame": identity,
        "keypoints": chosen,
        "visibility": torch.full((rows, 3), 2),
        "others": other[:, None],
    }


def test_it_learns_to_follow_what_it_is_told():
    """Two alike animals are in each image; nothing but the condition says which is meant."""
    kind = load_plugin(MODELS, "heatmap_conditioned")
    losses = LossFactory([load_plugin(LOSSES, "heatmap_mse")()], kind.labeled_outputs)
    rate = OptimizationOptions(learning_rate=3e-3, scheduler="constant")
    learning = tracker(losses=losses, optimization=rate).train()
    optimizer = learning.configure_optimizers()["optimizer"]
    generator = torch.Generator().manual_seed(0)
    for _ in range(120):
        optimizer.zero_grad()
        learning.evaluate_labeled(two_animals(16, generator), "train").backward()
        optimizer.step()
    batch = two_animals(40, generator)
    batch["condition"] = batch["keypoints"] + 2.0
    learning.eval()
    with torch.no_grad():
        found = learning.predict_step(batch).keypoints
    errors = (found - batch["keypoints"]).norm(dim=-1)
    to_other = (found - batch["others"][:, 0]).norm(dim=-1)
    assert float((errors < to_other).float().mean()) > 0.9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unconditioned": 1.5}, "unconditioned must be from 0 to 1"),
        ({"condition_shift": -0.1}, "condition_shift must be from 0"),
        ({"condition_width": 0.0}, "condition_width must be above 0"),
    ],
)
def test_options_out_of_range_are_refused(changes, words):
    with pytest.raises(TrackerError, match=words):
        options(**changes)
