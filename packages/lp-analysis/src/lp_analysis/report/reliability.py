"""Whether the confidence keeps its promises: of each keypoint, in each split and label file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from lp_analysis.confidence.calibration import (
    ConfidenceCalibration,
    cross_calibrated,
    fit_calibration,
    label_radii,
)
from lp_analysis.confidence.stored import stated_radius
from lp_analysis.figures.reliability import FEWEST_JUDGED, KeptPromise, reliability_curve
from lp_analysis.labeled_predictions import FEWEST, LabeledPrediction
from lp_analysis.metrics.frame_metrics import PerKeypoint
from lp_analysis.metrics.summary import ALL_KEYPOINTS, UNSPLIT
from lp_analysis.report.parts import ReportedConfidence

_SPLITS = ("train", "validation", "test", "unused")
_HELD_OUT = ("test", "validation")
_TOLD = (*_HELD_OUT, "unused", "train")
"""In which order warnings name the splits; label files follow."""

_POINTS_PER_BIN, _MOST_BINS = 20, 10
_NAMED = 3  # of the keypoints that fail where all do


class _Part(NamedTuple):
    """Confidences, and the errors, of the frames with labels of one split or label file."""

    likelihood: PerKeypoint
    errors: PerKeypoint

    @property
    def points(self) -> int:
        return int(np.isfinite(self.errors).sum())


def _part(result: LabeledPrediction, split: str) -> _Part:
    errors = result.errors
    rows = (np.array(result.sets, dtype=object) == split) & np.isfinite(errors).any(axis=1)
    return _Part(result.confidences[rows], errors[rows])


def reported_confidence(
    result: LabeledPrediction,
    *,
    calibration: ConfidenceCalibration | None = None,
) -> ReportedConfidence | None:
    """How reliable likelihood and calibrated confidence are, and for which keypoints they are not.

    A calibration from the validation frames is judged on all other frames; the validation frames
    judge each other by cross-validation. Without a calibration, one is fitted.

    Args:
        result: The predictions of the project's labels, and of other label files.
        calibration: What the tracker carries.

    Returns:
        None where there are too few labelled keypoints to tell.
    """
    validation = _part(result, "validation")
    if calibration is None:
        calibration = _fitted(result, validation)
    if calibration is None:
        return None
    radii = calibration.radii_of(len(result.labels.keypoint_names))
    parts, judged = {}, {}
    for split in _SPLITS:
        part = _part(result, split)
        if part.points >= FEWEST and (split != "validation" or len(part.errors) > 1):
            parts[split] = part
            judged[split] = (
                cross_calibrated(*part, radii)
                if split == "validation"
                else calibration.probability(part.likelihood)
            )
    for name, other in result.others.items():
        part = _part(other, UNSPLIT)
        if part.points >= FEWEST:
            parts[name], judged[name] = part, calibration.probability(part.likelihood)
    main = next((split for split in _HELD_OUT if split in parts), None)
    if main is None:
        return None
    names = result.labels.keypoint_names
    promises = [
        promise
        for where, part in parts.items()
        for promise in kept_promises(where, names, judged[where], part.errors, radii)
    ]
    known = np.isfinite(parts[main].errors)
    hits = (parts[main].errors <= radii)[known]
    sources = {
        "test": "Calibrated on the validation frames, judged on the test frames.",
        "validation": "Judged on the validation frames by cross-validation.",
    }
    return ReportedConfidence(
        {
            "likelihood": reliability_curve(parts[main].likelihood[known], hits),
            "calibrated": reliability_curve(judged[main][known], hits),
        },
        stated_radius(calibration),
        sources[main],
        splits={
            where: reliability_curve(
                judged[where][np.isfinite(part.errors)],
                (part.errors <= radii)[np.isfinite(part.errors)],
                bins=int(np.clip(part.points // _POINTS_PER_BIN, 1, _MOST_BINS)),
            )
            for where, part in parts.items()
        },
        promises=promises,
        warnings=tuple(broken_promises(promises)),
        notes=tuple(beyond_judgement(promises)),
    )


def _fitted(result: LabeledPrediction, validation: _Part) -> ConfidenceCalibration | None:
    """A calibration from the validation frames; None where they have too few labels."""
    radii = label_radii(result.labels.points, validation.errors, result.labels.skeleton)
    enough = radii is not None and validation.points >= FEWEST
    return fit_calibration(*validation, radii) if enough and radii is not None else None


def confidence_warnings(
    result: LabeledPrediction, name: str, calibration: ConfidenceCalibration | None
) -> list[str]:
    """What is wrong with a tracker's confidence in a label file of that name.

    Frames that the training used are left out; without a calibration nothing is promised.
    """
    part = _part(result, UNSPLIT)
    if calibration is None or part.points < FEWEST:
        return []
    names = result.labels.keypoint_names
    judged = calibration.probability(part.likelihood)
    radii = calibration.radii_of(len(names))
    return list(broken_promises(kept_promises(name, names, judged, part.errors, radii)))


def kept_promises(
    where: str,
    names: Sequence[str],
    probability: PerKeypoint,
    errors: PerKeypoint,
    radii: Float[ndarray, " keypoints"],
) -> list[KeptPromise]:
    """What was promised and what happened, of each keypoint and at last of all together.

    Args:
        where: The split, or the label file.
        names: The K keypoints.
        probability: (N, K) that each lies within its radius.
        errors: (N, K) frame px; NaN where there is no label.
        radii: (K,) frame px.
    """
    known, hits = np.isfinite(errors), errors <= radii
    promises = [
        KeptPromise.of(name, where, float(radii[k]), probability[:, k][own], hits[:, k][own])
        for k, (name, own) in enumerate(zip(names, known.T, strict=True))
    ]
    whole = float(np.median(radii))
    return [*promises, KeptPromise.of(ALL_KEYPOINTS, where, whole, probability[known], hits[known])]


def broken_promises(promises: Sequence[KeptPromise]) -> Iterator[str]:
    """What is wrong with the confidence, for which keypoint and what to do, in a sentence each.

    Where half of the keypoints of a split fail, or only all together, that is one warning. A
    keypoint that fails in several splits is named for one of them, if it can be one that was not
    learned from.
    """
    places = list(dict.fromkeys(promise.where for promise in promises))
    told: set[str] = set()
    for where in sorted(
        places, key=lambda place: _TOLD.index(place) if place in _TOLD else len(_TOLD)
    ):
        *each, whole = (promise for promise in promises if promise.where == where)
        failing = [promise for promise in each if promise.fails]
        if whole.fails and (not failing or 2 * len(failing) >= len(each)):
            worst = sorted(failing, key=lambda promise: promise.gap)[:_NAMED]
            named = ", ".join(promise.keypoint for promise in worst)
            yield f"{_what(whole)}{f' (above all {named})' if named else ''}: {_remedy(whole)}"
        else:
            new = [promise for promise in failing if promise.keypoint not in told]
            yield from (f"{_what(promise)}: {_remedy(promise)}" for promise in new)
        told |= {promise.keypoint for promise in failing if where in _SPLITS}


def beyond_judgement(promises: Sequence[KeptPromise]) -> Iterator[str]:
    """Which keypoints have too few labels in the frames held out, in a sentence for each split."""
    for where in _HELD_OUT:
        each = [promise for promise in promises if promise.where == where][:-1]
        few = [promise.keypoint for promise in each if promise.points < FEWEST_JUDGED]
        if few:
            who = "the keypoints one by one" if len(few) == len(each) else ", ".join(few)
            yield (
                f"{_frames(where)} cannot judge {who}: they have fewer than {FEWEST_JUDGED} labels "
                "of each"
            )


def _frames(where: str) -> str:
    return f"the {where} frames" if where in _SPLITS else where


def _what(promise: KeptPromise) -> str:
    within = "their radius" if promise.keypoint == ALL_KEYPOINTS else f"{promise.radius:.3g} px"
    who = "the keypoints" if promise.keypoint == ALL_KEYPOINTS else promise.keypoint
    return (
        f"the confidence of {who} is {promise.verdict} in {_frames(promise.where)}: it promises "
        f"{100 * promise.promised:.0f} % within {within} of the label, and "
        f"{100 * promise.observed:.0f} % of {promise.points} are"
    )


def _remedy(promise: KeptPromise) -> str:
    if promise.gap > 0:
        return "a lower threshold keeps what is right (--threshold, eval.confidence_thresh_for_vid)"
    if promise.where in _SPLITS:
        return "do not rely on it there; label more frames in which it errs, and train again"
    return "these frames are unlike those of the training: label some of them, and train again"
