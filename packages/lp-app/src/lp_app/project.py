"""Open a project: ours and Lightning Pose's have the same layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lp_app.errors import ProjectError
from lp_app.labels.label_file import LabelFile, read_label_file
from lp_app.places import Places
from lp_core.listing import visible
from lp_core.poses import Skeleton
from lp_data.check.labels import find_label_files
from lp_data.labels import named_animals
from lp_data.sessions import ViewNames
from lp_data.video.listing import find_videos
from lp_io.model_directory import CONFIG_FILE
from lp_io.projects.detection import conversion_hint
from lp_io.projects.own import LABEL_FILE
from lp_pipeline.builders.labels import as_pairs
from lp_pipeline.builders.views import get_views
from lp_pipeline.config import paths
from lp_pipeline.config.load import load_config
from lp_pipeline.config.schema import Config

APP_FOLDER = ".lp-app"
"""The folder of a project in which the app keeps its journal."""

_YAML = ("*.yaml", "*.yml")


@dataclass(frozen=True)
class Project:
    """A project that is open.

    Attributes:
        folder: Its folder.
        config: Its config file, if it has one.
        skeleton: The keypoints.
        individuals: Names of animals; empty for one without a name.
        label_files: The label files, in the order of the views where there are several cameras.
        views: The cameras; None for one.
        video_dir: The folder of its videos, which need not exist.
        places: What the app may read.
    """

    folder: Path
    config: Path | None
    skeleton: Skeleton
    individuals: tuple[str, ...]
    label_files: tuple[LabelFile, ...]
    views: ViewNames | None
    video_dir: Path
    places: Places

    @property
    def app_folder(self) -> Path:
        """Where the app keeps its journal."""
        return self.folder / APP_FOLDER

    def videos(self) -> list[Path]:
        """The videos of the project, by name, those that links lead to outside included."""
        return list(find_videos(self.video_dir).files) if self.video_dir.is_dir() else []

    def label_file_of(self, video: Path) -> str:
        """The name of the label file that new frames of a video go to.

        Raises:
            ProjectError: The name of the video says none of the views.
        """
        if self.views is None:
            return self.label_files[0].path.name
        found = self.views.split(video.stem)
        if found is None:
            raise ProjectError(
                f"the name of the video does not end in a view: {', '.join(self.views.names)}",
                where=video,
                remedy="rename it to SESSION_VIEW",
            )
        return self.label_files[self.views.names.index(found.view)].path.name


def is_new(path: Path) -> bool:
    """Whether there is no project yet: no folder, or one without config, labels and videos."""
    if path.is_file():
        return False
    if not path.exists():
        return True
    return not (_configs(path) or find_label_files(path) or (path / "videos").is_dir())


def open_project(path: Path, folders: Sequence[Path] = ()) -> Project:
    """Open a project.

    Args:
        path: A config, or a project's folder, in which the config is ``config.yaml`` or the only
            YAML file; without one, its label files and the folder ``videos`` are taken.
        folders: What the app may read besides the project.

    Raises:
        LPError: It is none, or cannot be read.
    """
    if not path.exists():
        raise ProjectError("there is no such project", where=path)
    hint = conversion_hint(path)
    if hint is not None and not (path.is_dir() and find_label_files(path)):
        raise ProjectError("this is a project of another tool", where=path, remedy=hint)
    file = path if path.is_file() else _config_of(path)
    config = Config() if file is None else load_config(file).config
    if config.data.data_dir is None:
        config.data.data_dir = str((path.parent if path.is_file() else path).absolute())
    folder = paths.data_dir(config)
    if not folder.is_dir():
        raise ProjectError("there is no folder of the project", where=folder)
    video_dir = paths.video_dir(config) or folder / "videos"
    places = Places.of([folder, video_dir, *folders])
    files = _label_files(config, folder)
    skeleton, read = _labels(config, files)
    return Project(
        folder,
        file,
        skeleton,
        _individuals(files, read),
        read,
        get_views(config),
        video_dir,
        places,
    )


def _configs(folder: Path) -> list[Path]:
    return [path for pattern in _YAML for path in visible(folder, pattern)]


def _config_of(folder: Path) -> Path | None:
    """The config of a folder; None where it has none.

    Raises:
        ProjectError: It has several, and none is ``config.yaml``.
    """
    if (folder / CONFIG_FILE).is_file():
        return folder / CONFIG_FILE
    found = _configs(folder)
    if len(found) > 1:
        names = ", ".join(each.name for each in found)
        raise ProjectError(
            f"the folder has several configs: {names}",
            where=folder,
            remedy=f"name one of them: litpose app {found[0]}",
        )
    return found[0] if found else None


def _label_files(config: Config, folder: Path) -> list[Path]:
    """The label files that the config names, or those in the folder where it names none there."""
    named = paths.csv_files(config)
    if config.data.view_names or any(file.exists() for file in named):
        return named
    return find_label_files(folder) or [folder / LABEL_FILE]


def _labels(config: Config, files: Sequence[Path]) -> tuple[Skeleton, tuple[LabelFile, ...]]:
    """The keypoints, and the label files; those that are not there yet have no labels.

    Raises:
        ProjectError: Nothing names the keypoints.
        PoseError: A label file cannot be read.
    """
    read = {file: read_label_file(file) for file in files if file.exists()}
    data = config.data
    first = next(iter(read.values()), None)
    names = first.keypoints if first else tuple(data.keypoint_names or ())
    if not names:
        raise ProjectError(
            "nothing names the keypoints: there is neither a label file nor data.keypoint_names",
            where=files[0],
            remedy="name them in the config",
        )
    edges, sides = (
        tuple(pair for pair in as_pairs(pairs) if set(pair) <= set(names))
        for pairs in (data.skeleton, data.left_right)
    )
    skeleton = Skeleton(names, edges, sides)
    whole = [read[file] if file in read else LabelFile(file, names) for file in files]
    return skeleton, tuple(whole)


def _individuals(files: Sequence[Path], read: Sequence[LabelFile]) -> tuple[str, ...]:
    """The animals that the headers name."""
    named = (
        name
        for path, file in zip(files, read, strict=True)
        if file.several
        for name in named_animals(path)
    )
    return tuple(dict.fromkeys(named))


def with_individuals(project: Project, names: Sequence[str]) -> Project:
    """The project with names of animals that its label files need not have yet.

    Files without any label name individuals from now on.
    """
    every = tuple(dict.fromkeys((*project.individuals, *names)))
    if every:
        for file in project.label_files:
            file.several = file.several or not file.frames
    return replace(project, individuals=every)
