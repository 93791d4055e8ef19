"""What a model directory says of its tracker, in lines for people."""

from __future__ import annotations

from collections.abc import Iterator

from lp_analysis.confidence.stored import stated_radius, stored_calibration
from lp_analysis.triangulation import LabelRigs
from lp_data.sessions import ViewNames
from lp_io.checkpoint import Manifest
from lp_io.model_directory import CAMERAS, VIEWS


def told_model(manifest: Manifest) -> Iterator[str]:
    """What a manifest says: the tracker, its keypoints, views and cameras, and how it learnt.

    Raises:
        LPError: A part of it is damaged.
    """
    made = f"{manifest.distribution.name} {manifest.distribution.version}"
    kind = ", semi-supervised" if manifest.semi_supervised else ""
    yield f"tracker: {manifest.model_type}{kind} ({made}), saved {manifest.created or 'some time'}"
    yield f"keypoints ({len(manifest.keypoint_names)}): {', '.join(manifest.keypoint_names)}"
    if manifest.skeleton is not None and manifest.skeleton.edges:
        yield f"skeleton: {', '.join(' – '.join(edge) for edge in manifest.skeleton.edges)}"
    views = ViewNames.from_dict(manifest.extra.get(VIEWS))
    if views is not None:
        yield f"views: {', '.join(views.names)}"
    rigs = LabelRigs.from_dict(manifest.extra.get(CAMERAS))
    for line in () if rigs is None else rigs.told:
        yield f"cameras: {line}"
    if views is not None and rigs is None:
        yield "cameras: not calibrated at training"
    if manifest.split:
        yield f"images: {', '.join(f'{len(of)} {name}' for name, of in manifest.split.items())}"
    error = manifest.metrics.get("val_pixel_error")
    if error is not None:
        yield f"mean pixel error in validation: {error:.2f} px"
    calibration = stored_calibration(manifest)
    if calibration is not None:
        yield (
            f"calibrated confidence: the probability to lie {stated_radius(calibration)}, from "
            f"{calibration.points} labelled keypoints"
        )
        radii = zip(manifest.keypoint_names, calibration.radii, strict=False)
        told = ", ".join(f"{name} {radius:.3g} px" for name, radius in radii)
        if told:
            yield f"radius of each keypoint: {told}"
