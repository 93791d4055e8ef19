"""The joint tracker of several cameras; faults are those of Lightning Pose's multi-view models."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from lp_core.errors import BatchError, TrackerError, UnknownNameError
from lp_core.options import OptionError, plain_options, read_options
from lp_core.testing import CHECKS, ConformanceError, Subject
from lp_core.testing.toy import ToyProblem, with_frame_at_model
from lp_models.heatmap.tracker import HeatmapTracker
from lp_models.multiview.options import MultiviewOptions, PatchMask
from lp_models.multiview.random_masks import kept_patches, uniform, views_together
from lp_models.multiview.tracker import (
    MultiviewTransformerTracker,
    SemiSupervisedMultiviewTransformerTracker,
)

CPU = torch.device("cpu")
KINDS = [MultiviewTransformerTracker, SemiSupervisedMultiviewTransformerTracker]
VIEWS = ("left", "top", "right")


@pytest.mark.parametrize("check", CHECKS, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_it_keeps_the_contract(kind, check):
    check(Subject(kind, backbone="test_vit"))


@pytest.mark.slow
@pytest.mark.parametrize("check", CHECKS, ids=str)
@pytest.mark.parametrize("options", [{"view_names": VIEWS}, {"view_names": ("one",)}], ids=str)
def test_it_keeps_the_contract_with_any_number_of_views(options, check):
    check(Subject(MultiviewTransformerTracker, options, backbone="test_vit"))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vits_dinov3", "vit_small_patch16_rope_mixed_224"])
@pytest.mark.parametrize(
    "check",
    ["sees_nothing_of_absent_views", "predicts_any_of_its_views", "lowers_its_loss"],
)
def test_it_keeps_the_contract_with_rotary_positions(name, check):
    """Fault 39: register tokens, rotary positions and other module names, as in DINOv3."""
    (function,) = (each for each in CHECKS if each.name == check)
    function(Subject(MultiviewTransformerTracker, backbone=name))


class SeesEveryImage(MultiviewTransformerTracker):
    def _views(self, batch):
        view, visible = super()._views(batch)
        return view, torch.ones_like(visible)


class SeesItselfAlone(MultiviewTransformerTracker):
    def _views(self, batch):
        view, visible = super()._views(batch)
        return view, torch.eye(visible.shape[1], dtype=torch.bool).expand_as(visible)


class DividesByWhatIsPresent(MultiviewTransformerTracker):
    def heatmaps_of(self, batch):
        present = batch["present"].float()[:, None, None, None]
        return super().heatmaps_of(batch) * present / present


class ForgetsWhichViewsItIsFor(MultiviewTransformerTracker):
    def for_views(self, names):
        tracker = super().for_views(names)
        tracker._parameters["view_identity"] = nn.Parameter(self.view_identity[: len(names)])
        return tracker


@pytest.mark.parametrize(
    ("mutant", "check", "words"),
    [
        (SeesEveryImage, "sees_nothing_of_absent_views", "not present changes"),
        (SeesItselfAlone, "looks_at_all_views", "views = 'each'"),
        (DividesByWhatIsPresent, "bears_absent_views", "without one of its views"),
        (ForgetsWhichViewsItIsFor, "predicts_any_of_its_views", "predicts otherwise"),
    ],
)
def test_the_conformance_kit_names_what_a_broken_joint_tracker_does(mutant, check, words):
    (function,) = (each.function for each in CHECKS if each.name == check)
    with pytest.raises(ConformanceError, match=words):
        function(Subject(mutant, backbone="test_vit"))


def make_tracker(kind=MultiviewTransformerTracker, *, views=VIEWS, stirred=True, **options):
    """A tracker on a little transformer, whose head says something."""
    values = {
        "keypoint_names": ("nose", "tail"),
        "image_size": (48, 64),
        "backbone": "test_vit",
        "backbone_pretrained": False,
        "view_names": views,
    }
    torch.manual_seed(0)
    tracker = kind(kind.Options(**(values | options))).eval()
    if stirred:
        with torch.no_grad():
            for parameter in tracker.head.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
            tracker.view_identity.mul_(20)
    return tracker


def make_batch(frames=2, views=3, size=(48, 64)):
    toy = ToyProblem(image_size=size, keypoints=2, context_frames=1, views=views)
    return with_frame_at_model(toy.labeled(batch=frames))


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("size", [(48, 64), (96, 32)])
@torch.no_grad()
def test_there_is_a_map_for_each_keypoint_at_every_size(factor, size):
    """Fault 26 (a downsample factor of 3 gave a map for every channel), and square images only."""
    tracker = make_tracker(downsample_factor=factor, image_size=size)
    maps = tracker.heatmaps_of(make_batch(size=size))
    assert maps.shape == (6, 2, size[0] >> factor, size[1] >> factor)
    torch.testing.assert_close(maps.sum(dim=(2, 3)), torch.ones(6, 2))


@torch.no_grad()
def test_images_of_more_or_fewer_views_are_refused_and_frames_are_never_mixed():
    """Fault 27: another number of views failed in a reshape, or silently mixed frames."""
    tracker = make_tracker()
    with pytest.raises(BatchError, match="not those of 3 views"):
        tracker.predict_step(make_batch(frames=2, views=2))
    mixed = make_batch(frames=3, views=2)  # as many images as two frames of three views
    images = mixed["images"].clone()
    images[:2] = 255 - images[:2]
    found = tracker.predict_step(mixed), tracker.predict_step({**mixed, "images": images})
    torch.testing.assert_close(found[0].keypoints[2:], found[1].keypoints[2:])
    clip = ToyProblem(image_size=(48, 64), keypoints=2, context_frames=1, views=2).clip(frames=3)
    with pytest.raises(BatchError, match="not those of 3 views"):
        tracker.predict_step(clip)


@torch.no_grad()
def test_the_views_of_a_frame_are_known_by_their_numbers():
    """Fault 28: views in another order got the identities of others."""
    tracker, batch = make_tracker(), make_batch(frames=1)
    order = torch.tensor([2, 0, 1])
    turned = {key: batch[key][order] for key in ("images", "to_frame", "frame", "view", "present")}
    expected = tracker.predict_step(batch).keypoints[order]
    torch.testing.assert_close(tracker.predict_step(turned).keypoints, expected)
    wrong = tracker.predict_step({**turned, "view": torch.arange(3)}).keypoints
    assert (wrong - expected).abs().max() > 0.01


def test_a_view_that_it_was_not_trained_with_is_refused_by_name():
    with pytest.raises(UnknownNameError, match="did you mean 'right'"):
        make_tracker().for_views(["left", "rigth"])


@torch.no_grad()
def test_a_tracker_for_one_view_is_the_transformer_alone():
    tracker, batch = make_tracker(), make_batch(frames=2, views=1)
    alone = tracker.for_views(["top"])
    tokens = tracker.backbone.patch_tokens(tracker.normalization(batch["images"]))
    features = tracker.backbone.attend((tokens + tracker.view_identity[1]).unsqueeze(1))
    maps = tracker.head(features[:, 0].transpose(1, 2).unflatten(2, (3, 4)))
    torch.testing.assert_close(alone.heatmaps_of(batch), maps)
    assert tracker.options.view_names == VIEWS


def test_confidences_of_images_that_are_not_there_are_0():
    tracker, batch = make_tracker(), make_batch()
    batch["present"][4] = False
    found = tracker.predict_step(batch)
    assert (found.confidences[4] == 0).all()
    assert (found.confidences[[0, 1, 2, 3, 5]] > 0).all()
    outputs = tracker.get_loss_inputs_labeled(tracker.add_targets(batch))
    placed = tracker.with_places(outputs, batch)
    assert (placed["confidences"][4] == 0).all()
    assert placed["keypoints_pred"][4].isnan().all()
    assert placed["keypoints_pred"][[0, 1, 2, 3, 5]].isfinite().all()


def statistics(absent):
    """Means of batch normalisation after a step on four images, all alike, some not present."""
    tracker = make_tracker(stirred=False, image_size=(64, 64), **CONVOLUTIONS).train()
    batch = make_batch(frames=2, views=3, size=(64, 64))
    batch["images"] = batch["images"][:1].expand_as(batch["images"]).clone()
    batch["images"][absent], batch["present"][absent] = 0, False
    tracker.heatmaps_of(batch)
    layers = [layer for layer in tracker.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert layers
    return torch.cat([layer.running_mean for layer in layers])


def test_statistics_of_batch_normalisation_do_not_depend_on_the_number_of_absent_views():
    whole = statistics([])
    for absent in ([1], [0, 4], [1, 2, 3, 5]):
        torch.testing.assert_close(statistics(absent), whole)


def test_first_identities_depend_on_the_seed_alone():
    """Fault 44: they were drawn on the GPU where there was one, so that they differed."""
    torch.manual_seed(1)
    one = make_tracker(stirred=False, seed=7).view_identity
    torch.rand(5)
    two = make_tracker(stirred=False, seed=7).view_identity
    assert torch.equal(one, two)
    assert not torch.equal(one, make_tracker(stirred=False, seed=8).view_identity)
    assert one.std().item() == pytest.approx(0.02, rel=0.2)


def test_random_numbers_are_the_same_on_every_device():
    """Fault 44. They are computed from whole numbers, so these must come out everywhere."""
    values = uniform((2, 3), (3, 1 << 40), CPU)
    expected = torch.tensor(RANDOM_NUMBERS)
    torch.testing.assert_close(values, expected)
    many = uniform((200_000,), (0, 0), CPU)
    counts = torch.histc(many, 50, 0, 1)
    assert (counts / 4000 - 1).abs().max() < 0.08
    assert many.max() < 1


RANDOM_NUMBERS = [[0.5901636, 0.0738038, 0.3787094], [0.1870666, 0.3085689, 0.8568563]]


def test_masks_repeat_neither_over_steps_nor_over_images():
    """Fault 37: a view's mask was that of another view 100 steps later, or of another sample."""
    masks = set()
    for step in range(200):
        kept = kept_patches(24, (6, 8), 0.5, (3, step), CPU)
        assert (kept.flatten(1).sum(dim=1) == 24).all()
        masks |= {tuple(mask) for mask in kept.flatten(1).tolist()}
    assert len(masks) == 200 * 24
    assert torch.equal(kept, kept_patches(24, (6, 8), 0.5, (3, 199), CPU))
    other_seed = kept_patches(24, (6, 8), 0.5, (4, 199), CPU)
    assert (kept == other_seed).float().mean().item() == pytest.approx(0.5, abs=0.1)
    places = torch.stack([kept_patches(24, (6, 8), 0.5, (s,), CPU) for s in range(200)])
    assert (places.float().mean(dim=(0, 1)) - 0.5).abs().max() < 0.05  # no patch is favoured


