"""Read a DeepLabCut project: its config, its label files and the videos they belong to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lp_core.errors import suggestion
from lp_core.image_source import ImageSource
from lp_core.listing import visible
from lp_core.paths import find_file, same_name
from lp_core.poses import Animals, Content, PoseTable, Skeleton, concatenate, read_pose_csv
from lp_core.video import video_suffixes
from lp_io.animals import with_scene
from lp_io.errors import ConversionError
from lp_io.projects.labels import (
    LABEL_FOLDER,
    LabeledImages,
    chosen_labels,
    existing_video,
    frame_number,
    last_part,
)
from lp_io.tables.h5 import read_h5
from lp_io.untrusted.content import ContentError, reading

CONFIG = "config.yaml"
_LABEL_FILE = "CollectedData_"


class _TextLoader(yaml.SafeLoader):
    """Keeps every value as text: the name of a scorer or a body part may look like a number."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's form


@dataclass(frozen=True)
class _Folder:
    """The labels of one video."""

    path: Path
    table: PoseTable
    video: Path | None


def is_deeplabcut_project(folder: Path) -> bool:
    """Whether a folder is a DeepLabCut project."""
    config = folder / CONFIG
    if not (config.is_file() and (folder / LABEL_FOLDER).is_dir()):
        return False
    try:
        return {"video_sets", "scorer"} <= set(_config(folder))
    except (ContentError, OSError):
        return False


def read_deeplabcut_project(
    folder: Path,
    *,
    scorer: str | None = None,
    individual: str | None = None,
    empty: bool = False,
) -> LabeledImages:
    """Read the labels of a DeepLabCut project, in CSV or HDF5 and with either style of index.

    Unique body parts belong to the animal that is chosen, or to the only one that is labelled;
    where several are taken, they are left out, and told.

    Args:
        folder: The project, with its ``config.yaml``.
        scorer: Whose labels to take; None takes those of the config's.
        individual: Which animal to take; None takes all.
        empty: Keep images without any animal, and unique body parts as the individual ``single``.

    Raises:
        ConversionError: A file is damaged, or there is no such scorer or animal.
        MissingExtraError: Labels are only there as HDF5, and h5py is not installed.
    """
    with reading(folder / CONFIG, ConversionError, "the project's config"):
        config = _config(folder)
    with reading(folder, ConversionError, "a DeepLabCut project"):
        chosen, left_out = _chosen_scorer(folder, config, scorer)
        folders = [
            found
            for path in visible(folder / LABEL_FOLDER)
            if path.is_dir() and (found := _labels_of(path, chosen, folder, config)) is not None
        ]
        if not folders:
            raise ContentError("the project has no labelled images")
        videos, without = _videos(folders, folder, config)
        names = dict.fromkeys(name for each in folders for name in each.table.keypoint_names)
        edges, lost = _edges(config, names)
        skeleton = Skeleton(tuple(names), edges=edges)
        table = concatenate([_renamed(each, skeleton, chosen) for each in folders])
        images = {image.name: image for each in folders for image in _images(each)}
        notes = [*left_out, *without, *lost]
        if not empty:
            labelled = table.has_position.any(axis=1)
            bare = len(images) - len({table.frame[row] for row in np.flatnonzero(labelled)})
            if bare:
                notes.append(f"{bare} images without any label, which DeepLabCut does not train on")
            table = table.rows(np.flatnonzero(labelled))
            table = table if individual is None else with_scene(table)
        return chosen_labels(
            table,
            images.values(),
            individual,
            empty=empty,
            unique=_unique(config),
            videos=videos,
            left_out=notes,
        )


def _unique(config: dict[str, Any]) -> list[str]:
    """The body parts that exist once in the scene."""
    named = config.get("uniquebodyparts")
    return [name for name in map(_text, named if isinstance(named, list) else ()) if name]


def _config(folder: Path) -> dict[str, Any]:
    try:
        value = _TextLoader((folder / CONFIG).read_text(encoding="utf-8")).get_single_data()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ContentError(f"this is no YAML file: {error}") from error
    if not isinstance(value, dict):
        raise ContentError("this is not a config of DeepLabCut")
    return value


def _chosen_scorer(
    folder: Path, config: dict[str, Any], wanted: str | None
) -> tuple[str, list[str]]:
    """Whose labels are taken, and a note about the others'."""
    files = [
        file
        for labels in visible(folder / LABEL_FOLDER)
        for file in labels.glob(f"{_LABEL_FILE}*")
        if file.suffix in (".csv", ".h5")
    ]
    scorers = sorted({file.stem.removeprefix(_LABEL_FILE) for file in files})
    if not scorers:
        raise ContentError(f"no folder in {LABEL_FOLDER} has a file {_LABEL_FILE}*.csv or .h5")
    stated = _text(config.get("scorer"))
    chosen = wanted or (stated if stated in scorers else scorers[0])
    if wanted is None and len(scorers) > 1 and stated not in scorers:
        raise ContentError(
            f"several people have labelled: {', '.join(scorers)}", "choose one with --scorer"
        )
    if chosen not in scorers:
        raise ContentError(
            f"no scorer is named '{chosen}'",
            suggestion(chosen, scorers, f"there are: {', '.join(scorers)}"),
        )
    others = [name for name in scorers if name != chosen]
    return chosen, [f"the labels of {name}: another scorer than {chosen}" for name in others]


