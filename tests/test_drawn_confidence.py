"""What is confident enough to be drawn and judged, and that the commands say so."""

import json
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest

from lp_data.video.open import open_video
from lp_data.video.writer import VideoWriter

FRAMES, SIZE = 12, (96, 128)
SURE, UNSURE = 0.999, 0.95
CALIBRATION = {
    "format": 1,
    "radius": 6.1,
    "points": 100,
    "scores": [2.0, 7.0],  # log-odds of likelihoods of 0.88 and 0.999
    "log_odds": [-3.0, 4.0],  # of probabilities of 0.05 and 0.98
}


@pytest.fixture
def desk(tmp_path):
    """A grey video; predictions of a point that is sure in its first half, and leaps in both."""
    with VideoWriter(tmp_path / "v.mp4", fps=Fraction(10), size=SIZE) as writer:
        for _ in range(FRAMES):
            writer.write(np.full((*SIZE, 3), 128, np.uint8))
    x = 20.0 + 5 * np.arange(FRAMES)
    x[[2, 9]] += [20, 30]
    likelihood = np.where(np.arange(FRAMES) < 6, SURE, UNSURE)
    columns = [("lp", "nose", coord) for coord in ("x", "y", "likelihood")]
    columns = pd.MultiIndex.from_tuples(columns, names=["scorer", "bodyparts", "coords"])
    table = pd.DataFrame(np.stack([x, 0 * x + 48, likelihood], 1), columns=columns)
    table.to_csv(tmp_path / "t.csv")
    return tmp_path


def calibrate(folder, calibration=CALIBRATION):
    (folder / "t_source.json").write_text(json.dumps({"confidence_calibration": calibration}))


def drawn_frames(litpose, folder, *options):
    """The frames of the labelled video with a keypoint on them, and what the command says."""
    path = folder / "out.mp4"
    arguments = ("render", folder / "v.mp4", folder / "t.csv", "-o", path, "--overwrite")
    outcome = litpose(*arguments, *options)
    assert outcome.code == 0, outcome.err
    with open_video(path) as source:
        pictures = source.read(0, len(source)).astype(int)
    height = pictures.shape[1]
    pictures = pictures[:, : 9 * height // 10, : 9 * height // 8]  # no stamp, and no legend
    return np.flatnonzero(np.abs(pictures - 128).max(axis=(1, 2, 3)) > 30).tolist(), outcome.out


def test_likelihood_is_drawn_where_nothing_calibrates_it(litpose, desk):
    frames, said = drawn_frames(litpose, desk)
    assert frames == list(range(FRAMES))
    assert "drawn: 100 % of the keypoints, those of at least 0.9 in likelihood" in said


def test_the_calibrated_confidence_is_drawn_where_the_model_carries_one(litpose, desk):
    calibrate(desk)
    frames, said = drawn_frames(litpose, desk)
    assert frames == list(range(6))
    assert "drawn: 50 % of the keypoints, those of at least 0.884 in calibrated confidence" in said
    assert "within 6.1 px" in said
    frames, said = drawn_frames(litpose, desk, "--threshold", 0.98)
    assert frames == []
    assert "--threshold lowers it" in said
    assert drawn_frames(litpose, desk, "--threshold", 0)[0] == list(range(FRAMES))


def test_a_model_that_is_never_sure_still_has_its_surest_keypoints_drawn(litpose, desk):
    calibrate(desk, {**CALIBRATION, "log_odds": [-3.0, 0.5]})  # 0.62 at most
    frames, said = drawn_frames(litpose, desk)
    assert frames == list(range(6))
    assert "those of at least 0.56 in calibrated confidence" in said
    frames, said = drawn_frames(litpose, desk, "--threshold", 0.9)
    assert frames == []
    assert "those of at least 0.9 in" in said
    arguments = ("outliers", desk, desk / "v.mp4", "--predictions", desk / "t.csv", "--no-clips")
    judged = litpose(*arguments, "--count", 1, "--length", 3)
    assert "judged: 50 % of the keypoints, those of at least 0.56 in" in judged.out


def test_outliers_judge_by_the_calibrated_confidence(litpose, desk):
    arguments = ("outliers", desk, desk / "v.mp4", "--predictions", desk / "t.csv", "--no-clips")
    found = desk / "outliers" / "v" / "outliers.csv"
    for expected, said in ((9, "100 % of the keypoints"), (2, "50 % of the keypoints")):
        outcome = litpose(*arguments, "--count", 1, "--length", 3, "--overwrite")
        assert outcome.code == 0, outcome.err
        assert f"judged: {said}" in outcome.out
        leaps = pd.read_csv(found).query("metric == 'temporal_norm'")
        assert leaps.frame.isin([expected, expected + 1]).all()
        calibrate(desk)


def test_keypoints_without_any_confidence_are_drawn(litpose, desk):
    table = pd.read_csv(desk / "t.csv", header=[0, 1, 2], index_col=0)
    table.iloc[:, 2] = np.nan
    table.to_csv(desk / "t.csv")
    assert drawn_frames(litpose, desk)[0] == list(range(FRAMES))


def test_the_legend_can_be_put_away(litpose, desk):
    widths = []
    for options in ((), ("--no-legend",)):
        drawn_frames(litpose, desk, *options)
        with open_video(desk / "out.mp4") as source:
            widths.append(source.size[1] * SIZE[0] / source.size[0])
    assert widths[0] > widths[1] + 10
    assert widths[1] == pytest.approx(SIZE[1], abs=1)


def test_a_labelled_video_has_one_threshold_in_both_commands(litpose, model_dir, project, tmp_path):
    arguments = ("predict", model_dir, project.test_video, "-o", tmp_path, "--labeled-video")
    predicted = litpose(*arguments)
    assert predicted.code == 0, predicted.err
    table, path = tmp_path / "test.csv", tmp_path / "again.mp4"
    rendered = litpose("render", project.test_video, table, "-o", path)
    (line,) = [line for line in rendered.out.splitlines() if line.startswith("drawn: ")]
    assert line in predicted.out
    assert path.read_bytes() == (tmp_path / "labeled_videos" / "test_labeled.mp4").read_bytes()
