"""Keys of the public system that are accepted, but have no effect here, or are refused."""

from __future__ import annotations

from typing import Any

from lp_pipeline.config.report import KeyPath, Report, key_path

_NO_HYDRA = "there is no Hydra here; give overrides as key=value on the command line"
_MULTI_VIEW = "it belongs to multi-view projects, and this is a single-view tool"

IGNORED: dict[str, str] = {
    "hydra": _NO_HYDRA,
    "defaults": _NO_HYDRA,
    "training.imgaug_3d": _MULTI_VIEW,
    "training.patch_mask": _MULTI_VIEW,
    "model.head": "each tracker has its own head",
    "model.lightning_pose_version": "it names the program that wrote the config",
    "losses.supervised_pairwise_projections": _MULTI_VIEW,
    "losses.supervised_reprojection_heatmap_mse": _MULTI_VIEW,
    "losses.unimodal_mse": "this loss no longer exists",
    "losses.unimodal_kl": "this loss no longer exists",
    "losses.unimodal_js": "this loss no longer exists",
}
"""Ignored keys with the reason. Where they are null, false or empty, nobody need be told."""

REFUSED: dict[str, str] = {
    "data.camera_params_file": "calibrated cameras belong to multi-view projects",
    "data.bbox_file": "bounding boxes per frame are not supported",
}
"""Keys that would change the results, and so must not be ignored."""

_SINGLE_VIEW_REMEDY = "this is a single-view tool: remove the key, or set it to null"


def drop_ignored(values: dict[str, Any], report: Report) -> None:
    """Take the ignored and the refused keys out of the nested ``values``.

    Those that say more than null, false or nothing become notes and problems of ``report``.
    """
    for key, reason in REFUSED.items():
        if _take(values, key_path(key)):
            report.problem(key, reason, _SINGLE_VIEW_REMEDY)
    views = _take(values, ("data", "view_names"))
    if isinstance(views, list) and len(views) > 1:
        report.problem("data.view_names", f"there are {len(views)} views", _SINGLE_VIEW_REMEDY)
    elif views:
        report.note("data.view_names", "ignored: one view needs no name")
    for key, reason in IGNORED.items():
        if _take(values, key_path(key)):
            report.note(key, f"ignored: {reason}")
        report.forget(key_path(key))


def _take(values: dict[str, Any], path: KeyPath) -> Any:
    """Remove a key and return its value; None where there is none."""
    section: Any = values
    for name in path[:-1]:
        section = section.get(name)
        if not isinstance(section, dict):
            return None
    return section.pop(path[-1], None)