def _text(value: object) -> str:
    """A text or a number of the config as text; of anything else nothing.

    A list may repeat itself without end, so that its text would be endless, too.
    """
    return str(value) if isinstance(value, str | int | float) else ""


def _labels_of(path: Path, scorer: str, project: Path, config: dict[str, Any]) -> _Folder | None:
    """The labels in one folder; None where that scorer has none there."""
    animals = Animals(several=True, scorer=scorer)
    table, hdf5 = (path / f"{_LABEL_FILE}{scorer}{suffix}" for suffix in (".csv", ".h5"))
    if table.is_file():
        with reading(table, ConversionError, "a label file"):
            labels = read_pose_csv(table, Content.LABELS, animals, lenient=True)
    elif hdf5.is_file():
        with reading(hdf5, ConversionError, "a label file"):
            labels = read_h5(hdf5, Content.LABELS, animals)
    else:
        return None
    return _Folder(path, labels, _video_of(path.name, project, config))


def _videos(
    folders: Sequence[_Folder], project: Path, config: dict[str, Any]
) -> tuple[tuple[Path, ...], list[str]]:
    """The videos of the labelled folders and of the config, and a note for each left out."""
    videos = {folder.video: None for folder in folders if folder.video is not None}
    left_out = []
    for named in _video_sets(config):
        found = existing_video(named, project / "videos", project)
        if found is not None:
            videos[found] = None
        elif not any(same_name(file.stem, _stem(named)) for file in videos):
            left_out.append(f"the video '{last_part(named)}' of video_sets: there is no such file")
    known = {file.resolve() for file in videos}
    others = [f for f in _files_in(project / "videos") if f.resolve() not in known]
    left_out += [
        f"the video '{file.name}' in videos: video_sets does not name it" for file in others
    ]
    return tuple(videos), left_out


def _video_sets(config: dict[str, Any]) -> list[str]:
    sets = config.get("video_sets")
    return [named for named in map(_text, sets if isinstance(sets, dict) else ()) if named]


def _stem(named: str) -> str:
    """The name of a video without its folder, on any system, and without its ending."""
    return last_part(named).rsplit(".", 1)[0]


def _files_in(videos: Path) -> list[Path]:
    """The videos in a folder."""
    suffixes = video_suffixes()
    entries = visible(videos) if videos.is_dir() else []
    return [file for file in entries if file.suffix.lower() in suffixes and file.is_file()]


def _video_of(stem: str, project: Path, config: dict[str, Any]) -> Path | None:
    """The video whose name is the folder's, where the config says or in ``videos``."""
    for named in _video_sets(config):
        if same_name(_stem(named), stem):
            found = existing_video(named, project / "videos", project)
            if found is not None:
                return found
    named_so = (file for file in _files_in(project / "videos") if same_name(file.stem, stem))
    return next(named_so, None)


def _images(folder: _Folder) -> list[ImageSource]:
    """The pictures of one folder, each once."""
    named = {item: last_part(item) for item in folder.table.image_paths}
    return [
        ImageSource(
            name=_image_name(folder, item),
            file=find_file(folder.path, file_name) if file_name else None,
            video=folder.video,
            frame=frame_number(file_name),
        )
        for item, file_name in named.items()
    ]


def _image_name(folder: _Folder, item: str) -> str:
    """The name of a picture; the folder's own name counts, whatever the rows say."""
    return f"{LABEL_FOLDER}/{folder.path.name}/{last_part(item)}"


def _renamed(folder: _Folder, skeleton: Skeleton, scorer: str) -> PoseTable:
    """The labels of one folder, with all keypoints of the project."""
    table = folder.table
    animals = table.individual or (None,) * len(table)
    seen: set[tuple[str, str | None]] = set()
    for name, animal in zip(table.image_paths, animals, strict=True):
        untracked = animal is None and table.individual is not None
        if (name, animal) in seen and not untracked:
            raise ContentError(f"the picture '{_image_name(folder, name)}' occurs twice")
        seen.add((name, animal))
    points = np.full((len(table), len(skeleton), 2), np.nan)
    points[:, skeleton.places(table.keypoint_names)] = table.points
    frame = tuple(_image_name(folder, item) for item in table.image_paths)
    return PoseTable(skeleton, points, frame, individual=table.individual, scorer=scorer)


def _edges(
    config: dict[str, Any], names: Collection[str]
) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    """The pairs of the config's skeleton, and a note for each that joins no two keypoints.

    A new project of DeepLabCut has such pairs, as an example.
    """
    pairs, known, lost = config.get("skeleton"), [], []
    for pair in pairs if isinstance(pairs, list) else ():
        if not (isinstance(pair, list) and len(pair) == 2 and all(map(_text, pair))):
            continue
        first, second = map(_text, pair)
        if first in names and second in names and first != second:
            known.append((first, second))
        else:
            lost.append(f"the pair '{first}' and '{second}' of the skeleton: no label is of both")
    return tuple(known), lost
