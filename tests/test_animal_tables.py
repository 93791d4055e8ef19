"""``litpose evaluate PREDICTIONS --truth TRUTH``, as a user calls it."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from lp_core.poses import PoseTable, Skeleton, write_pose_csv

SKELETON = Skeleton(("nose", "neck", "tail"))
BODY = np.array([[0.0, 0.0], [20.0, 5.0], [60.0, 0.0]])


@pytest.fixture
def tables(tmp_path):
    """Labels of two mice in ten frames, and predictions that exchange them in the sixth."""
    rows = [(f, m, BODY + np.array([5 * f, 200 * m])) for f in range(10) for m in range(2)]
    points = np.array([points for _, _, points in rows])
    frames = tuple(frame for frame, _, _ in rows)
    truth = PoseTable(SKELETON, points, tuple(map(str, frames)), individual=("anna", "bob") * 10)
    tracks = tuple(str(mouse if frame < 5 else 1 - mouse) for frame, mouse, _ in rows)
    predicted = PoseTable(
        SKELETON, points + 1.0, frames, individual=tracks, confidence=np.full((20, 3), 0.9)
    )
    write_pose_csv(truth, tmp_path / "truth.csv")
    write_pose_csv(predicted, tmp_path / "predicted.csv")
    write_pose_csv(replace(predicted, individual=truth.individual), tmp_path / "right.csv")
    return tmp_path


def test_tables_of_several_animals_are_evaluated(litpose, tables):
    outcome = litpose(
        "evaluate", tables / "predicted.csv", "--truth", tables / "truth.csv",
        "--fps", 1, "--body-length", 60, "-o", tables / "m.json", "-o", tables / "m.csv",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "IDF1" in outcome.out
    content = json.loads((tables / "m.json").read_text())
    assert content["body_length_px"] == [60.0]
    metrics = content["metrics"]["all"]
    assert metrics["AP50"]["value"] == 1.0
    assert metrics["pixel_error"]["value"] == pytest.approx(np.sqrt(2))
    assert metrics["IDF1"]["value"] == 0.5
    assert metrics["switches_per_minute"]["value"] == pytest.approx(2 / (10 / 60))
    rows = {
        (row["contact"], row["metric"]): row for row in csv.DictReader((tables / "m.csv").open())
    }
    assert float(rows["all", "IDF1"]["value"]) == 0.5


def test_several_videos_have_intervals(litpose, tables):
    outcome = litpose(
        "evaluate", tables / "predicted.csv", tables / "right.csv", "-o", tables / "m.json",
        "--truth", tables / "truth.csv", "--truth", tables / "truth.csv",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    cell = json.loads((tables / "m.json").read_text())["metrics"]["all"]["IDF1"]
    assert (cell["low"], cell["value"], cell["high"]) == (0.5, 0.75, 1.0)


def test_a_table_without_likelihoods_is_evaluated(litpose, tables):
    """Such as what another person labelled: AP, which ranks animals, is left out."""
    labels = (tables / "truth.csv", tables / "truth.csv")
    outcome = litpose("evaluate", labels[0], "--truth", labels[1], "-o", tables / "m.json")
    assert outcome.code == 0, outcome.err
    assert "note: AP and AR are left out: 20 predicted animals" in " ".join(outcome.out.split())
    metrics = json.loads((tables / "m.json").read_text())["metrics"]["all"]
    assert metrics["IDF1"]["value"] == metrics["found"]["value"] == 1.0
    assert "AP" not in metrics


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("predicted.csv", "right.csv", "--truth", "truth.csv"), "2 tables of predictions, but 1"),
        (("predicted.csv", "--truth", "gone.csv"), "there is no such file"),
        (("predicted.csv", "--truth", "truth.csv", "-o", "m.txt"), "ends in .csv or .json"),
        (("predicted.csv", "--fps", "30"), "need --truth"),
    ],
)
def test_wrong_use_is_answered_with_one_helpful_message(
    litpose, tables, monkeypatch, arguments, told
):
    monkeypatch.chdir(tables)
    outcome = litpose("evaluate", *arguments)
    assert outcome.code == 2
    assert told in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err
