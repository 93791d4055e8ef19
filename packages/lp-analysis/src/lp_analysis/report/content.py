"""From labels and predictions to what a report tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lp_analysis.confidence.calibration import (
    ConfidenceCalibration,
    cross_calibrated,
    fit_calibration,
    usual_radius,
)
from lp_analysis.figures.reliability import reliability_curve
from lp_analysis.labeled_predictions import LabeledPrediction
from lp_analysis.metrics.frame_metrics import Keypoints, PerKeypoint
from lp_analysis.metrics.outliers import Outlier, worst_frames
from lp_analysis.rendering.draw import Edge, PoseDrawer
from lp_analysis.rendering.style import DrawingStyle
from lp_analysis.report.parts import CaptionedPicture, ReportedConfidence
from lp_core.video import VideoSource
from lp_data.images import read_image

_FEWEST = 10  # labelled keypoints of a split from which reliability is worth telling


def worst_frame_pictures(
    result: LabeledPrediction,
    images: Sequence[Path],
    *,
    count: int = 9,
    skeleton: Sequence[Edge] = (),
    style: DrawingStyle | None = None,
) -> list[CaptionedPicture]:
    """The labelled frames with the largest errors, truth and prediction drawn on them.

    Args:
        result: Labels and predictions.
        images: The file of each labelled image.
        count: At most so many.
        skeleton: Pairs of keypoint names to join by a line.
        style: How to draw.

    Returns:
        The worst first.

    Raises:
        ImageFileError: An image cannot be read.
    """
    pictures, table = [], result.labels
    for outlier in worst_frames(result.errors, count):
        row = outlier.frame
        image = read_image(images[row])
        drawer = PoseDrawer(table.keypoint_names, image.shape[:2], skeleton=skeleton, style=style)
        picture = drawer.draw(
            image, result.predictions.points[row], result.confidences[row], truth=table.points[row]
        )
        worst = _worst_keypoint(outlier, table.keypoint_names)
        caption = f"{table.frame[row]} ({result.sets[row]}): {worst} off"
        pictures.append(CaptionedPicture(picture, caption))
    return pictures


def video_frame_pictures(
    source: VideoSource,
    keypoints: Keypoints,
    confidences: PerKeypoint,
    keypoint_names: Sequence[str],
    outliers: Sequence[Outlier],
    *,
    skeleton: Sequence[Edge] = (),
    style: DrawingStyle | None = None,
) -> list[CaptionedPicture]:
    """Suspicious frames of a video with their predictions.

    Args:
        source: The video, opened without ``resize_to``.
        keypoints: (M, K, 2) frame px, a row for each outlier.
        confidences: (M, K) from 0 to 1.
        keypoint_names: K names.
        outliers: The M frames to show.
        skeleton: Pairs of keypoint names to join by a line.
        style: How to draw.

    Raises:
        VideoError: A frame cannot be read.
    """
    drawer = PoseDrawer(keypoint_names, source.size, skeleton=skeleton, style=style)
    pictures = []
    for outlier, pose, sure in zip(outliers, keypoints, confidences, strict=True):
        frame = source.read(outlier.frame, outlier.frame + 1)[0]
        picture = drawer.draw(frame, pose, sure)
        caption = f"frame {outlier.frame}: {_worst_keypoint(outlier, keypoint_names)}"
        pictures.append(CaptionedPicture(picture, caption))
    return pictures


def _worst_keypoint(outlier: Outlier, keypoint_names: Sequence[str]) -> str:
    return f"{keypoint_names[outlier.keypoint]} {outlier.value:.1f} px"


def reported_confidence(
    result: LabeledPrediction, *, calibration: ConfidenceCalibration | None = None
) -> ReportedConfidence | None:
    """How reliable likelihood and calibrated confidence are on frames that were not trained on.

    A calibration from the validation frames is judged on the test frames; where there are none, the
    validation frames judge each other by cross-validation.

    Args:
        result: Labels and predictions.
        calibration: What the tracker carries; None fits one.

    Returns:
        None where there are too few labelled keypoints to tell.
    """
    radius = usual_radius(result.labels.points) if calibration is None else calibration.radius
    if radius is None:
        return None
    test, validation = _part(result, "test"), _part(result, "validation")
    if test.points >= _FEWEST and (calibration or validation.points >= _FEWEST):
        calibration = calibration or fit_calibration(*validation, radius)
        calibrated = calibration.probability(test.confidences)
        source = "Calibrated on the validation frames, judged on the test frames."
        return _reliability(test, calibrated, radius, source)
    if validation.points >= _FEWEST and validation.labeled_frames > 1:
        calibrated = cross_calibrated(*validation, radius)
        source = "Judged on the validation frames by cross-validation."
        return _reliability(validation, calibrated, radius, source)
    return None


class _Part(NamedTuple):
    """The confidences and errors of one split, of its frames with labels."""

    confidences: PerKeypoint
    errors: PerKeypoint

    @property
    def points(self) -> int:
        return int(np.isfinite(self.errors).sum())

    @property
    def labeled_frames(self) -> int:
        return len(self.errors)


def _part(result: LabeledPrediction, split: str) -> _Part:
    errors = result.errors
    rows = (np.array(result.sets, dtype=object) == split) & np.isfinite(errors).any(axis=1)
    return _Part(result.confidences[rows], errors[rows])


def _reliability(
    part: _Part, calibrated: PerKeypoint, radius: float, source: str
) -> ReportedConfidence:
    known = np.isfinite(part.errors)
    hits = part.errors[known] <= radius
    curves = {
        "likelihood": reliability_curve(part.confidences[known], hits),
        "calibrated": reliability_curve(calibrated[known], hits),
    }
    return ReportedConfidence(curves, radius, source)
