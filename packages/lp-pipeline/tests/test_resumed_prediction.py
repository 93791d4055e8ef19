"""A prediction that is interrupted goes on later, and leaves the same bytes."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import count

import numpy as np
import pytest
import torch

from lp_analysis.confidence.calibration import fit_calibration
from lp_analysis.prediction.videos import VideoPredictor
from lp_core.display import Display
from lp_core.registry import MODELS, load_plugin
from lp_data.inference.handler import PredictionHandler
from lp_data.testing.encoding import Encoding, encode

FRAMES = 23


class PowerCut(BaseException):
    """What no handler of errors sees."""


def make_tracker(model_type="heatmap", seed=0):
    kind = load_plugin(MODELS, model_type)
    torch.manual_seed(seed)
    return kind(
        kind.Options(
            keypoint_names=("nose", "tail"),
            image_size=(64, 64),
            backbone="test_resnet",
            backbone_pretrained=False,
        )
    )


@pytest.fixture(scope="module")
def calibration():
    likelihood = np.linspace(0, 1, 50)
    return fit_calibration(likelihood, 10 * (1 - likelihood), 5.0)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    return encode(tmp_path_factory.mktemp("video") / "walk.mp4", Encoding(count=FRAMES, grain=30))


class Falling(Display):
    """Where work reports to while the power fails, after so many parts."""

    def __init__(self, parts):
        self.parts = parts

    @contextmanager
    def task(self, description, total):
        reports = count()

        def update(completed, note=""):
            if next(reports) == self.parts:  # the first says what was taken over
                raise PowerCut

        yield update


def predict(tracker, video, table, *, chunk, stop_after=None, calibration=None, resume=False):
    """Predict; with ``stop_after``, the power fails after so many parts."""
    handler = PredictionHandler(tracker, device="cpu", chunk=chunk)
    predictor = VideoPredictor(handler, "s", calibration, display=Falling(stop_after))
    return predictor.predict(video, table, resume=resume)


def content(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("model_type", "chunk", "stop_after", "taken_over"),
    [
        ("heatmap", 4, 3, 12),
        ("heatmap", 4, 6, 20),
        ("heatmap", 32, 1, 0),
        ("heatmap_mhcrnn", 4, 1, 2),
        ("heatmap_mhcrnn", 4, 3, 10),
        ("heatmap_mhcrnn", 1, 1, 1),
        ("heatmap_mhcrnn", 23, 2, 21),
        ("heatmap_mhcrnn", 4, 7, 18),
    ],
)
def test_the_files_are_the_same_wherever_the_power_failed(
    video, calibration, tmp_path, model_type, chunk, stop_after, taken_over
):
    tracker = make_tracker(model_type)
    options = {"chunk": chunk, "calibration": calibration}
    predict(tracker, video, tmp_path / "whole" / "walk.csv", **options)
    table = tmp_path / "cut" / "walk.csv"
    with pytest.raises(PowerCut):
        predict(tracker, video, table, stop_after=stop_after, **options)
    assert not table.exists()
    result = predict(tracker, video, table, resume=True, **options)
    assert (result.frames, result.resumed) == (FRAMES, taken_over)
    assert content(tmp_path / "cut") == content(tmp_path / "whole")
    assert len(content(tmp_path / "cut")) == 4


@pytest.mark.parametrize("change", ["weights", "chunk", "video", "not resumed"])
def test_nothing_is_taken_over_from_a_run_that_might_differ(video, tmp_path, change):
    table = tmp_path / "walk.csv"
    with pytest.raises(PowerCut):
        predict(make_tracker(), video, table, chunk=4, stop_after=3)
    if change == "video":
        (tmp_path / "other").mkdir()
        video = encode(tmp_path / "other" / "walk.mp4", Encoding(count=FRAMES, grain=20))
    result = predict(
        make_tracker(seed=change == "weights"),
        video,
        table,
        chunk=5 if change == "chunk" else 4,
        resume=change != "not resumed",
    )
    assert (result.frames, result.resumed) == (FRAMES, 0)


def test_what_a_killed_run_left_beside_is_removed(video, tmp_path):
    leftover = tmp_path / ".walk_temporal_norm.ab12cd_8.csv"
    leftover.write_text("torn")
    predict(make_tracker(), video, tmp_path / "walk.csv", chunk=8)
    assert sorted(content(tmp_path)) == [
        "walk.csv",
        "walk_source.json",
        "walk_temporal_norm.csv",
    ]
