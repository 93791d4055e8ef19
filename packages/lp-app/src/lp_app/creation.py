"""Make a project of videos: a folder with a config, the videos, and no labels yet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml

from lp_app.errors import ProjectError
from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_core.poses import Skeleton
from lp_core.poses.grid import SINGLE, is_untracked
from lp_data.video.open import open_video
from lp_io.model_directory import CONFIG_FILE
from lp_io.projects.folders import VIDEO_FOLDER, place_video
from lp_io.projects.own import LABEL_FILE

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class NewProject:
    """What a project is made of.

    Attributes:
        skeleton: The keypoints, their edges and sides.
        videos: Its videos.
        how: Whether videos are linked to, or copied.
        individuals: Names of several animals; empty for one.
    """

    skeleton: Skeleton
    videos: tuple[Path, ...]
    how: Literal["link", "copy"] = "link"
    individuals: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what no label file could hold, or what would be mixed up.

        Raises:
            ProjectError: There is no keypoint or video, or names cannot be used.
        """
        if not self.skeleton.names:
            raise ProjectError("a project has at least one keypoint", remedy="name the keypoints")
        if not self.videos:
            raise ProjectError("a project has at least one video", remedy="choose videos")
        check_names("keypoint", self.skeleton.names)
        check_names("animal", self.individuals)
        stems = [video.stem for video in self.videos]
        same = [video for video in self.videos if stems.count(video.stem) > 1]
        if same:
            raise ProjectError(
                "two videos have the same name, and their images would have the same paths",
                where=", ".join(map(str, same)),
                remedy="rename one of them",
            )


def check_names(what: str, names: Sequence[str]) -> None:
    """Refuse names that are empty, twice there, or stand for something else in label files.

    Raises:
        ProjectError: There is such a name.
    """
    for name in names:
        if not name.strip() or name != name.strip() or _CONTROL.search(name) or len(name) > 100:
            raise ProjectError(f"'{name}' cannot be the name of a {what}", remedy="choose another")
        if names.count(name) > 1:
            raise ProjectError(f"two of the {what}s are named '{name}'", remedy="rename one")
        if what == "animal" and (name == SINGLE or is_untracked(name)):
            raise ProjectError(f"the name '{name}' has a meaning of its own", remedy="rename it")


def create_project(folder: Path, new: NewProject) -> Path:
    """Make a project in a folder that has none; gives its config.

    Videos that lie in its folder ``videos`` already stay as they are. The config is written last,
    so that a project that is not complete is not taken for one.

    Raises:
        ProjectError: There is a project already, something is wrong with what it is made of, or the
            disk fails.
        VideoError: A video cannot be read.
    """
    new.check()
    config = folder / CONFIG_FILE
    if config.exists():
        raise ProjectError("there is a config already", where=config, remedy="open that project")
    for video in new.videos:
        open_video(video).close()
    with unwritable_as(ProjectError, "the project", folder):
        place = folder / VIDEO_FOLDER
        place.mkdir(parents=True, exist_ok=True)
        for video in new.videos:
            if video.parent.resolve() != place.resolve():
                place_video(video, place, new.how)
        with atomic_text(config) as file:
            file.write(_config_text(folder, new))
    return config


def _config_text(folder: Path, new: NewProject) -> str:
    skeleton = new.skeleton
    data: dict[str, object] = {
        "data_dir": str(folder.absolute()),
        "video_dir": VIDEO_FOLDER,
        "csv_file": LABEL_FILE,
        "num_keypoints": len(skeleton),
        "keypoint_names": list(skeleton.names),
    }
    if skeleton.edges:
        data["skeleton"] = [list(edge) for edge in skeleton.edges]
    if skeleton.left_right:
        data["left_right"] = [list(pair) for pair in skeleton.left_right]
    model = {"model_type": "heatmap", "model_name": folder.absolute().name}
    text = yaml.safe_dump({"data": data, "model": model}, sort_keys=False, allow_unicode=True)
    return f"# Written by litpose app. Every other key has its default.\n{text}"