def test_a_patch_mask_rises_from_its_beginning_to_its_end():
    mask = PatchMask(init_epoch=40, final_epoch=300, init_ratio=0.1, final_ratio=0.5)
    ratios = [mask.ratio(epoch, 0) for epoch in (0, 39, 40, 170, 300, 400)]
    assert ratios == pytest.approx([0, 0, 0.1, 0.3, 0.5, 0.5])
    in_steps = PatchMask(init_step=700, final_step=5000)
    assert in_steps.ratio(1, 699) == 0
    assert in_steps.ratio(0, 2850) == pytest.approx(0.25)


def test_a_patch_mask_may_be_complete_as_it_begins():
    """Fault 38: where both were the same, a division by zero."""
    mask = PatchMask(init_step=5, final_step=5, init_ratio=0.1, final_ratio=0.4)
    assert [mask.ratio(0, step) for step in (4, 5, 6)] == [0, 0.4, 0.4]


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"init_epoch": 3},
        {"init_epoch": 3, "final_epoch": 9, "init_step": 10, "final_step": 20},
        {"init_epoch": 9, "final_epoch": 3},
    ],
    ids=str,
)
def test_a_patch_mask_that_says_no_time_is_refused(given):
    with pytest.raises(TrackerError, match="patch mask"):
        PatchMask(**given)


