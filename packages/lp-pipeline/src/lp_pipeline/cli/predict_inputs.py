"""What ``litpose predict`` is asked for, and its inputs by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from lp_data.video.listing import list_inputs
from lp_pipeline.errors import PredictionError


@dataclass(frozen=True)
class PredictRequest:
    """What the command line asks for."""

    model_dir: Path
    inputs: tuple[Path, ...]
    output_dir: Path | None
    labeled_video: bool
    overwrite: bool
    resume: bool
    device: str
    precision: str
    batch_size: int | None
    reader: str
    boxes: Path | None = None


@dataclass(frozen=True)
class Inputs:
    """The inputs by kind: label files, and videos or what counts as one."""

    label_files: tuple[Path, ...]
    videos: tuple[Path, ...]


def sort_inputs(paths: tuple[Path, ...]) -> Inputs:
    """Tell label files from videos.

    Raises:
        PredictionError: A path is not there, or is neither, or two would share their output.
    """
    labels: list[Path] = []
    videos: list[Path] = []
    for path in paths:
        if not path.exists():
            raise PredictionError("there is no such file or folder", where=path)
        if (path / "manifest.json").is_file():
            raise PredictionError(
                "this is a model directory, and no input",
                where=path,
                remedy="name the model once, then videos, folders of them, or label files",
            )
        if path.suffix.lower() == ".csv":
            labels.append(path)
        else:
            videos.extend(list_inputs(path))
    _refuse_same_names(labels, videos)
    return Inputs(tuple(labels), tuple(videos))


def _refuse_same_names(*kinds: list[Path]) -> None:
    """Refuse inputs whose predictions would go to one and the same file.

    Raises:
        PredictionError: There are some.
    """
    for paths in kinds:
        names = Counter(path.stem for path in paths)
        same = [path for path in paths if names[path.stem] > 1]
        if same:
            raise PredictionError(
                "inputs of the same name would be predicted into the same file",
                where=", ".join(map(str, same)),
                remedy="predict them one by one, each with another --output-dir",
            )
