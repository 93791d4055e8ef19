"""What is saved comes back, and prediction needs nothing but the model directory."""

import importlib.metadata
import json
import shutil

import pytest
import safetensors.torch
import torch

from lp_core.errors import UnknownNameError
from lp_core.poses import Skeleton
from lp_core.registry import registered
from lp_io.checkpoint import (
    get_model_class,
    load_model,
    read_manifest,
    read_weights,
    save_model,
    take_weights,
)
from lp_io.errors import CheckpointError
from lp_io.strict_json import checksum


def clip(frames=3):
    generator = torch.Generator().manual_seed(7)
    return {
        "frames": torch.randint(0, 255, (frames, 3, 16, 24), generator=generator).byte(),
        "to_frame": torch.tensor([[2.0, 0, 1], [0, 2.0, 3]]).expand(frames, 2, 3),
    }


@pytest.mark.parametrize("semi_supervised", [False, True])
def test_a_copied_model_directory_predicts_the_same(make_tracker, tmp_path, semi_supervised):
    tracker = make_tracker(semi_supervised=semi_supervised, steepness=2.0).eval()
    save_model(tmp_path / "made", tracker)
    shutil.copytree(tmp_path / "made", tmp_path / "elsewhere")
    shutil.rmtree(tmp_path / "made")

    loaded = load_model(tmp_path / "elsewhere").tracker

    assert not loaded.training
    assert loaded.options.steepness == 2.0
    for given, expected in zip(loaded.predict_step(clip()), tracker.predict_step(clip()), strict=1):
        assert torch.equal(given, expected)


def test_weights_and_buffers_come_back_bit_by_bit(make_tracker, tmp_path):
    tracker = make_tracker(semi_supervised=True)
    save_model(tmp_path, tracker)
    loaded = load_model(tmp_path, with_losses=True)
    before, after = tracker.state_dict(), loaded.tracker.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert type(loaded.tracker) is type(tracker)
    assert loaded.left_out == ()


def test_losses_come_back_with_their_options_and_what_they_learnt(make_tracker, tmp_path):
    tracker = make_tracker(semi_supervised=True)
    save_model(tmp_path, tracker)
    loaded = load_model(tmp_path, with_losses=True).tracker
    spread = loaded.unsupervised_losses.losses["tiny_spread"]
    assert (spread.options.log_weight, spread.options.epsilon) == (2.0, 1.5)
    assert torch.equal(spread.centre, tracker.unsupervised_losses.losses["tiny_spread"].centre)
    assert loaded.optimization.learning_rate == 0.02
    loaded.train().get_loss_inputs_unlabeled(clip())["keypoints_pred"].sum().backward()
    assert loaded.head[0].weight.grad is not None


def test_prediction_does_not_need_the_losses(make_tracker, tmp_path):
    save_model(tmp_path, make_tracker(semi_supervised=True))
    tracker = load_model(tmp_path).tracker
    assert tracker.losses is None
    assert not any("loss" in name for name in tracker.state_dict())


def test_loading_asks_for_no_pretrained_weights(make_tracker, plugin, tmp_path):
    save_model(tmp_path, make_tracker(backbone_pretrained=True, backbone_checkpoint="/gone.x"))
    plugin.BUILT_WITH_PRETRAINED.clear()
    load_model(tmp_path)
    load_model(tmp_path, strict=False)
    assert plugin.BUILT_WITH_PRETRAINED == [False, False]


def test_buffers_outside_the_checkpoint_are_whole(make_tracker, tmp_path):
    save_model(tmp_path, make_tracker())
    assert torch.equal(load_model(tmp_path).tracker.backbone.grid, torch.arange(4.0))


def test_loading_leaves_the_random_generator_alone(make_tracker, tmp_path):
    save_model(tmp_path, make_tracker())
    torch.manual_seed(5)
    expected = torch.rand(3)
    for strict in (True, False):
        torch.manual_seed(5)
        load_model(tmp_path, strict=strict)
        assert torch.equal(torch.rand(3), expected)


