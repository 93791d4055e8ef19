"""Exported models: they give what the model gives, without torch, and say what they cannot do."""

import json
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from lp_core.display import Display
from lp_core.registry import MODELS, load_plugin
from lp_io.checkpoint import save_model
from lp_io.predictions import read_predictions
from lp_runtime import ExportedModel, ExportError
from lp_runtime.contract import Found, load_runtime
from lp_runtime.exporting import agreement_of, check_agreement, export_model
from lp_runtime.graph import onnx_graph
from lp_runtime.manifest import GRAPH, MANIFEST

for library in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(library, reason="lp-runtime[export] is not installed")

NAMES = ("nose", "tail base", "paw")
SMALL = {"image_size": (64, 96), "backbone": "resnet10t", "backbone_pretrained": False}
KINDS = {
    "heatmap": {"feature_stride": 16},
    "regression": {},
    "heatmap_mhcrnn": {},
}


def tracker_of(kind, **options):
    torch.manual_seed(1)
    found = load_plugin(MODELS, kind)
    return found(found.Options(**{"keypoint_names": NAMES, **SMALL, **options})).eval()


def frames_of(count, seed=0):
    """Consecutive frames: blurred noise that moves, so that heatmaps have peaks."""
    rng = np.random.default_rng(seed)
    wide = rng.integers(0, 256, (64, 96 + count, 3), np.uint8)
    moved = np.stack([wide[:, start : start + 96] for start in range(count)])
    return np.ascontiguousarray(moved.transpose(0, 3, 1, 2))


@pytest.fixture(scope="module")
def exported(model_dir, project, tmp_path_factory):
    """The tiny model, exported through the command's function."""
    from lp_data.video.open import open_video

    with open_video(project.test_video, resize_to=(64, 64)) as source:
        frames = source.read(0, len(source)).transpose(0, 3, 1, 2)
    folder = tmp_path_factory.mktemp("export") / "exported"
    export_model(model_dir, folder, frames)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_graph_gives_what_its_tracker_gives_for_any_number_of_frames(kind):
    tracker = tracker_of(kind, **KINDS[kind])
    runtime = load_runtime("onnxruntime")(onnx_graph(tracker, 4))
    for rows in (1, 2, 7):
        run = frames_of(rows + tracker.context_frames - 1, seed=rows)
        same = torch.eye(3)[:2].repeat(len(run), 1, 1)
        with torch.inference_mode():
            ours = tracker.predict_step({"frames": torch.from_numpy(run), "to_frame": same})
        theirs = runtime.run(run)
        assert theirs.keypoints.shape == (rows, len(NAMES), 2)
        np.testing.assert_allclose(theirs.keypoints, ours.keypoints.numpy(), atol=2e-3)
        np.testing.assert_allclose(theirs.confidences, ours.confidences.numpy(), atol=1e-4)


def test_an_exported_model_predicts_a_video_as_its_model_does(
    exported, model_dir, project, litpose, tmp_path
):
    assert litpose("predict", model_dir, project.test_video, "-o", tmp_path / "model").code == 0
    done = litpose("predict", exported, project.test_video, "-o", tmp_path / "graph")
    assert done.code == 0, done.err
    ours, theirs = (
        read_predictions(tmp_path / side / f"{project.test_video.stem}.csv")
        for side in ("model", "graph")
    )
    assert theirs.frame == ours.frame
    assert theirs.keypoint_names == ours.keypoint_names
    np.testing.assert_allclose(theirs.points, ours.points, atol=0.01)
    np.testing.assert_allclose(theirs.confidence, ours.confidence, atol=1e-3)
    again = litpose("predict", exported, project.test_video, "-o", tmp_path / "graph")
    assert "is there already" in again.out


def test_from_python_frames_and_video_give_the_same(exported, project):
    from lp_data.video.open import open_video

    model = ExportedModel.from_dir(exported)
    keypoints, confidences = model.predict_video(project.test_video)
    with open_video(project.test_video) as source:
        frames = source.read(0, len(source))
    parts = list(model.predict_frames(iter(frames)))
    found = np.concatenate([part.keypoints for part in parts])
    np.testing.assert_allclose(found, keypoints, atol=0.02)  # resized whole or while decoding
    assert confidences.shape == keypoints.shape[:2]
    assert list(model.predict_frames([])) == []


