"""Checks of values beyond their type: ranges, words, and keys that must agree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from lp_core.errors import suggestion
from lp_io.documents.report import Report
from lp_pipeline.config.schema import Config, DataConfig, EvalConfig

_SLACK = 1e-9  # 0.9 + 0.1 may be a little above 1 in binary


def check_values(config: Config, report: Report) -> None:
    """Report what is wrong with the values of ``config``."""
    checks: tuple[Callable[[Config, Report], None], ...] = (
        _check_size,
        _check_csv_file,
        _check_views,
        _check_motion,
        lambda config, report: check_keypoints(config.data, report),
        _check_split,
        _check_length,
        _check_one_of_two,
        _check_checkpoints,
        _note_start_weights,
        _check_devices,
        _check_top_down,
        _check_colormap,
    )
    for check in checks:
        check(config, report)


def _check_size(config: Config, report: Report) -> None:
    size = config.data.image_resize_dims
    for name, other in (("height", "width"), ("width", "height")):
        key, sound = (
            f"data.image_resize_dims.{name}",
            report.sound(f"data.image_resize_dims.{other}"),
        )
        if getattr(size, name) is None and getattr(size, other) is not None and sound:
            report.problem(key, f"not set, but {other} is", "set both, or neither")


def _check_csv_file(config: Config, report: Report) -> None:
    value = config.data.csv_file
    if config.data.view_names:  # copies are then named after the views
        return
    names = value if isinstance(value, list) else [value]
    bases = [Path(name).name for name in names]
    same = [name for name, base in zip(names, bases, strict=True) if bases.count(base) > 1]
    if same:
        report.problem(
            "data.csv_file",
            f"files of the same name, {' and '.join(same)}, of which a model directory could keep "
            "but one",
            "rename one of them",
        )


def _check_views(config: Config, report: Report) -> None:
    """The views can be told apart, and lists have an item for each of them."""
    data, views = config.data, config.data.view_names
    flat = column_lists(data) != (data.mirrored_column_matches or [])
    if views is None:
        if flat:
            report.problem(
                "data.mirrored_column_matches",
                "one list is for the cameras of data.view_names, and there are none",
                "give one list of keypoint indices per view in the frame, as [[0, 1], [2, 3]]",
            )
        return
    from lp_data.sessions import SessionError, ViewNames

    try:
        ViewNames(tuple(views))
    except SessionError as error:
        report.problem("data.view_names", error.problem, error.remedy)
    if data.mirrored_column_matches and not flat:
        report.problem(
            "data.mirrored_column_matches",
            "the views have images of their own, in which keypoints have the same numbers",
            "give one list of the keypoints to compare between views, as [0, 1], or null for all",
        )
    for key, value in (("csv_file", data.csv_file), ("bbox_file", data.bbox_file)):
        count = 1 if isinstance(value, str) else len(value or ())
        if value is not None and count != len(views) and report.sound(f"data.{key}"):
            remedy = f"list one for each of {', '.join(views)}, in this order"
            report.problem(f"data.{key}", f"{len(views)} views, but {count} files", remedy)
    if isinstance(data.bbox_file, dict):
        for name in [name for name in data.bbox_file if name not in views]:
            report.problem("data.bbox_file", f"there is no view '{name}'", suggestion(name, views))


def _check_motion(config: Config, report: Report) -> None:
    if config.training.imgaug_3d and not config.data.view_names:
        report.note("training.imgaug_3d", "without effect: there is one camera")


def column_lists(data: DataConfig) -> list[list[int]]:
    """``data.mirrored_column_matches`` as lists; of several cameras there is one at most."""
    matches = data.mirrored_column_matches or []
    lists = [columns for columns in matches if isinstance(columns, list)]
    return lists or ([[c for c in matches if isinstance(c, int)]] if matches else [])


def check_keypoints(data: DataConfig, report: Report) -> None:
    """Report keypoints, or indices of keypoints, that are wrong as far as their names are known."""
    names, number = data.keypoint_names, data.num_keypoints
    if twice := _repeated(names or []):
        report.problem("data.keypoint_names", f"'{twice[0]}' is named twice")
    if names and number is not None and len(names) != number:
        remedy = f"set it to {len(names)}, or remove it"
        report.problem(
            "data.num_keypoints", f"{number}, but there are {len(names)} keypoints", remedy
        )
    count, views = len(names) if names else number, column_lists(data)
    columns = data.columns_for_singleview_pca or []
    _check_columns("data.columns_for_singleview_pca", columns, count, report)
    _check_pairs("data.skeleton", data.skeleton or [], names, report)
    _check_pairs("data.left_right", data.left_right or [], names, report)
    if twice := _repeated([name for pair in data.left_right or [] for name in sorted(set(pair))]):
        report.problem("data.left_right", f"'{twice[0]}' is in two pairs", "give each keypoint one")
    key = "data.mirrored_column_matches"
    if len(views) == 1 and views == data.mirrored_column_matches:
        report.problem(key, "one view has nothing to agree with", "give two lists or more, or null")
    lengths = [len(view) for view in views]
    if len(set(lengths)) > 1:
        report.problem(key, f"the views must list as many keypoints each, got {lengths}")
    _check_columns(key, [column for view in views for column in view], count, report)


def _repeated(items: Sequence[Any]) -> list[Any]:
    return sorted({item for item in items if items.count(item) > 1})


def _check_pairs(key: str, pairs: list[list[str]], names: list[str] | None, report: Report) -> None:
    """Every pair is one of different keypoints."""
    for pair in pairs if report.sound(key) else []:
        if len(pair) != 2 or pair[0] == pair[1]:
            remedy = "give pairs of different keypoints, such as [[nose, tail]]"
            report.problem(key, f"{pair} is not a pair of different keypoints", remedy)
        unknown = [name for name in pair if names is not None and name not in names]
        if unknown and names is not None:
            remedy = suggestion(unknown[0], names)
            report.problem(key, f"there is no keypoint '{unknown[0]}'", remedy)


def _check_columns(key: str, columns: Sequence[int], number: int | None, report: Report) -> None:
    """Columns are indices of keypoints, each at most once."""
    for column in columns:
        if column < 0 or (number is not None and column >= number):
            known = f"0 to {number - 1}" if number else "0 and up"
            report.problem(key, f"there is no keypoint {column}", f"keypoints count {known}")
            return
    if twice := _repeated(columns):
        report.problem(key, f"the keypoint {twice[0]} is given twice")


def _check_split(config: Config, report: Report) -> None:
    training = config.training
    if not report.sound("training.train_prob", "training.val_prob"):
        return
    if training.train_prob + training.val_prob > 1 + _SLACK:
        total = training.train_prob + training.val_prob
        key = "training.val_prob" if report.given("training.val_prob") else "training.train_prob"
        report.problem(
            key,
            f"train_prob {training.train_prob:g} + val_prob {training.val_prob:g} is {total:g}",
            "together they are at most 1; what remains is for testing",
        )


def _check_length(config: Config, report: Report) -> None:
    training = config.training
    epochs = (training.min_epochs, training.max_epochs)
    steps = (training.min_steps, training.max_steps)
    if any(value is not None for value in epochs) and any(value is not None for value in steps):
        given = training.max_steps is not None
        key = "training.max_steps" if given else "training.min_steps"
        report.problem(key, "epochs are given too", "give steps or epochs, and null for the other")
        return
    for name, (low, high) in (("epochs", epochs), ("steps", steps)):
        if low is not None and high is None:
            report.problem(f"training.min_{name}", f"training.max_{name} is not set")
        if low is not None and high is not None and low > high:
            report.problem(f"training.max_{name}", f"{high} is below min_{name}, {low}")
    stops_early = training.early_stopping and training.max_epochs is not None
    if stops_early and training.min_epochs == training.max_epochs:
        report.note("training.early_stopping", "without effect, as min_epochs is max_epochs")


def _check_one_of_two(config: Config, report: Report) -> None:
    training = config.training
    if training.unfreezing_epoch is not None and training.unfreezing_step is not None:
        report.problem(
            "training.unfreezing_step",
            "unfreezing_epoch is given too",
            "give one of them, and null for the other",
        )
    params = training.lr_scheduler_params.multisteplr
    if params.milestones and params.milestone_steps:
        report.problem(
            "training.lr_scheduler_params.multisteplr.milestone_steps",
            "milestones (of epochs) are given too",
            "give one of them, and null for the other",
        )


def _check_checkpoints(config: Config, report: Report) -> None:
    every = config.training.ckpt_every_n_epochs
    validate = config.training.check_val_every_n_epoch
    sound = report.sound("training.ckpt_every_n_epochs", "training.check_val_every_n_epoch")
    if every is not None and validate is not None and sound and every % validate:
        report.problem(
            "training.ckpt_every_n_epochs",
            f"{every} is not a multiple of check_val_every_n_epoch, {validate}",
            "a checkpoint keeps the metrics of a validation in its own epoch",
        )


def _note_start_weights(config: Config, report: Report) -> None:
    model = config.model
    if model.checkpoint is not None and model.backbone_checkpoint is not None:
        report.note(
            "model.backbone_checkpoint",
            "without effect, as model.checkpoint has the backbone's weights",
        )


def _check_devices(config: Config, report: Report) -> None:
    training = config.training
    if training.accelerator == "gpu" and training.num_gpus == 0 and training.devices == "auto":
        report.problem(
            "training.num_gpus", "0, but training.accelerator is gpu", "set the one or the other"
        )


def _check_top_down(config: Config, report: Report) -> None:
    if config.animals.top_down and config.data.bbox_file:
        report.problem(
            "animals.top_down",
            "true, but data.bbox_file already tells where the animals are",
            "remove one of the two",
        )


def _check_colormap(config: Config, report: Report) -> None:
    name = config.eval.colormap
    if name == EvalConfig().colormap:  # the default need not import matplotlib
        return
    from lp_analysis.errors import RenderingError
    from lp_analysis.rendering.palette import keypoint_colours

    try:
        keypoint_colours(1, name)
    except RenderingError as error:
        report.problem("eval.colormap", error.problem, error.remedy)
