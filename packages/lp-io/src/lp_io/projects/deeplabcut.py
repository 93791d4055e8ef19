"""Read a DeepLabCut project: its config, its label files and the videos they belong to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from lp_core.errors import nearest_name
from lp_core.listing import visible
from lp_core.paths import find_file, same_name
from lp_core.video import video_suffixes
from lp_io.errors import ConversionError
from lp_io.keypoint_frame.csv_reading import read_csv
from lp_io.keypoint_frame.frame import KeypointFrame
from lp_io.keypoint_frame.h5_reading import read_h5
from lp_io.projects.animals import Animal, one_animal_each
from lp_io.projects.labels import (
    LABEL_FOLDER,
    ImageSource,
    LabeledImages,
    existing_video,
    frame_number,
    last_part,
)
from lp_io.untrusted.content import ContentError, reading
from lp_io.untrusted.individuals import SINGLE

CONFIG = "config.yaml"
_LABEL_FILE = "CollectedData_"


class _TextLoader(yaml.SafeLoader):
    """Keeps every value as text: the name of a scorer or a body part may look like a number."""

    yaml_implicit_resolvers = {}  # noqa: RUF012 - PyYAML's form


@dataclass(frozen=True)
class _Folder:
    """The labels of one video."""

    path: Path
    frame: KeypointFrame
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
    folder: Path, *, scorer: str | None = None, individual: str | None = None
) -> LabeledImages:
    """Read the labels of a DeepLabCut project.

    Both index styles are understood, CSV and HDF5, several videos, several scorers (the config's,
    or ``scorer``), and projects of several animals where one is labelled or chosen.

    Args:
        folder: The project, with its ``config.yaml``.
        scorer: Whose labels to take.
        individual: Which animal to take.

    Raises:
        ConversionError: A file is damaged, there is no such scorer or animal, or most images show
            several animals.
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
        without += _lost_edges(config, _keypoint_names(folders))
        return _joined(folders, chosen, config, individual, videos, [*left_out, *without])


