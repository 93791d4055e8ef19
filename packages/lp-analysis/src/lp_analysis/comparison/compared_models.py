"""Which models, frames and keypoints are compared."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from os.path import commonprefix
from pathlib import Path
from typing import Any

from lp_analysis.errors import EvaluationError
from lp_analysis.metrics.metric_files import MetricTable, read_metric_file, refuse_outdated
from lp_core.errors import suggestion
from lp_core.text import quoted

FRAMES = {
    "held-out": ("validation", "test"),
    "validation": ("validation",),
    "test": ("test",),
    "train": ("train",),
    "all": None,
}
"""The splits that each choice of frames means; None is all of them."""

LABELS = {"own": "", "new": "_new", "test": "_test"}
"""How the tables of each label file are marked."""

_SEEDS = re.compile(r"[-_. ]*(rng|seed|run|version|model|s)?[-_. ]*$", re.IGNORECASE)


def read_errors(folder: Path, labels: str = "own") -> MetricTable:
    """The pixel errors that a model directory holds; ``labels`` is one of `LABELS`.

    Raises:
        EvaluationError: There are none, the table is damaged, or other weights have predicted it.
    """
    _check_choice("--labels", labels, LABELS)
    path = folder / f"predictions{LABELS[labels]}_pixel_error.csv"
    if not folder.is_dir():
        raise EvaluationError("there is no such model directory", where=folder)
    if not path.is_file():
        remedy = _evaluate_again(folder, labels)
        raise EvaluationError(f"there is no {path.name}", where=folder, remedy=remedy)
    predictions = folder / f"predictions{LABELS[labels]}.csv"
    refuse_outdated(folder, predictions, _evaluate_again(folder, labels))
    return read_metric_file(path)


def _evaluate_again(folder: Path, labels: str) -> str:
    return f"litpose evaluate {quoted(folder)}" + (
        "" if labels == "own" else f" CollectedData{LABELS[labels]}.csv"
    )


def _check_choice(option: str, value: str, known: Mapping[str, Any]) -> None:
    if value not in known:
        remedy = suggestion(value, known)
        raise EvaluationError(f"unknown choice '{value}'", where=option, remedy=remedy)


def chosen_frames(table: MetricTable, frames: str, folder: Path) -> MetricTable:
    """The rows of a table whose split is asked for.

    Raises:
        EvaluationError: There is no such row, or the table does not tell splits.
    """
    _check_choice("--frames", frames, FRAMES)
    splits = FRAMES[frames]
    if splits is None:
        return table
    if table.sets is None:
        raise EvaluationError(
            "the table does not say which frames were trained on",
            where=folder,
            remedy="--frames all",
        )
    rows = [row for row, split in enumerate(table.sets) if split in splits]
    if not rows:
        there = ", ".join(dict.fromkeys(table.sets)) or "none"
        raise EvaluationError(
            f"there are no {frames} frames", where=folder, remedy=f"there are: {there}"
        )
    return table.rows(rows)


def with_common_frames(tables: Sequence[MetricTable]) -> list[MetricTable]:
    """The rows that all tables have, in the order of the first.

    Raises:
        EvaluationError: They have none in common.
    """
    common = set.intersection(*(set(table.index) for table in tables))
    if not common:
        raise EvaluationError(
            "no frame was held out by all of the models",
            remedy="--own-frames compares each on its own frames; train with the same "
            "training.rng_seed_data_pt, or label frames that no model has seen "
            "(CollectedData_new.csv, then --labels new)",
        )
    order = [image for image in dict.fromkeys(tables[0].index) if image in common]
    return [table.rows([table.index.index(image) for image in order]) for table in tables]


def with_common_keypoints(tables: Sequence[MetricTable]) -> list[MetricTable]:
    """The columns that all tables have, in the order of the first.

    Raises:
        EvaluationError: They have none in common.
    """
    names = [
        name
        for name in tables[0].keypoint_names
        if all(name in table.keypoint_names for table in tables)
    ]
    if not names:
        raise EvaluationError("the models have no keypoint in common")
    return [table.select_keypoints(names) for table in tables]


def compared_errors(
    groups: Mapping[str, Sequence[Path]], *, labels: str, frames: str, common: bool = True
) -> tuple[dict[str, list[MetricTable]], list[str]]:
    """The errors of each model on the frames (one of `FRAMES`) and keypoints to compare.

    With ``common``, only the frames that all models have are taken.

    Returns:
        The tables of each group, and what was left out, in a sentence each.

    Raises:
        EvaluationError: A model has no such errors, or they have nothing in common.
    """
    folders = [folder for members in groups.values() for folder in members]
    read = [read_errors(folder, labels) for folder in folders]
    pairs = zip(read, folders, strict=True)
    tables = [chosen_frames(table, frames, folder) for table, folder in pairs]
    chosen, notes = with_common_keypoints(tables), []
    left_out = {n for t in tables for n in t.keypoint_names} - set(chosen[0].keypoint_names)
    if left_out:
        notes.append(f"not every model has these keypoints: {', '.join(sorted(left_out))}")
    if common:
        before = len({image for table in chosen for image in table.index})
        chosen = with_common_frames(chosen)
        share = f"compared on the {len(chosen[0].index)} of {before} frames that all"
        if len(chosen[0].index) < before:
            held_out = " models held out; --own-frames takes all"
            notes.append(share + (held_out if frames == "held-out" else " share"))
    rest = iter(chosen)
    return {name: [next(rest) for _ in members] for name, members in groups.items()}, notes


def parse_groups(texts: Sequence[str]) -> dict[str, list[Path]]:
    """Groups from ``NAME=DIR,DIR``; one name may come several times.

    Raises:
        EvaluationError: A text is not of that form.
    """
    groups: dict[str, list[Path]] = {}
    for text in texts:
        name, equals, folders = text.partition("=")
        paths = [Path(folder) for folder in folders.split(",") if folder]
        if not (name and equals and paths):
            raise EvaluationError(
                f"'{text}' names no group", where="--group", remedy="write NAME=DIR,DIR"
            )
        groups.setdefault(name, []).extend(paths)
    return groups


def group_by_recipe(folders: Sequence[Path]) -> dict[str, list[Path]]:
    """Groups of models whose configs differ in nothing but seeds, names and places."""
    recipes: dict[str, list[Path]] = {}
    for folder in folders:
        recipes.setdefault(_recipe(folder), []).append(folder)
    groups: dict[str, list[Path]] = {}
    for members in recipes.values():
        name = _group_name(members)
        groups[name if name not in groups else str(members[0])] = members
    return groups


def chosen_groups(groups: Sequence[str], model_dirs: Sequence[Path]) -> dict[str, list[Path]]:
    """The groups that are asked for as ``NAME=DIR,DIR``, then those that the configs tell.

    Raises:
        EvaluationError: A text is not of that form, or there is no model.
    """
    chosen = parse_groups(groups)
    named = {folder.resolve() for folders in chosen.values() for folder in folders}
    rest = [folder for folder in model_dirs if folder.resolve() not in named]
    for name, folders in group_by_recipe(list(dict.fromkeys(rest))).items():
        chosen[name if name not in chosen else str(folders[0])] = folders
    if not chosen:
        raise EvaluationError("which models?", remedy="litpose compare MODEL_DIR MODEL_DIR...")
    return chosen


def _recipe(folder: Path) -> str:
    """The config without what does not change the recipe, as text; the folder where none is."""
    import yaml

    try:
        config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return str(folder)
    if not isinstance(config, dict):
        return str(folder)
    for section, keys in _NOT_THE_RECIPE.items():
        values = config.get(section)
        if isinstance(values, dict):
            config[section] = {k: v for k, v in values.items() if k not in keys}
    kept = {k: v for k, v in config.items() if k not in ("creation_datetime", "eval", "hydra")}
    return json.dumps(kept, sort_keys=True, default=str)


_NOT_THE_RECIPE = {
    "data": ("data_dir", "video_dir"),
    "model": ("model_name", "lightning_pose_version"),
    "training": (
        "rng_seed_data_pt",
        "rng_seed_model_pt",
        "num_workers",
        "accelerator",
        "devices",
        "num_gpus",
        "save_state_every_n_seconds",
        "ckpt_every_n_epochs",
        "log_every_n_steps",
    ),
}


def _group_name(folders: Sequence[Path]) -> str:
    """What the folders' names have in common, without a number or a word for seeds at its end."""
    names = [folder.absolute().name for folder in folders]
    if len(names) == 1:
        return names[0]
    return _SEEDS.sub("", commonprefix(names)) or names[0]  # noqa: RUF071 (letters are meant)