def test_options_with_a_patch_mask_survive_a_manifest():
    mask = PatchMask(init_epoch=1, final_epoch=2)
    options = make_tracker(patch_mask=mask).options
    assert read_options(MultiviewOptions, plain_options(options), place="model") == options


@torch.no_grad()
def test_hidden_patches_have_no_influence():
    tracker, images = make_tracker(), make_batch(frames=1)["images"]
    view, visible = torch.arange(3), torch.ones(1, 3, 3, dtype=torch.bool)
    patches = kept_patches(3, (3, 4), 0.5, (0,), CPU)
    assert (~patches).sum() == 18
    hidden = ~patches.repeat_interleave(16, 1).repeat_interleave(16, 2).unsqueeze(1)
    changed = torch.where(hidden, 255 - images, images)
    maps = torch.eye(3)[:2].repeat(3, 1, 1)
    found = [tracker(each, view, visible, maps, patches) for each in (images, changed)]
    torch.testing.assert_close(*found)
    assert (tracker(images, view, visible, maps) - found[0]).abs().max() > 1e-5


@pytest.mark.parametrize("form", ["labeled", "unlabeled"])
@torch.no_grad()
def test_patches_are_hidden_in_training_alone_also_of_clips(form):
    """Fault 36: the batches of semi-supervised training were never masked."""
    toy = ToyProblem(image_size=(48, 64), keypoints=2, context_frames=1, views=3)
    batch = toy.both()[form]
    mask = PatchMask(init_step=0, final_step=0)
    tracker = make_tracker(KINDS[1], patch_mask=mask, view_dropout=0.0)
    plain = tracker.heatmaps_of(batch)
    torch.testing.assert_close(tracker.heatmaps_of(batch), plain, atol=0, rtol=0)
    masked = tracker.train().heatmaps_of(batch)
    assert (masked - plain).abs().amax(dim=(1, 2, 3)).min() > 1e-5  # of every image
    torch.testing.assert_close(tracker.heatmaps_of(batch), masked, atol=0, rtol=0)