def _config(folder: Path) -> dict[str, Any]:
    try:
        value = _TextLoader((folder / CONFIG).read_text(encoding="utf-8")).get_single_data()
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise ContentError(f"this is no YAML file: {error}") from error
    if not isinstance(value, dict):
        raise ContentError("this is no config of DeepLabCut")
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
        guess = nearest_name(chosen, scorers)
        raise ContentError(
            f"nobody named '{chosen}' has labelled",
            (f"did you mean '{guess}'? " if guess else "") + f"there are: {', '.join(scorers)}",
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
    table, hdf5 = (path / f"{_LABEL_FILE}{scorer}{suffix}" for suffix in (".csv", ".h5"))
    if table.is_file():
        with reading(table, ConversionError, "a label file"):
            frame = read_csv(table)
    elif hdf5.is_file():
        with reading(hdf5, ConversionError, "a label file"):
            frame = read_h5(hdf5)[0]
    else:
        return None
    if scorer in frame.scorers:
        frame = frame.of_scorer(scorer)
    elif len(frame.scorers) > 1:
        raise ContentError(f"{path.name} has columns of {', '.join(frame.scorers)}, not {scorer}")
    return _Folder(path, frame, _video_of(path.name, project, config))


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


def _joined(
    folders: Sequence[_Folder],
    scorer: str,
    config: dict[str, Any],
    individual: str | None,
    videos: tuple[Path, ...],
    left_out: list[str],
) -> LabeledImages:
    """All folders' labels in one table, one animal in each image."""
    names = _keypoint_names(folders)
    images = [image for folder in folders for image in _images(folder)]
    found = [animals for folder in folders for animals in _animals(folder.frame, names)]
    choice = one_animal_each(found, individual)
    rows = [row for row, animal in enumerate(choice.animals) if animal is not None]
    empty = sum(not animals for animals in found)
    if empty:
        left_out.append(f"{empty} images without any label, which DeepLabCut does not train on")
    taken = [animal for animal in choice.animals if animal is not None]
    size = (len(rows), len(names))
    return LabeledImages(
        keypoint_names=names,
        keypoints=np.array([each.keypoints for each in taken]).reshape(*size, 2),
        visibility=np.array([each.visibility for each in taken], dtype=np.int8).reshape(size),
        images=tuple(images[row] for row in rows),
        scorer=scorer,
        skeleton=_skeleton(config, names),
        videos=videos,
        left_out=(*left_out, *choice.left_out),
    )


def _keypoint_names(folders: Sequence[_Folder]) -> tuple[str, ...]:
    """Every keypoint of any folder, in order of first occurrence."""
    return tuple(dict.fromkeys(n for folder in folders for n in folder.frame.keypoint_names()))


def _images(folder: _Folder) -> list[ImageSource]:
    """The pictures of one folder; the folder's own name counts, whatever the rows say."""
    result = []
    for item in folder.frame.index:
        file_name = last_part(str(item))
        result.append(
            ImageSource(
                name=f"{LABEL_FOLDER}/{folder.path.name}/{file_name}",
                file=find_file(folder.path, file_name) if file_name else None,
                video=folder.video,
                frame=frame_number(file_name),
            )
        )
    return result


def _animals(frame: KeypointFrame, names: Sequence[str]) -> list[list[Animal]]:
    """For each row its labelled animals."""
    parts = {"": frame} if not frame.individuals else {
        name: frame.of_individual(name) for name in frame.individuals
    }  # fmt: skip
    poses = {name: _positions(part, names) for name, part in parts.items()}
    rows: list[list[Animal]] = []
    for row in range(len(frame.index)):
        animals = []
        for name, positions in poses.items():
            labelled = np.isfinite(positions[row]).all(axis=-1)
            if labelled.any():
                animals.append(Animal(name, positions[row], np.where(labelled, 2, 0).astype("i1")))
        rows.append(_with_single(animals))
    return rows


def _with_single(animals: list[Animal]) -> list[Animal]:
    """Keypoints that exist once in the scene belong to the only animal there is."""
    single = next((animal for animal in animals if animal.name == SINGLE), None)
    others = [animal for animal in animals if animal is not single]
    if single is None or not others:
        return animals
    return [
        Animal(
            animal.name,
            np.where(single.visibility[:, None] > 0, single.keypoints, animal.keypoints),
            np.maximum(animal.visibility, single.visibility),
        )
        for animal in others
    ]


def _positions(frame: KeypointFrame, names: Sequence[str]) -> np.ndarray:
    """(N, K, 2) the positions of ``names``, NaN for those that the frame has not."""
    positions = np.full((len(frame.index), len(names), 2), np.nan)
    own = frame.keypoint_names()
    found = frame.positions().astype(np.float64)
    found[np.isnan(found).any(axis=-1)] = np.nan
    positions[:, [names.index(name) for name in own]] = found
    return positions


def _skeleton(config: dict[str, Any], names: Sequence[str]) -> tuple[tuple[int, int], ...]:
    return tuple(
        (names.index(first), names.index(second))
        for first, second in _edges(config)
        if first in names and second in names and first != second
    )


def _lost_edges(config: dict[str, Any], names: Sequence[str]) -> list[str]:
    """A note for each pair of the config's skeleton that joins no two keypoints.

    A new project of DeepLabCut has such pairs, as an example.
    """
    return [
        f"the pair '{first}' and '{second}' of the skeleton: no label is of both"
        for first, second in _edges(config)
        if first not in names or second not in names or first == second
    ]


def _edges(config: dict[str, Any]) -> list[tuple[str, str]]:
    """The pairs of names in the config's skeleton."""
    pairs = config.get("skeleton")
    return [
        (_text(pair[0]), _text(pair[1]))
        for pair in (pairs if isinstance(pairs, list) else ())
        if isinstance(pair, list) and len(pair) == 2 and all(map(_text, pair))
    ]
