"""The calibrated confidence that a model carries: fitted after training, used at prediction.

It lies beside the compatible ``likelihood``, in a table of its own:
``<stem>_calibrated_confidence.csv`` has a row per frame and a column per keypoint, and its first
cell states the radius that the probabilities are about, such as ``within 6.1 px``, or that of the
keypoints with the smallest and the largest one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np

from lp_analysis.confidence.calibration import ConfidenceCalibration
from lp_analysis.metrics.frame_metrics import TemporalNorm
from lp_analysis.metrics.metric_files import MetricRows, metric_file, metric_path
from lp_core.atomic import remove_leftovers
from lp_core.batches import Prediction
from lp_io.checkpoint import Manifest

CALIBRATION = "confidence_calibration"
"""Where the manifest's ``extra`` keeps it."""


def stored_calibration(manifest: Manifest) -> ConfidenceCalibration | None:
    """The calibration that a model carries; None where it has none.

    Raises:
        EvaluationError: It is damaged, or of a format that this version does not know.
    """
    content = manifest.extra.get(CALIBRATION)
    return None if content is None else ConfidenceCalibration.from_dict(content)


def stated_radius(calibration: ConfidenceCalibration) -> str:
    """What the probabilities are about, in words."""
    least, most = (f"{part(calibration.radii, default=0):.3g}" for part in (min, max))
    if not calibration.radii or least == most:
        return f"within {calibration.radius:.4g} px"
    return f"within {least} to {most} px (by keypoint)"


@contextmanager
def calibrated_file(
    predictions: Path,
    keypoint_names: tuple[str, ...],
    calibration: ConfidenceCalibration,
    *,
    with_set: bool = False,
) -> Iterator[MetricRows]:
    """The table of calibrated confidences beside a table of predictions, to append rows to.

    With ``with_set``, each row tells its split in a last column.

    Raises:
        EvaluationError: The file cannot be written.
    """
    path = metric_path(predictions, "calibrated_confidence")
    corner = stated_radius(calibration)
    with metric_file(path, keypoint_names, with_set=with_set, corner=corner) as rows:
        yield rows


@contextmanager
def written_beside(
    predictions: Path, keypoint_names: tuple[str, ...], calibration: ConfidenceCalibration | None
) -> Iterator[Callable[[Prediction], None]]:
    """Open the tables of jumps and of calibrated confidences beside predictions of a video.

    Yields:
        Call it with the predictions of the next frames.

    Raises:
        EvaluationError: A file cannot be written.
    """
    norm, path = TemporalNorm(), metric_path(predictions, "temporal_norm")
    remove_leftovers(path, metric_path(predictions, "calibrated_confidence"))
    with ExitStack() as stack:
        jumps = stack.enter_context(metric_file(path, keypoint_names))
        calibrated = calibration and stack.enter_context(
            calibrated_file(predictions, keypoint_names, calibration)
        )

        def append(part: Prediction) -> None:
            jumps.append(norm(part.keypoints.numpy().astype(np.float64)))
            if calibration and calibrated:
                calibrated.append(calibration.probability(part.confidences.numpy()))

        yield append