@torch.no_grad()
def test_views_set_apart_are_predicted_as_if_the_others_were_absent():
    """Dropout of views teaches just what a subset of the cameras shows at prediction."""
    tracker, batch = make_tracker(view_dropout=0.5), make_batch(frames=8)
    counters = (0, 0, 0, 0, 1)
    together = views_together(8, 3, 0.5, counters, CPU)
    trained = tracker.train().heatmaps_of(batch).unflatten(0, (8, 3))
    tracker.eval()
    split = 0
    for frame in range(8):
        seen = [view for view in range(3) if together[frame, 0, view]]
        some = tracker.for_views([VIEWS[view] for view in seen])
        index = torch.tensor([3 * frame + view for view in seen])
        rows = {key: batch[key][index] for key in ("images", "to_frame")}
        torch.testing.assert_close(trained[frame, seen], some.heatmaps_of(rows))
        split += len(seen) < 3
    assert 2 <= split <= 7


def test_each_step_sets_other_views_apart():
    apart = [views_together(50, 4, 0.2, (0, step, 1), CPU) for step in range(40)]
    assert not any(torch.equal(one, two) for one, two in pairwise(apart))
    together = torch.stack(apart).float()
    expected = 0.8**2 + 0.2**2
    off_diagonal = together[:, :, ~torch.eye(4, dtype=torch.bool)]
    assert off_diagonal.mean().item() == pytest.approx(expected, abs=0.02)


CONVOLUTIONS = {"backbone": "resnet10t", "feature_stride": 16}


@pytest.mark.parametrize("kind", [KINDS[0], pytest.param(KINDS[1], marks=pytest.mark.slow)])
@pytest.mark.parametrize("check", CHECKS, ids=str)
def test_it_keeps_the_contract_on_a_convolutional_backbone(kind, check):
    check(Subject(kind, {"feature_stride": 16}, backbone="test_resnet"))


@torch.no_grad()
def test_on_convolutions_it_starts_as_the_heatmap_tracker_of_each_view():
    tracker, batch = make_tracker(**CONVOLUTIONS), make_batch()
    names = ("keypoint_names", "image_size", "backbone", "backbone_pretrained", "feature_stride")
    alone = HeatmapTracker(
        HeatmapTracker.Options(**{name: getattr(tracker.options, name) for name in names})
    ).eval()
    alone.backbone.load_state_dict(tracker.backbone.network.state_dict())
    alone.head.load_state_dict(tracker.head.state_dict())
    torch.testing.assert_close(tracker.heatmaps_of(batch), alone(batch["images"]))


def stirred_on_convolutions(**options):
    tracker = make_tracker(**CONVOLUTIONS, **options)
    with torch.no_grad():
        tracker.backbone.update[1].weight.normal_()
    return tracker


@torch.no_grad()
def test_on_convolutions_the_frame_that_an_image_was_cut_from_counts():
    """A camera sees frame px: a crop moves what its cells show."""
    tracker, batch = stirred_on_convolutions(), make_batch(frames=1)
    moved = batch["to_frame"].clone()
    moved[..., 2] += 40
    away = tracker.heatmaps_of(batch) - tracker.heatmaps_of({**batch, "to_frame": moved})
    assert away.abs().max() > 1e-4


def test_on_convolutions_the_blocks_learn_while_the_backbone_is_frozen():
    tracker, batch = stirred_on_convolutions().train(), make_batch()
    tracker.backbone_trainable = False
    tracker.heatmaps_of(batch).square().sum().backward()
    reached = {name for name, value in tracker.named_parameters() if value.grad is not None}
    assert not any(name.startswith("backbone.network.") for name in reached)
    assert "view_identity" in reached
    assert {f"backbone.blocks.{block}.qkv.weight" for block in (0, 1)} <= reached
    groups = {group["name"]: group["params"] for group in groups_of(tracker)}
    held = {id(parameter) for parameter in groups["head"]}
    assert all(id(value) in held for name, value in tracker.named_parameters() if name in reached)


def groups_of(tracker):
    return tracker.configure_optimizers()["optimizer"].param_groups


def test_the_number_of_blocks_can_be_chosen():
    assert len(make_tracker(**CONVOLUTIONS, joint_blocks=3).backbone.blocks) == 3
    values = {"keypoint_names": ["nose"], "image_size": [48, 64], "view_names": ["one"]}
    with pytest.raises(OptionError, match="joint_blocks"):
        read_options(MultiviewOptions, {**values, "joint_blocks": 0}, place="model")


def test_views_must_have_names_of_their_own():
    with pytest.raises(TrackerError, match="needs their names"):
        make_tracker(views=())
    with pytest.raises(TrackerError, match="'left' is named twice"):
        make_tracker(views=("left", "top", "left"))
