import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lp_core.errors import TrackerError
from lp_core.geometry.decoding import decode_heatmaps
from lp_core.losses.contract import Loss, LossValue
from lp_core.losses.factory import LossFactory
from lp_core.registry import LOSSES, MODELS, load_plugin
from lp_models.mhcrnn.fusion import ContextFusion, FusionHeads
from lp_models.mhcrnn.recurrent import RecurrentHeads, UpsamplingCRNN
from lp_models.mhcrnn.trajectory import TrajectoryHeads, expected

HEADS = ["recurrent", "fusion", "trajectory"]


def _tracker(head="recurrent", *, semi=False, **options):
    kind = load_plugin(MODELS, "heatmap_mhcrnn")
    kind = kind.semi_supervised_class() if semi else kind
    defaults = {
        "keypoint_names": ("nose", "tail"),
        "image_size": (64, 64),
        "backbone": "test_resnet",
        "backbone_pretrained": False,
        "context_head": head,
    }
    torch.manual_seed(0)
    return kind(kind.Options(**(defaults | options))).eval()


def _frames(count):
    images = torch.randint(
        0, 255, (count, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )
    return {"frames": images, "to_frame": torch.eye(3)[:2].repeat(count, 1, 1)}


@pytest.mark.parametrize("head", HEADS)
def test_a_window_and_the_same_frames_of_a_clip_are_predicted_alike(head):
    tracker, clip = _tracker(head), _frames(6)
    windows = clip["frames"].unfold(0, 5, 1).movedim(-1, 1)
    for of_clip, of_windows in zip(tracker(clip["frames"]), tracker(windows), strict=True):
        torch.testing.assert_close(of_clip, of_windows)


@pytest.mark.parametrize("head", HEADS)
def test_each_frame_keeps_its_own_map_to_frame_px(head):
    tracker, clip = _tracker(head), _frames(7)
    clip["to_frame"][:, 0, 2] = 1000.0 * torch.arange(7)
    keypoints = tracker.predict_step(clip).keypoints
    assert (keypoints[..., 0] // 1000).tolist() == [[2, 2], [3, 3], [4, 4]]


@pytest.mark.parametrize("head", ["recurrent", "fusion"])
def test_the_more_confident_head_decides_for_each_keypoint(head):
    tracker, clip = _tracker(head), _frames(5)
    maps = torch.zeros(2, 1, 2, 16, 16)
    maps[0, 0, 0, 3, 4] = maps[1, 0, 1, 10, 12] = 1  # each head is sure of one keypoint
    maps[0, 0, 1] = maps[1, 0, 0] = 1 / 256
    tracker.head.forward = lambda features: (maps[0], maps[1])
    keypoints, confidences = tracker.predict_step(clip)
    expected = torch.tensor([[17.5, 13.5], [49.5, 41.5]])
    torch.testing.assert_close(keypoints[0], expected, atol=0.01, rtol=0)
    assert (confidences > 0.5).all()


@pytest.mark.parametrize("head", HEADS)
def test_neighbouring_frames_change_the_second_head_only(head):
    heads, features = _tracker(head).head, torch.randn(1, 5, 96, 2, 2)
    for parameter in heads.parameters():
        nn.init.normal_(parameter, std=0.1)  # away from where the heads start alike
    other = features.clone()
    other[:, [0, 4]] = torch.randn(1, 2, 96, 2, 2)
    single, multi = heads(features)
    single_other, multi_other = heads(other)
    torch.testing.assert_close(single, single_other)
    assert (multi / multi_other - 1).abs().max() > 0.1


def test_no_loss_compares_the_end_of_one_head_with_the_start_of_the_other():
    tracker, clip = _tracker(semi=True), _frames(9)
    outputs = tracker.get_loss_inputs_unlabeled(clip)
    assert [head["keypoints_pred"].shape for head in outputs] == [(5, 2, 2)] * 2
    outputs[1]["keypoints_pred"] = outputs[0]["keypoints_pred"] + 500
    for head in outputs:
        head["confidences"] = torch.ones(5, 2)
    temporal = load_plugin(LOSSES, "temporal")
    factory = LossFactory(
        [temporal(temporal.Options(epsilon=200.0))], type(tracker).unlabeled_outputs
    )
    assert factory("train", outputs).total.item() == 0


class Kept(Loss):
    """A loss that keeps what it is given."""

    name = "kept"
    requires = frozenset({"keypoints_pred"})

    def forward(self, inputs):
        self.inputs = [*getattr(self, "inputs", ()), inputs]
        return LossValue(inputs["keypoints_pred"].sum())


@pytest.mark.parametrize("head", HEADS)
def test_a_clip_of_two_cameras_has_windows_of_one_camera_each(head):
    """Frames of two cameras are neighbours in the batch, but not in time."""
    tracker, first, second = _tracker(head, semi=True), _frames(6), _frames(6)
    second["frames"] = second["frames"].flip(0)
    clip = {key: torch.stack([first[key], second[key]], 1).flatten(0, 1) for key in first}
    clip["frame"] = torch.arange(6).repeat_interleave(2)
    clip["view"] = torch.tensor([0, 1]).repeat(6)
    clip["views"] = 2
    kept = Kept()
    tracker.unsupervised_losses = LossFactory([kept], type(tracker).unlabeled_outputs)
    tracker.evaluate_unlabeled(clip)
    alone = [tracker.get_loss_inputs_unlabeled(each) for each in (first, second)]
    for number, outputs in enumerate(kept.inputs):
        expected = torch.cat([run[number]["keypoints_pred"] for run in alone])
        torch.testing.assert_close(outputs["keypoints_pred"], expected)
        assert outputs["image"].tolist() == [4, 6, 5, 7]
        assert outputs["frame"].tolist() == [2, 3, 2, 3]
        assert outputs["view"].tolist() == [0, 0, 1, 1]


def test_the_recurrent_head_names_its_parameters_as_lightning_pose_does():
    heads = RecurrentHeads(64, 2, 3)
    shapes = {name: value.shape for name, value in heads.state_dict().items()}
    assert set(shapes) == {
        f"head_{name}.{kind}"
        for name in (
            "sf.upsampling_layers.1",
            "sf.upsampling_layers.2",
            "mf.W_pre",
            "mf.W_f",
            "mf.H_f.0",
            "mf.H_f.1",
            "mf.W_b",
            "mf.H_b.0",
            "mf.H_b.1",
        )
        for kind in ("weight", "bias")
    }
    assert shapes["head_mf.H_f.0.weight"] == (32, 1, 2, 2)
    assert shapes["head_mf.H_f.1.weight"] == (32, 1, 2, 2)


def test_the_recurrence_is_the_public_one():
    torch.manual_seed(0)
    head, features = UpsamplingCRNN(32, 3, 2), torch.randn(2, 5, 32, 4, 4)
    frames = [nn.functional.pixel_shuffle(features[:, t], 2) for t in range(5)]
    forwards, backwards = head.W_f(frames[0]), head.W_b(frames[4])
    for t in (1, 2, 3, 4):
        forwards = head.W_f(frames[t]) + head.H_f(forwards)
        backwards = head.W_b(frames[4 - t]) + head.H_b(backwards)
    logits = (forwards + backwards) / 2
    expected = logits.flatten(2).softmax(2).unflatten(2, logits.shape[2:])
    torch.testing.assert_close(head(features), expected)


def test_fusion_keeps_the_features_of_the_middle_frame():
    fusion, features = ContextFusion(16, 5), torch.randn(1, 5, 16, 4, 4)
    torch.testing.assert_close(fusion(features)[:, -16:], features[:, 2])


def test_fusion_sees_motion():
    # with shuffled frames the same features mean something else
    fusion, features = ContextFusion(16, 5), torch.randn(1, 5, 16, 4, 4)
    shuffled = features[:, [4, 1, 2, 3, 0]]
    assert (fusion(features) - fusion(shuffled)).abs().max() > 1e-4


def _crossing(middle_is_visible):
    """Features of a spot that crosses six cells, and the cell of its middle frame, of 24 windows.

    In every row it moves right by one cell per frame, or left. Where the middle frame is not
    ``middle_is_visible``, that frame shows the background alone.
    """
    windows, cells = [], []
    for row in range(6):
        for first, step in [(0, 1), (1, 1), (5, -1), (4, -1)]:
            window = 0.1 * torch.ones(5, 8, 6, 6)
            for frame in range(5):
                if frame != 2 or middle_is_visible:
                    window[frame, 0, row, first + step * frame] = 3.0
            windows.append(window)
            cells.append((row, first + 2 * step))
    return torch.stack(windows), torch.tensor(cells)


def _learn(heads, features, cells, steps=60):
    optimizer = torch.optim.Adam(heads.parameters(), lr=0.01)
    rows, columns = cells.T
    for _ in range(steps):
        for_each_head = [maps[range(len(cells)), 0, rows, columns] for maps in heads(features)]
        loss = -sum(chance.clamp_min(1e-9).log().mean() for chance in for_each_head)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def test_fusion_places_a_spot_that_only_the_neighbouring_frames_show():
    torch.manual_seed(0)
    heads = FusionHeads(8, 1, 0, 5)
    features, cells = _crossing(middle_is_visible=False)
    held_out = cells[:, 0] == 2  # a row in which it has not learnt
    _learn(heads, features[~held_out], cells[~held_out])
    single, multi = (maps[:, 0].flatten(1) for maps in heads(features[held_out]))
    expected = cells[held_out] @ torch.tensor([6, 1])
    assert multi.argmax(1).tolist() == expected.tolist()
    assert single.amax(1).max() < 0.2  # the frame itself shows nothing


def test_fusion_learns_to_predict_a_reversed_window_alike():
    torch.manual_seed(0)
    heads = FusionHeads(8, 1, 0, 5)
    features, cells = _crossing(middle_is_visible=False)
    rightwards = torch.arange(len(cells)) % 4 < 2
    both = torch.cat([features[rightwards], features[rightwards].flip(1)])
    _learn(heads, both, cells[rightwards].repeat(2, 1))
    ahead, behind = heads(both)[1].flatten(1).argmax(1).chunk(2)
    assert ahead.tolist() == behind.tolist()


@pytest.mark.parametrize("doublings", [0, 1, 2, 3])
def test_fusion_doubles_as_often_as_it_is_told(doublings):
    side = 2 * 2**doublings
    single, multi = FusionHeads(16, 3, doublings, 5)(torch.randn(1, 5, 16, 2, 2))
    assert single.shape == multi.shape == (1, 3, side, side)
    torch.testing.assert_close(multi.sum((2, 3)), torch.ones(1, 3))


def test_strides_that_the_recurrent_head_cannot_enlarge_are_refused():
    with pytest.raises(TrackerError, match="4 or 8 times, not 2"):
        _tracker("recurrent", feature_stride=8)
    assert _tracker("fusion", feature_stride=8)(_frames(5)["frames"])[1].shape == (1, 2, 16, 16)


def _maps_with_peaks(cells, sigma=1.5):
    """Heatmaps (frames, 1, 24, 24) with a Gaussian at each cell (x, y); all alike where None."""
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(24.0), indexing="ij")
    maps = [
        torch.ones(24, 24)
        if cell is None
        else (-((x - cell[0]) ** 2 + (y - cell[1]) ** 2) / (2 * sigma**2)).exp()
        for cell in cells
    ]
    return torch.stack([each / each.sum() for each in maps]).unsqueeze(1)


def _second_maps(cells):
    """What `TrajectoryHeads` make of frames whose single-frame heatmaps are given."""
    heads = TrajectoryHeads(8, 1, 0)
    heads.single.forward = lambda features: _maps_with_peaks(cells)
    return heads.of_clip(torch.zeros(len(cells), 8, 24, 24), 5)[1]


def _place(maps):
    return decode_heatmaps(maps, (24, 24))[0][0, 0]


def test_a_keypoint_that_hides_lands_on_the_line_between_its_neighbours():
    maps = _second_maps([(4, 5), (6, 8), None, (10, 14), (12, 17)])
    torch.testing.assert_close(_place(maps), torch.tensor([8.0, 11.0]), atol=0.15, rtol=0)


def test_of_two_candidates_the_one_on_the_way_is_taken():
    way = [(4, 12), (6, 12), (8, 12), (10, 12), (12, 12)]
    two = 0.4 * _maps_with_peaks(way) + 0.6 * _maps_with_peaks([(20, 3)] * 5)
    others = _maps_with_peaks(way)
    heads = TrajectoryHeads(8, 1, 0)
    heads.single.forward = lambda features: torch.cat([others[:2], two[2:3], others[3:]])
    single, second = heads.of_clip(torch.zeros(5, 8, 24, 24), 5)
    torch.testing.assert_close(_place(single), torch.tensor([20.0, 3.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(_place(second), torch.tensor([8.0, 12.0]), atol=0.1, rtol=0)


def test_a_frame_that_is_sure_is_believed_against_its_neighbours():
    maps = _second_maps([(4, 5), (4, 5), (18, 16), (4, 5), (4, 5)])
    torch.testing.assert_close(_place(maps), torch.tensor([18.0, 16.0]), atol=0.1, rtol=0)


def test_without_any_evidence_nothing_is_made_up():
    maps = _second_maps([None] * 5)
    assert torch.isfinite(maps).all()
    assert maps.amax() < 0.05


@given(
    start=st.tuples(*[st.floats(-50, 50)] * 2),
    speed=st.tuples(*[st.floats(-9, 9)] * 2),
    frames=st.sampled_from([3, 5, 7]),
)
@settings(deadline=None, max_examples=50)
def test_steady_motion_is_expected_to_go_on(start, speed, frames):
    times = torch.arange(frames) - frames // 2
    places = torch.tensor(start) + times.unsqueeze(1) * torch.tensor(speed)
    sure = torch.ones(1, frames, 1)
    found = expected(places.reshape(1, frames, 1, 2), sure)
    torch.testing.assert_close(found[0, 0], torch.tensor(start), atol=1e-3, rtol=1e-4)


@given(shift=st.floats(-20, 20), weak=st.floats(0, 0.01))
@settings(deadline=None, max_examples=50)
def test_an_unsure_frame_hardly_moves_what_is_expected(shift, weak):
    places = torch.zeros(1, 5, 1, 2)
    places[0, 4] += shift
    confidences = torch.ones(1, 5, 1)
    confidences[0, 4] = weak
    assert expected(places, confidences).abs().max() < 0.01


def test_one_sure_frame_alone_tells_no_speed():
    places = torch.tensor([3.0, 40.0, 0.0, 80.0, 9.0]).reshape(1, 5, 1, 1).repeat(1, 1, 1, 2)
    confidences = torch.tensor([1.0, 0, 0, 0, 0]).reshape(1, 5, 1)
    torch.testing.assert_close(
        expected(places, confidences)[0, 0], torch.tensor([3.0, 3.0]), atol=0.01, rtol=0
    )


def test_a_trajectory_learns_from_the_middle_frame_alone():
    tracker = _tracker("trajectory")
    window = _frames(5)["frames"].unsqueeze(0)
    other = window.clone()
    other[:, [0, 1, 3, 4]] = 0
    batch = {
        "to_frame": torch.eye(3)[:2].repeat(1, 1, 1),
        "keypoints": torch.full((1, 2, 2), 20.0),
        "visibility": torch.full((1, 2), 2),
    }
    outputs = [
        tracker.get_loss_inputs_labeled(tracker.add_targets({**batch, "images": images}))
        for images in (window, other)
    ]
    assert [len(heads) for heads in outputs] == [1, 1]
    torch.testing.assert_close(outputs[0][0]["heatmaps_pred"], outputs[1][0]["heatmaps_pred"])
    first, second = (tracker(images)[1] for images in (window, other))
    assert not torch.equal(first, second)
