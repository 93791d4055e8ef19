"""Where a config's folders and files are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lp_core.listing import visible
from lp_core.paths import foreign_path_hint, is_windows_path
from lp_io.documents.report import Report
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import ConfigError


def absolute_folder(data_dir: str, file: Path) -> Path:
    """``data.data_dir``, of the config in ``file``, as an absolute path.

    A relative folder is taken from the current folder; where it does not exist there, but exists
    from the config's own folder, from that one. ``~`` is the user's home.
    """
    folder = Path(data_dir).expanduser()
    if is_windows_path(data_dir):
        return folder  # of another machine; told as it was written
    from_config = file.absolute().parent / folder
    if not folder.exists() and from_config.exists():
        return from_config
    return folder.absolute()


def data_dir(config: Config) -> Path:
    """The project's folder.

    Raises:
        ConfigError: The config does not name one.
    """
    if config.data.data_dir is None:
        raise ConfigError(
            "data.data_dir is not set", remedy="add data.data_dir=/path/to/the/project"
        )
    return Path(config.data.data_dir)


def in_project(config: Config, name: str) -> Path:
    """A file or folder of the project: absolute, or relative to ``data.data_dir``.

    Raises:
        ConfigError: It is relative, and the config names no project folder.
    """
    path = Path(name).expanduser()
    absolute = path.is_absolute() or is_windows_path(name)
    return path if absolute else data_dir(config) / path


def csv_files(config: Config) -> list[Path]:
    """The label files, as `in_project` finds them."""
    return [in_project(config, name) for name in _listed(config.data.csv_file)]


def bbox_files(config: Config) -> dict[str, Path] | list[Path]:
    """The files of boxes of the labelled images, perhaps by view; none for whole images."""
    named = config.data.bbox_file or []
    if isinstance(named, dict) and config.data.view_names:  # images of views have other paths
        named = list(named.values())
    if isinstance(named, dict):
        return {view: in_project(config, name) for view, name in named.items()}
    return [in_project(config, name) for name in _listed(named)]


def view_files(config: Config) -> dict[str, Path]:
    """The label file of each view; empty where there is one camera."""
    views = config.data.view_names
    return dict(zip(views, csv_files(config), strict=True)) if views else {}


def label_copies(config: Config) -> list[str]:
    """The names under which a model directory keeps the label files, in their order.

    They are those of the files, or of several views with files of the same name also the views'.
    """
    files = [Path(n) for n in _listed(config.data.csv_file)]
    names = [file.name for file in files]
    if len(set(names)) == len(names) or not config.data.view_names:
        return names
    views = config.data.view_names
    return [f"{file.stem}_{view}.csv" for file, view in zip(files, views, strict=True)]


def _listed(names: str | list[str]) -> list[str]:
    return [names] if isinstance(names, str) else names


def video_dir(config: Config) -> Path | None:
    """The folder of unlabelled videos, or None."""
    name = config.data.video_dir
    return in_project(config, name) if name else None


def test_videos_directory(config: Config) -> Path | None:
    """The folder of videos to predict after training; None where there is none."""
    name = config.eval.test_videos_directory
    return in_project(config, name) if name else video_dir(config)


def check_paths(config: Config, report: Report) -> None:
    """Report folders and files that training needs and that do not exist."""
    data = config.data
    if data.data_dir is None:
        report.problem("data.data_dir", "not set", "add data.data_dir=/path/to/the/project")
        return
    if not _check_folder("data.data_dir", data_dir(config), report):
        return
    if report.sound("data.csv_file"):
        _check_files("data.csv_file", "label file", csv_files(config), report)
    if report.sound("data.bbox_file"):
        boxes = bbox_files(config)
        named = boxes.values() if isinstance(boxes, dict) else boxes
        _check_files("data.bbox_file", "box file", named, report)
    if data.extra_labels and report.sound("data.extra_labels"):
        extra = in_project(config, data.extra_labels)
        _check_files("data.extra_labels", "table of extra labels", [extra], report)
    if data.camera_params_file and report.sound("data.camera_params_file"):
        cameras = in_project(config, data.camera_params_file)
        _check_files("data.camera_params_file", "table of cameras", [cameras], report)
    videos = video_dir(config)
    if config.model.losses_to_use and videos is None:
        names = ", ".join(config.model.losses_to_use)
        problem = f"not set, but the losses {names} learn from unlabelled videos"
        report.problem("data.video_dir", problem)
    if videos is not None:
        _check_folder("data.video_dir", videos, report)
    tests = test_videos_directory(config)
    if tests is not None and tests != videos:
        _check_folder("eval.test_videos_directory", tests, report)


def _check_folder(key: str, folder: Path, report: Report) -> bool:
    """Whether a folder is there; else it is reported."""
    if not folder.is_dir():
        remedy = f"if it was moved, add {key}=/where/it/is/now"
        remedy = foreign_path_hint(str(folder)) or remedy
        report.problem(key, f"there is no folder {folder}", remedy)
    return folder.is_dir()


def _check_files(key: str, what: str, files: Iterable[Path], report: Report) -> None:
    """Report files that are not there, with names of the tables that are there instead."""
    for path in files:
        if not path.is_file():
            tables = visible(path.parent, "*.csv") if path.parent.is_dir() else []
            names = ", ".join(item.name for item in tables[:5])
            remedy = foreign_path_hint(str(path)) or (f"there are: {names}" if names else None)
            report.problem(key, f"there is no {what} {path}", remedy)


def check_weights(config: Config, report: Report) -> None:
    """Report weights to start from that do not exist."""
    weights, start = config.model.backbone_checkpoint, config.model.checkpoint
    if weights and not Path(weights).is_file():
        key = "model.backbone_checkpoint"
        report.problem(key, f"there is no file {weights}", foreign_path_hint(weights))
    if start and not Path(start).exists():
        report.problem("model.checkpoint", f"there is no {start}", foreign_path_hint(start))
