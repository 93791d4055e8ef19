"""Errors of predictions of a synthetic session of several cameras, raw and smoothed, against truth.

    litpose demo WORK --cameras 4, train, and predict videos_test into MODEL/video_preds, then
    python tools/bench/smoothing_errors.py PROJECT MODEL/video_preds [--session test]

Prints rows of a table: mean errors in px of keypoints that are visible in their view, and of hidden
ones; the share of visible and of hidden ones that lie in the region that should hold 90 % of them;
and the rank correlation of the stated standard deviation with the error, of visible ones.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy import ndarray
from scipy.stats import spearmanr

from lp_analysis.smoothing import Outputs, SmoothingOptions, smooth_tables
from lp_core.poses import Visibility
from lp_data.labels import read_labels
from lp_io.calibration import read_rig
from lp_io.predictions import read_predictions


class Judged(NamedTuple):
    """Errors in px, variances (NaN without) and codes of visibility, of all views."""

    error: ndarray
    variance: ndarray
    codes: ndarray


def judged(project: Path, session: str, tables: dict[str, Path]) -> Judged:
    """The predictions of the views against their truth."""
    parts = []
    for view, path in tables.items():
        truth, found = read_labels(project / f"truth/{session}_{view}.csv"), read_predictions(path)
        variance = np.full(found.points.shape[:2], np.nan)
        if found.covariance is not None:
            variance = np.trace(found.covariance, axis1=-2, axis2=-1) / 2
        error = np.linalg.norm(found.points - truth.points, axis=-1)
        parts.append((error, variance, truth.codes))
    return Judged(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def line(name: str, found: Judged) -> str:
    """A row of the table."""
    cells = [name]
    codes = (Visibility.VISIBLE, Visibility.OCCLUDED)
    cells += [f"{np.nanmean(found.error[found.codes == code]):.2f}" for code in codes]
    square = found.error**2 / found.variance
    for code in codes:
        own = square[(found.codes == code) & np.isfinite(square)]
        cells.append(f"{100 * np.mean(own < 2 * np.log(10)):.0f} %" if len(own) else "")
    seen = (found.codes == Visibility.VISIBLE) & np.isfinite(square)
    cells.append("")
    if seen.any():
        cells[-1] = f"{spearmanr(found.error[seen], found.variance[seen]).statistic:.2f}"
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Smooth in each way, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("project", type=Path)
    parser.add_argument("predictions", type=Path)
    parser.add_argument("--session", default="test")
    given = parser.parse_args()
    rig = read_rig(given.project / f"calibrations/{given.session}.toml")
    tables = {view: given.predictions / f"{given.session}_{view}.csv" for view in rig.names}
    members = {view: [path] for view, path in tables.items()}
    print(line("as predicted", judged(given.project, given.session, tables)))
    space = {view: path.with_stem(f"{path.stem}_reprojected") for view, path in tables.items()}
    if all(path.exists() for path in space.values()):
        print(line("points in space, frame by frame", judged(given.project, given.session, space)))
    with tempfile.TemporaryDirectory() as folder:
        paths = {view: Path(folder) / f"{view}.csv" for view in tables}
        for dynamics in ("position", "velocity"):
            options = SmoothingOptions(dynamics)
            for view, path in paths.items():
                smooth_tables({view: members[view]}, Outputs({view: path}, True), options)
            by_view = judged(given.project, given.session, paths)
            print(line(f"each view by itself, {dynamics}", by_view))
            for name, cameras in (("views without calibration", None), ("cameras", rig)):
                smooth_tables(members, Outputs(paths, True), options, rig=cameras)
                found = judged(given.project, given.session, paths)
                print(line(f"{name}, {dynamics}", found))


if __name__ == "__main__":
    main()
