"""What a finished table of predictions was made from, so that it is not taken for another's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lp_core.atomic import atomic_text
from lp_core.errors import unwritable_as
from lp_core.listing import visible
from lp_io.errors import FileFormatError

_CALIBRATION = "confidence_calibration"
_OTHERS = "together_with"
_HEAD = 2**16  # bytes; reading all of a video would take long


def source_path(table: Path) -> Path:
    """The file beside a table that says which video it is of, and which tracker predicted it."""
    return table.with_name(f"{table.stem}_source.json")


def write_weights(table: Path, weights_digest: str) -> None:
    """Say beside a table of labelled images which tracker predicted it; see `write_source`."""
    _write(source_path(table), {"weights": weights_digest})


def weights_of(table: Path) -> str | None:
    """The digest of the tracker that predicted a table; None where nothing tells it."""
    said = _read(source_path(table)).get("weights")
    return said if isinstance(said, str) and said else None


def is_of_other_weights(table: Path, weights_digest: str | None) -> bool:
    """Whether a table is known to be of another tracker, or of an earlier state of this one."""
    said = weights_of(table)
    return said is not None and weights_digest is not None and said != weights_digest


def write_source(
    table: Path,
    video: Path,
    weights_digest: str,
    calibration: Mapping[str, Any] | None = None,
    *,
    boxes: str | None = None,
    others: Sequence[Path] = (),
) -> None:
    """Say beside a table from what video, and by which tracker, it was made.

    Args:
        table: The table.
        video: The video.
        weights_digest: Of the tracker.
        calibration: What turns its confidences into probabilities, as plain values.
        boxes: The digest of the boxes that it looked at.
        others: The videos of other cameras that it looked at together with this one.

    Raises:
        FileFormatError: The file cannot be written.
    """
    said: dict[str, Any] = {"name": video.name, "video": _digest(video), "weights": weights_digest}
    if boxes is not None:
        said["boxes"] = boxes
    if others:
        said[_OTHERS] = sorted(map(_digest, others))
    if calibration is not None:
        said[_CALIBRATION] = dict(calibration)
    _write(source_path(table), said)


def _write(path: Path, said: Mapping[str, Any]) -> None:
    with unwritable_as(FileFormatError, "the file", path), atomic_text(path) as file:
        file.write(f"{json.dumps(said, indent=1)}\n")


def is_made_from(
    table: Path,
    video: Path,
    weights_digest: str,
    boxes: str | None = None,
    others: Sequence[Path] = (),
) -> bool:
    """Whether a table says that this tracker has predicted it from this video and these boxes."""
    said = _read(source_path(table))
    same = said.get("weights") == weights_digest and said.get("boxes") == boxes
    together = said.get(_OTHERS, []) == sorted(map(_digest, others))
    return same and together and said.get("video") == _digest(video)


def source_calibration(table: Path) -> dict[str, Any] | None:
    """The calibration of the tracker that predicted a table; None where nothing tells one."""
    content = _read(source_path(table)).get(_CALIBRATION)
    return content if isinstance(content, dict) else None


def check_source(
    table: Path,
    video: Path,
    weights_digest: str,
    boxes: str | None = None,
    others: Sequence[Path] = (),
) -> None:
    """Refuse a table as the predictions of ``video`` that says it was made from something else.

    A table that says nothing, such as that of another program, is taken as it is. Where the video
    lies and when it was copied there does not count.

    Raises:
        FileFormatError: The table is of another video, tracker or boxes, or was made together with
            other videos.
    """
    said = _read(source_path(table))
    if said.get("video", "") not in ("", _digest(video)):
        problem = f"{video} is not the video that was predicted there, although it has its name"
    elif said.get("weights", "") not in ("", weights_digest):
        problem = "another model, or another state of this one, has predicted the video there"
    elif said and said.get("boxes") != boxes:
        problem = "the video was predicted there with other boxes"
    elif said and said.get(_OTHERS, []) != sorted(map(_digest, others)):
        problem = "the video was predicted there together with other videos of its session"
    else:
        return
    remedy = "--overwrite predicts it again; --output-dir keeps both"
    raise FileFormatError(problem, where=table, remedy=remedy)


def _digest(video: Path) -> str:
    """Of a file's size and beginning, or of the names and sizes of those in a folder."""
    digest = hashlib.sha256()
    if video.is_dir():
        sizes = [(file.name, file.stat().st_size) for file in visible(video)]
        digest.update(json.dumps(sizes).encode())
    else:
        with video.open("rb") as file:
            digest.update(f"{video.stat().st_size} ".encode() + file.read(_HEAD))
    return digest.hexdigest()


def _read(path: Path) -> dict[str, Any]:
    """What a file says; nothing where it is missing or damaged."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