def test_predicting_imports_neither_torch_nor_the_training_code(exported, project, tmp_path):
    script = (
        "import sys\n"
        "sys.argv[0] = 'litpose'\n"
        "from lp_pipeline.cli.main import app\n"
        "app(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'torch', 'timm', 'pytorch_lightning', 'lp_models'} & {*sys.modules}\n"
        "print('heavy:', sorted(heavy))\n"
    )
    words = ["predict", exported, project.test_video, "-o", tmp_path]
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout


def test_an_interrupted_prediction_goes_on_to_the_same_bytes(exported, project, tmp_path):
    model = ExportedModel.from_dir(exported)
    small = ExportedModel(replace(model.manifest, chunk=4), model._runtime)
    whole, stopped = tmp_path / "whole.csv", tmp_path / "stopped.csv"
    frames = small.write_video(project.test_video, whole)

    class StopsAtFrame(Display):
        @contextmanager
        def task(self, name, total):
            def update(done):
                if done >= 8:
                    raise KeyboardInterrupt

            yield update

    with pytest.raises(KeyboardInterrupt):
        small.write_video(project.test_video, stopped, display=StopsAtFrame())
    assert not stopped.exists()
    assert small.write_video(project.test_video, stopped, resume=True) == frames
    assert stopped.read_bytes() == whole.read_bytes()


def test_a_graph_that_differs_is_not_written(model_dir, tmp_path, monkeypatch):
    tracker = tracker_of("heatmap", **KINDS["heatmap"])

    class Wrong:
        def run(self, images):
            zeros = np.zeros((len(images), len(NAMES)), np.float32)
            return Found(np.zeros((*zeros.shape, 2), np.float32), zeros)

    class Empty(Wrong):
        def run(self, images):
            found = super().run(images)
            return Found(found.keypoints * np.nan, found.confidences)

    for runtime in (Wrong(), Empty()):
        with pytest.raises(ExportError, match="does not give what the model gives"):
            check_agreement(agreement_of(tracker, runtime, frames_of(8)), tmp_path)


def test_the_command_says_how_far_the_graph_is_and_where_it_is(
    model_dir, project, litpose, tmp_path
):
    done = litpose("export", model_dir, "-o", tmp_path / "out", "--video", project.test_video)
    assert done.code == 0, done.err
    assert "px (median)" in done.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {GRAPH, MANIFEST}
    again = litpose("export", model_dir, "-o", tmp_path / "out", "--video", project.test_video)
    assert again.code == 2
    assert "there is something already" in again.err


@pytest.mark.parametrize("words", [["--boxes", "b.csv"], ["--labeled-video"], ["--batch-size", 3]])
def test_what_only_a_model_directory_can_do_is_refused(exported, project, litpose, words):
    done = litpose("predict", exported, project.test_video, *words)
    assert done.code == 2
    assert words[0] in done.err


NOT_ONE_FRAME = {
    "bottom_up": {},
    "centroid": {"keypoint_names": ("animal",)},
    "heatmap_multiview_transformer": {"view_names": ("top", "side"), "feature_stride": 16},
    "heatmap": {"decoding": "lightning_pose"},
}


@pytest.mark.parametrize("kind", NOT_ONE_FRAME)
def test_trackers_that_are_not_a_function_of_one_frame_are_refused(kind):
    with pytest.raises(ExportError, match="cannot be exported yet"):
        onnx_graph(tracker_of(kind, **NOT_ONE_FRAME[kind]), 2)


def test_a_tracker_of_crops_is_refused(tmp_path):
    tracker = tracker_of("heatmap", **KINDS["heatmap"])
    save_model(tmp_path / "model", tracker, extra={"top_down": {"crop_size": [64, 96]}})
    with pytest.raises(ExportError, match="crop"):
        export_model(tmp_path / "model", tmp_path / "out", frames_of(4))


def test_damaged_folders_are_refused(exported, tmp_path):
    def changed(name, change):
        folder = tmp_path / name
        shutil.copytree(exported, folder)
        change(folder)
        return folder

    def spoilt(folder):
        data = bytearray((folder / GRAPH).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / GRAPH).write_bytes(bytes(data))

    def renamed(folder):
        said = json.loads((folder / MANIFEST).read_text())
        said["keypoint_names"][0] = "other"
        (folder / MANIFEST).write_text(json.dumps(said))

    for name, change, problem in (
        ("graph", spoilt, "the graph has been changed"),
        ("manifest", renamed, "the manifest has been changed"),
        ("text", lambda f: (f / MANIFEST).write_text("{"), "not valid JSON"),
        ("missing", lambda f: (f / GRAPH).unlink(), "not a whole exported model"),
    ):
        with pytest.raises(ExportError, match=problem):
            ExportedModel.from_dir(changed(name, change))
