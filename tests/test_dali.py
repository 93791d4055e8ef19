"""DALI from the command line: training on unlabelled clips, and prediction."""

from __future__ import annotations

import csv

import pytest
import torch
import yaml

from lp_data.testing.encoding import Encoding, encode
from lp_data.video import dali_backend
from lp_data.video.dali_clips import ClipPipelines

pytestmark = pytest.mark.skipif(
    dali_backend.missing() is not None, reason="the extra lp-data[dali] is not installed"
)
DEVICES = [
    "cpu",
    pytest.param(
        "gpu",
        marks=[
            pytest.mark.gpu,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
        ],
    ),
]
VP9 = {"cpu-used": "8", "g": "10", "lag-in-frames": "0"}


@pytest.mark.parametrize("device", DEVICES)
def test_semi_supervised_training_and_prediction(
    device, litpose, project, tiny_training, tmp_path, monkeypatch
):
    monkeypatch.setattr(dali_backend, "chosen_device", lambda wanted: wanted or device)
    used = []
    run = ClipPipelines._run

    def counted(self, *arguments):
        used.append(run(self, *arguments))
        return used[-1]

    monkeypatch.setattr(ClipPipelines, "_run", counted)
    config = tmp_path / "config.yaml"
    data = {"data_dir": str(project.folder), "video_dir": "videos"}
    config.write_text(yaml.safe_dump({"data": data}))
    overrides = [
        *tiny_training,
        "model.losses_to_use=[temporal]",
        "dali.reader=dali",
        "dali.base.train.sequence_length=4",
    ]
    trained = litpose("train", config, "--output-dir", tmp_path / "model", *overrides)
    assert trained.code == 0, trained.err
    assert len(used) >= 10  # one clip in each of ten steps

    video = encode(tmp_path / "film.webm", Encoding("libvpx-vp9", count=37, options=VP9))
    predicted = litpose("predict", tmp_path / "model", video, "--reader", "dali")
    assert predicted.code == 0, predicted.err
    table = tmp_path / "model" / "video_preds" / "film.csv"
    with table.open(newline="") as file:
        assert len(list(csv.reader(file))) == 3 + 37
