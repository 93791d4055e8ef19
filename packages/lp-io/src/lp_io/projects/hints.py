"""The command that makes a project out of another tool's files, for whoever trains on those."""

from __future__ import annotations

from pathlib import Path

from lp_core.errors import LPError
from lp_core.text import quoted
from lp_io.projects.detection import Kind, detect

_FOREIGN = (Kind.DEEPLABCUT, Kind.SLEAP_LABELS, Kind.COCO_LABELS)


def conversion_hint(path: Path) -> str | None:
    """What another tool's labels are, and the command that converts them.

    Args:
        path: A folder, a file in it such as DeepLabCut's ``config.yaml``, or a file of labels.

    Returns:
        None where there are no such labels.
    """
    for place in _candidates(path):
        kind = _kind(place)
        if kind in _FOREIGN:
            shown = _as_written(place)
            target = shown.with_name(f"{place.stem.replace('.', '_')}_lp")
            command = f"litpose convert {quoted(shown)} {quoted(target)}"
            return f"this is {kind.value}; make a project of it with: {command}"
    return None


def _candidates(path: Path) -> list[Path]:
    """The path itself, the folder of a config, and the labels in a folder."""
    if path.is_dir():
        return [path, *sorted(path.glob("*.slp")), *sorted(path.glob("*.json"))]
    return [path, path.parent] if path.suffix.lower() in (".yaml", ".yml") else [path]


def _kind(path: Path) -> Kind | None:
    try:
        return detect(path)
    except (LPError, OSError):
        return None


def _as_written(place: Path) -> Path:
    """A path relative to the current folder where it lies in it."""
    absolute, here = place.absolute(), Path.cwd()
    return absolute.relative_to(here) if here in absolute.parents else absolute
