"""Checks of what plug-ins declare: the tracker, its options, the losses, the augmentation."""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from lp_core.errors import LossError, LPError, unknown_name
from lp_core.registry import LOSSES, MODELS, VIDEO_READERS, load_plugin, registered
from lp_io.documents.options import check_together, checked_options, field_types
from lp_io.documents.report import KeyPath, Report, key_path
from lp_io.documents.sections import keys_of
from lp_pipeline.config.schema import Config, ModelConfig

SET_ELSEWHERE = {
    "keypoint_names": "data.keypoint_names",
    "image_size": "data.image_resize_dims",
    "downsample_factor": "data.downsample_factor",
    "uniform_heatmaps": "training.uniform_heatmaps_for_nan_keypoints",
    "view_names": "data.view_names",
    "patch_mask": "training.patch_mask",
    "seed": "training.rng_seed_model_pt",
}
"""Options of trackers that have a key of their own outside ``model``."""

_HEATMAP_LOSS = "heatmap_"
"""What the names of the losses begin with that ``model.heatmap_loss_type`` chooses among."""

_LOSS_TYPE = "model.heatmap_loss_type"
_OFFERED = {
    SET_ELSEWHERE[name]: name for name in ("downsample_factor", "uniform_heatmaps", "patch_mask")
}
"""Keys outside ``model`` that have an effect only on trackers which declare the option."""


def check_plugins(config: Config, report: Report) -> None:
    """Report plug-ins that do not exist, and options that they do not have.

    Null options take the plug-in's default: they are taken out of ``config``.
    """
    _check_tracker(config, report)
    _check_losses(config, report)
    _check_reader(config, report)
    _check_augmentation(config, report)


def _load(group: str, name: str, path: KeyPath, report: Report) -> Any:
    """The plug-in, or None and a problem."""
    try:
        return load_plugin(group, name)
    except LPError as error:
        report.problem(path, error.problem, error.remedy)
        return None


def _check_tracker(config: Config, report: Report) -> None:
    name = config.model.model_type
    undeclared = _changed(config, report, (_LOSS_TYPE, *_OFFERED))
    if name in registered(MODELS) and not (config.model.options or undeclared):
        return  # the class need not be imported
    tracker = _load(MODELS, name, ("model", "model_type"), report)
    if tracker is None:
        return
    if config.model.options:
        _check_model_options(config, tracker.Options, report)
    if _LOSS_TYPE in undeclared:
        _check_loss_type(config, tracker, report)
    declared = field_types(tracker.Options)
    for key in undeclared:
        if key in _OFFERED and _OFFERED[key] not in declared:
            report.note(key, f"without effect: the tracker '{name}' has no such option")


def _changed(config: Config, report: Report, keys: Iterable[str]) -> list[str]:
    """The keys that are given another value than their default."""
    fields = keys_of(Config)
    return [
        key
        for key in keys
        if report.given(key) and attrgetter(key)(config) != fields[key_path(key)].default
    ]


def _check_loss_type(config: Config, tracker: Any, report: Report) -> None:
    """Refuse a loss between heatmaps that the tracker does not list among its own."""
    listed = tracker.supervised_losses
    if not any(loss.startswith(_HEATMAP_LOSS) for loss in listed):
        name = config.model.model_type
        note = f"without effect: the tracker '{name}' learns by {', '.join(listed)}"
        report.note(_LOSS_TYPE, note)
    elif report.sound(_LOSS_TYPE):
        try:
            supervised_loss_name(config, tracker)
        except LossError as error:
            report.problem(_LOSS_TYPE, error.problem, error.remedy)


def supervised_loss_name(config: Config, tracker_class: Any) -> str:
    """The loss that supervises.

    That is ``model.heatmap_loss_type``, or the tracker's first loss where it lists none between
    heatmaps.

    Raises:
        LossError: The tracker lists no loss, or losses between heatmaps, but not this one.
    """
    choices, name = tracker_class.supervised_losses, config.model.model_type
    if not choices:
        raise LossError(f"the tracker '{name}' names no loss that supervises it")
    heatmap = [name for name in choices if name.startswith(_HEATMAP_LOSS)]
    wanted = f"{_HEATMAP_LOSS}{config.model.heatmap_loss_type}"
    if not heatmap or wanted in choices:
        return wanted if heatmap else choices[0]
    raise LossError(
        f"the tracker '{name}' does not learn by {wanted}",
        where="model.heatmap_loss_type",
        remedy=f"it takes: {', '.join(name.removeprefix(_HEATMAP_LOSS) for name in heatmap)}",
    )


def _check_model_options(config: Config, kind: type, report: Report) -> None:
    path = ("model", "options")
    schema = [name for name in ModelConfig.model_fields if name != "options"]
    elsewhere = SET_ELSEWHERE | {name: f"model.{name}" for name in schema}
    values = dict(config.model.options)
    for name in [name for name in values if name in elsewhere]:
        report.problem((*path, name), "has a key of its own", f"set {elsewhere[name]}")
        del values[name]
    known = [name for name in field_types(kind) if name not in SET_ELSEWHERE]
    names = [*schema, *known]
    config.model.options = checked_options(values, kind, path, report, names)


def _check_losses(config: Config, report: Report) -> None:
    for index, name in enumerate(config.model.losses_to_use or []):
        path = ("model", "losses_to_use", str(index))
        if getattr(_load(LOSSES, name, path, report), "supervised", False):
            report.problem(
                path,
                f"'{name}' learns from labels, and these are the unsupervised losses",
                "remove it; model.heatmap_loss_type chooses the supervised loss",
            )
    for name, values in list(config.losses.items()):
        place = ("losses", name)
        if values is not None and not isinstance(values, dict):
            report.problem(place, "expected a section with the loss's options")
        elif values and values.get("log_weight", 0) is None and _supervises(name):
            del config.losses[name]  # as Lightning Pose has it: without a weight it is off
        else:
            config.losses[name] = _loss_options(values or {}, place, report)


def _supervises(name: str) -> bool:
    """Whether a loss of that name is there, and learns from labels."""
    return name in registered(LOSSES) and bool(getattr(load_plugin(LOSSES, name), "supervised", 0))


def _loss_options(values: dict[str, Any], path: KeyPath, report: Report) -> dict[str, Any]:
    if not values and path[-1] in registered(LOSSES):
        return values  # the class need not be imported
    loss = _load(LOSSES, path[-1], path, report)
    if loss is None:
        return values
    kept = checked_options(values, loss.Options, path, report)
    if report.sound(".".join(path)):
        check_together(loss.Options, kept, path, report)
    return kept


def _check_reader(config: Config, report: Report) -> None:
    name, known = config.dali.reader, ["auto", *registered(VIDEO_READERS)]
    if name not in known:
        error = unknown_name("video reader", name, known)
        report.problem("dali.reader", error.problem, error.remedy)


def _check_augmentation(config: Config, report: Report) -> None:
    spec = config.training.imgaug
    if not isinstance(spec, str | list | dict):
        report.problem(
            "training.imgaug",
            "expected a preset, a list or a mapping of effects",
            "write none for no augmentation, or dlc for the default",
        )
        return
    if spec == "dlc":  # the default need not import anything
        return
    from lp_core.poses import Skeleton
    from lp_data.augmentation.build import build_augmenter

    try:
        build_augmenter(spec, Skeleton(tuple(dict.fromkeys(config.data.keypoint_names or ()))))
    except LPError as error:
        report.problem("training.imgaug", error.problem, error.remedy)