def test_a_loaded_model_can_be_trained_and_saved_again(make_tracker, tmp_path):
    save_model(tmp_path / "first", make_tracker())
    tracker = load_model(tmp_path / "first", with_losses=True).tracker
    with torch.no_grad():
        tracker.head[0].bias += 1
    save_model(tmp_path / "second", tracker)
    again = load_model(tmp_path / "second").tracker
    assert torch.equal(again.head[0].bias, tracker.head[0].bias)
    first = load_model(tmp_path / "first").tracker
    assert torch.equal(first.head[0].bias + 1, again.head[0].bias)


def test_the_floating_point_type_can_be_chosen(make_tracker, tmp_path):
    save_model(tmp_path, make_tracker())
    tracker = load_model(tmp_path, dtype=torch.float64).tracker
    assert tracker.head[0].weight.dtype == torch.float64
    save_model(tmp_path / "half", tracker.to(torch.bfloat16))
    assert load_model(tmp_path / "half").tracker.head[0].weight.dtype == torch.bfloat16


def test_tied_parameters_stay_tied(make_tracker, plugin, tmp_path, monkeypatch):
    build = plugin.TinyTracker.__init__

    def tied(self, options, **keywords):
        build(self, options, **keywords)
        self.head[3].bias = torch.nn.Parameter(torch.zeros(4))
        self.register_parameter("tied", self.head[3].bias)

    monkeypatch.setattr(plugin.TinyTracker, "__init__", tied)
    save_model(tmp_path, make_tracker())
    tracker = load_model(tmp_path).tracker
    assert tracker.tied is tracker.head[3].bias


def test_other_software_can_read_the_weights(make_tracker, tmp_path):
    tracker = make_tracker()
    save_model(tmp_path, tracker)
    tensors = safetensors.torch.load_file(tmp_path / "model.safetensors")
    state = tracker.state_dict()
    assert tensors.keys() == state.keys()
    assert all(torch.equal(tensors[name], state[name]) for name in state)


def test_the_manifest_tells_what_a_user_wants_to_know(make_tracker, tmp_path):
    save_model(
        tmp_path,
        make_tracker(semi_supervised=True, names=("näse", "尾")),
        skeleton=Skeleton(("näse", "尾"), edges=(("näse", "尾"),)),
        split={"train": ["labeled-data/a/img1.png"], "test": []},
        metrics={"validation_pixel_error": 3.25, "never_measured": float("nan")},
        extra={"note": [1, {"deep": None}]},
    )
    manifest = read_manifest(tmp_path)
    assert manifest.model_type == "tiny"
    assert manifest.semi_supervised
    assert (manifest.distribution.name, manifest.distribution.version) == ("lp-tiny", "1.2.3")
    assert manifest.keypoint_names == ("näse", "尾")
    assert manifest.skeleton == Skeleton(("näse", "尾"), edges=(("näse", "尾"),))
    assert manifest.split == {"train": ("labeled-data/a/img1.png",), "test": ()}
    assert manifest.metrics == {"validation_pixel_error": 3.25, "never_measured": None}
    assert manifest.extra == {"note": [1, {"deep": None}]}
    assert manifest.packages["torch"] == importlib.metadata.version("torch")
    assert [loss.name for loss in manifest.unsupervised_losses] == ["tiny_spread"]
    assert "näse" in (tmp_path / "manifest.json").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "manifest.json").read_text())["format_version"] == 2


def test_a_manifest_of_format_1_has_no_skeleton(make_tracker, tmp_path):
    save_model(tmp_path, make_tracker(), extra={"note": 1})
    path = tmp_path / "manifest.json"
    content = json.loads(path.read_text())
    del content["checksum"], content["skeleton"]
    content["format_version"] = 1
    path.write_text(json.dumps({**content, "checksum": checksum(content)}))
    assert load_model(tmp_path).manifest.skeleton is None
    assert read_manifest(tmp_path).extra == {"note": 1}


