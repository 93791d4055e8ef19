import numpy as np
import pytest

from lp_analysis.figures.truth import write_truth_errors
from lp_core.poses import PoseTable, Skeleton, Visibility, write_pose_csv
from lp_io.predictions import write_predictions


def test_errors_of_seen_and_hidden_keypoints_are_told_apart(tmp_path):
    points = np.array([[[10.0, 10.0], [20.0, 20.0]], [[12.0, 10.0], [22.0, 20.0]]])
    codes = np.array([[Visibility.VISIBLE, Visibility.OCCLUDED]] * 2, np.int8)
    names = Skeleton(("nose", "tail"))
    labels = PoseTable(names, points, ("v/img0.png", "v/img1.png"), visibility=codes)
    moved = points + np.array([[3.0, 4.0], [0.0, 1.0]])
    found = PoseTable(names, moved, (0, 1), confidence=np.ones((2, 2)), scorer="s")
    write_pose_csv(labels, tmp_path / "truth.csv")
    write_predictions(found, tmp_path / "found.csv")
    errors = write_truth_errors(
        tmp_path / "truth.csv", tmp_path / "found.csv", tmp_path / "plot.png"
    )
    assert errors == pytest.approx(
        {"visible keypoints": 5.0, "hidden keypoints": 1.0, "all keypoints": 3.0}
    )
    assert (tmp_path / "plot.png").stat().st_size
