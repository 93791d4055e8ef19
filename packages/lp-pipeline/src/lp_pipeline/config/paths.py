"""Where a config's folders and files are."""

from __future__ import annotations

from pathlib import Path

from lp_core.listing import visible
from lp_core.paths import foreign_path_hint, is_windows_path
from lp_pipeline.config.report import Report
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import ConfigError


def absolute_folder(data_dir: str, file: Path) -> Path:
    """``data.data_dir`` as an absolute path.

    Args:
        data_dir: What the config says; ``~`` is the user's home.
        file: The config.

    Returns:
        A relative folder is taken from the current folder; where it does not exist there, but
        exists from the config's own folder, from that one.
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
    """The label files.

    Raises:
        ConfigError: One is relative, and the config names no project folder.
    """
    names = config.data.csv_file
    return [in_project(config, name) for name in ([names] if isinstance(names, str) else names)]


def bbox_files(config: Config) -> dict[str, Path] | list[Path]:
    """The files of boxes of the labelled images, perhaps by view; none for whole images.

    Raises:
        ConfigError: One is relative, and the config names no project folder.
    """
    named = config.data.bbox_file or []
    if isinstance(named, dict):
        return {view: in_project(config, name) for view, name in named.items()}
    return [in_project(config, name) for name in ([named] if isinstance(named, str) else named)]


def video_dir(config: Config) -> Path | None:
    """The folder of unlabelled videos, or None.

    Raises:
        ConfigError: It is relative, and the config names no project folder.
    """
    name = config.data.video_dir
    return in_project(config, name) if name else None


def test_videos_directory(config: Config) -> Path | None:
    """The folder of videos to predict after training; None where there is none.

    Raises:
        ConfigError: It is relative, and the config names no project folder.
    """
    name = config.eval.test_videos_directory
    return in_project(config, name) if name else video_dir(config)


def check_paths(config: Config, report: Report) -> None:
    """Report folders and files that training needs and that do not exist."""
    if config.data.data_dir is None:
        report.problem("data.data_dir", "not set", "add data.data_dir=/path/to/the/project")
        return
    if not data_dir(config).is_dir():
        folder = data_dir(config)
        remedy = _foreign(folder) or _moved("data_dir")
        report.problem("data.data_dir", f"there is no folder {folder}", remedy)
        return
    if report.sound("data.csv_file"):
        for path in csv_files(config):
            if not path.is_file():
                report.problem("data.csv_file", f"there is no label file {path}", _csv_hint(path))
    if report.sound("data.bbox_file"):
        boxes = bbox_files(config)
        for path in boxes.values() if isinstance(boxes, dict) else boxes:
            if not path.is_file():
                report.problem("data.bbox_file", f"there is no box file {path}", _csv_hint(path))
    _check_videos(config, report)


def _moved(name: str) -> str:
    return f"if it was moved, add data.{name}=/where/it/is/now"


def _csv_hint(path: Path) -> str | None:
    """What to change about the path, or names of the tables that are there instead."""
    foreign = _foreign(path)
    if foreign:
        return foreign
    tables = visible(path.parent, "*.csv") if path.parent.is_dir() else []
    names = [item.name for item in tables[:5]]
    return f"there are: {', '.join(names)}" if names else None


def _foreign(path: Path) -> str | None:
    """What to change about a path of another system."""
    return foreign_path_hint(str(path))


def _check_videos(config: Config, report: Report) -> None:
    videos = video_dir(config)
    if config.model.losses_to_use and videos is None:
        names = ", ".join(config.model.losses_to_use)
        report.problem(
            "data.video_dir", f"not set, but the losses {names} learn from unlabelled videos"
        )
    if videos is not None and not videos.is_dir():
        remedy = _foreign(videos) or _moved("video_dir")
        report.problem("data.video_dir", f"there is no folder {videos}", remedy)
    tests = test_videos_directory(config) if config.eval.test_videos_directory else None
    if tests not in (None, videos) and not tests.is_dir():
        key = "eval.test_videos_directory"
        report.problem(key, f"there is no folder {tests}", _foreign(tests))


def check_weights(config: Config, report: Report) -> None:
    """Report weights to start from that do not exist."""
    model = config.model
    weights, start = model.backbone_checkpoint, model.checkpoint
    if weights and not Path(weights).is_file():
        key = "model.backbone_checkpoint"
        report.problem(key, f"there is no file {weights}", foreign_path_hint(weights))
    if start and not Path(start).exists():
        report.problem("model.checkpoint", f"there is no {start}", foreign_path_hint(start))
