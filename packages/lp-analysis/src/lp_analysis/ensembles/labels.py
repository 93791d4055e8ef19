"""Ensembles on labelled images: what members say together, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lp_analysis.confidence.calibration import fit_calibration, usual_radius
from lp_analysis.confidence.stored import CALIBRATION
from lp_analysis.ensembles.combination import Uncertainty, combined, usual_spread
from lp_analysis.ensembles.members import stated
from lp_analysis.labeled_predictions import FEWEST, LabeledPrediction
from lp_io.checkpoint import COMBINATION, Ensemble, write_ensemble


def combined_labels(
    members: Sequence[LabeledPrediction], sets: Sequence[str], known: Uncertainty | None
) -> LabeledPrediction:
    """What an ensemble says of labelled images, from what each of its members has said.

    Args:
        members: Their predictions, of the same labels.
        sets: The split of each image.
        known: How sure it is, if that is known.
    """
    points = np.stack([member.predictions.points for member in members])
    found = combined(points, np.stack([member.confidences for member in members]))
    values = stated(found, known)
    return LabeledPrediction.of(members[0].labels, *values[:2], sets, covariance=values[2])


def calibrate_ensemble(
    folder: Path, ensemble: Ensemble, members: Sequence[LabeledPrediction], sets: Sequence[str]
) -> LabeledPrediction:
    """Fit how sure an ensemble is on its validation images, and keep that in its directory.

    They are those that no member was trained on. The covariances are fitted on visible keypoints,
    and confidences are about 5 % of the animal's size, which the labels tell. Where there are too
    few labels, nothing is kept.

    Args:
        folder: The directory of the ensemble.
        ensemble: What it says of the ensemble.
        members: Their predictions of the project's labels.
        sets: The split of each image, that of `lp_io.checkpoint.read_manifest`.

    Returns:
        What it says of the labels.

    Raises:
        CheckpointError: The file cannot be written.
    """
    result, extra = combined_labels(members, sets, None), dict(ensemble.extra)
    extra = {name: extra[name] for name in extra if name not in (COMBINATION, CALIBRATION)}
    held_out = np.array(sets) == "validation"
    radius = usual_radius(result.labels.points)
    if radius is not None and np.isfinite(result.visible_errors[held_out]).sum() >= FEWEST:
        known = _fitted(members, result, held_out, radius)
        result = combined_labels(members, sets, known)
        calibration = fit_calibration(result.confidences[held_out], result.errors[held_out], radius)
        extra |= {COMBINATION: known.to_dict(), CALIBRATION: calibration.to_dict()}
    write_ensemble(folder, ensemble.model_copy(update={"extra": extra}))
    return result


def _fitted(
    members: Sequence[LabeledPrediction],
    result: LabeledPrediction,
    held_out: np.ndarray,
    radius: float,
) -> Uncertainty:
    points = np.stack([member.predictions.points[held_out] for member in members])
    found = combined(points, np.stack([member.confidences[held_out] for member in members]))
    seen = np.isfinite(result.visible_errors[held_out])[..., None]
    truth = np.where(seen, result.labels.points[held_out], np.nan)
    return Uncertainty.fitted(found, truth, radius, usual_spread(found))