def test_the_class_of_a_model_type_and_of_a_manifest(make_tracker, plugin, tmp_path):
    manifest = save_model(tmp_path, make_tracker(semi_supervised=True))
    assert get_model_class("tiny") is plugin.TinyTracker
    assert get_model_class(manifest) is plugin.TinyTracker
    with pytest.raises(UnknownNameError, match="tinny"):
        get_model_class("tinny")


def test_a_missing_plugin_says_what_to_install(make_tracker, tmp_path, monkeypatch):
    with monkeypatch.context() as installed:
        site = tmp_path / "plugin"
        (site / "mine-0.3.dist-info").mkdir(parents=True)
        (site / "mine-0.3.dist-info" / "METADATA").write_text("Name: mine\nVersion: 0.3\n")
        (site / "mine-0.3.dist-info" / "entry_points.txt").write_text(
            "[lp.models]\nmy_model = tiny_plugin:UnregisteredTracker\n"
        )
        installed.syspath_prepend(str(site))
        assert "my_model" in registered("lp.models")
        tracker = make_tracker()
        tracker.__class__ = get_model_class("my_model")
        save_model(tmp_path / "model", tracker)
        load_model(tmp_path / "model")
        installed.undo()
    with pytest.raises(CheckpointError) as caught:
        load_model(tmp_path / "model")
    assert "mine 0.3" in str(caught.value)
    assert "pip install 'mine==0.3'" in str(caught.value)


def test_an_unregistered_class_is_not_saved(make_tracker, plugin, tmp_path):
    tracker = make_tracker()
    tracker.__class__ = plugin.UnregisteredTracker
    with pytest.raises(CheckpointError, match=r"lp\.models"):
        save_model(tmp_path, tracker)
    assert list(tmp_path.iterdir()) == []


def test_a_diverged_tracker_is_not_saved_over_a_good_one(make_tracker, tmp_path):
    tracker = make_tracker()
    save_model(tmp_path, tracker)
    expected = load_model(tmp_path).tracker.state_dict()
    with torch.no_grad():
        tracker.head[0].weight[0, 0] = float("nan")
    with pytest.raises(CheckpointError, match="diverged"):
        save_model(tmp_path, tracker)
    kept = load_model(tmp_path).tracker.state_dict()
    assert all(torch.equal(kept[name], expected[name]) for name in kept)


def test_a_folder_that_cannot_be_written_to_is_named(make_tracker, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_model(tmp_path / "file" / "model", make_tracker())


def test_strict_loading_names_what_does_not_fit(make_tracker, plugin, tmp_path, monkeypatch):
    save_model(tmp_path, make_tracker())
    build = plugin.TinyTracker.__init__

    def newer(self, options, **keywords):
        build(self, options, **keywords)
        self.head[3] = torch.nn.Linear(options.hidden, 7)
        self.extra = torch.nn.Linear(1, 1, bias=False)

    monkeypatch.setattr(plugin.TinyTracker, "__init__", newer)
    with pytest.raises(CheckpointError, match=r"'extra.weight' is not in the file \(and 2 more\)"):
        load_model(tmp_path)
    loaded = load_model(tmp_path, strict=False)
    assert [item.name for item in loaded.left_out] == [
        "extra.weight",
        "head.3.bias",
        "head.3.weight",
    ]
    assert torch.isfinite(loaded.tracker.extra.weight).all()


def test_a_tracker_starts_from_the_weights_of_another(make_tracker, tmp_path):
    source = make_tracker(seed=1)
    save_model(tmp_path, source)
    target = make_tracker(seed=2, names=("a", "b", "c"), semi_supervised=True)
    head = target.head[3].weight.clone()
    left_out = take_weights(target, read_weights(tmp_path), tmp_path)
    assert {item.name for item in left_out} == {"head.3.weight", "head.3.bias"}
    assert torch.equal(target.backbone.convolution.weight, source.backbone.convolution.weight)
    assert torch.equal(target.head[3].weight, head)
    with torch.no_grad():
        target.backbone.convolution.weight += 1
    assert not take_weights(make_tracker(), read_weights(tmp_path), tmp_path)
