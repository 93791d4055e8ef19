"""Folders that appear whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from lp_core.errors import unwritable
from lp_io.errors import ConversionError
from lp_io.training_lock import check_free

Videos = Literal["link", "copy", "none"]
VIDEO_FOLDER = "videos"


@contextmanager
def folder_beside(
    target: Path, *, overwrite: bool, mark: str, used: Iterable[Path] = ()
) -> Iterator[Path]:
    """A folder beside ``target`` to write to; it takes that name when the block ends well.

    Args:
        target: The final name.
        overwrite: Replace what an earlier conversion left there.
        mark: The name of a file that tells such a folder from others; the block writes it.
        used: What the new folder is made from; nothing of it may lie in ``target``.

    Raises:
        ConversionError: ``target`` is there already and is not to be replaced, or the disk fails.
    """
    _check_target(target, overwrite=overwrite, mark=mark)
    check_apart(target, used)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
        try:
            beside.chmod(0o755)
            yield beside
            _put_in_place(beside, target)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
    except OSError as error:
        raise unwritable(ConversionError, "the folder", target, error) from error


def _check_target(target: Path, *, overwrite: bool, mark: str) -> None:
    """Refuse to replace what is not to be replaced, and what no conversion has made."""
    if not target.exists() or (target.is_dir() and not any(target.iterdir())):
        return
    if not overwrite:
        raise ConversionError(
            "it is there already", where=target, remedy="choose another name, or add --overwrite"
        )
    if not (target / mark).is_file():
        raise ConversionError(
            "it is there already, and no conversion has made it, so it is not replaced",
            where=target,
            remedy=f"choose another name (--overwrite replaces folders with a {mark} only)",
        )
    check_free(target)


def check_apart(target: Path, used: Iterable[Path]) -> None:
    """Refuse a target that would replace what it is made from.

    Raises:
        ConversionError: Something that is ``used`` is the target, or lies in it.
    """
    place = target.resolve()
    inside = next((path for path in used if path.resolve().is_relative_to(place)), None)
    if target.exists() and inside is not None:
        raise ConversionError(
            f"{inside} would be replaced by what is made from it",
            where=target,
            remedy="choose another target",
        )


def _put_in_place(beside: Path, target: Path) -> None:
    if not target.exists():
        beside.rename(target)
        return
    old = beside.with_name(f"{beside.name}.old")
    target.rename(old)
    beside.rename(target)
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink()


def place_video(video: Path, folder: Path, how: Videos) -> Path:
    """Link or copy a video into a folder; where the system refuses links, it is copied.

    Returns:
        Its path in the folder; another name than its own where that is taken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place, count = folder / video.name, 1
    while place.is_symlink() or place.exists():
        count += 1
        place = folder / f"{video.stem}_{count}{video.suffix}"
    if how == "link":
        try:
            place.symlink_to(video.resolve())
        except OSError:
            shutil.copyfile(video, place)
    else:
        shutil.copyfile(video, place)
    return place


def placed_videos(videos: Iterable[Path], project: Path, how: Videos) -> list[Path]:
    """The videos of labels as `place_video` puts them into the folder of a project."""
    return (
        [] if how == "none" else [place_video(one, project / VIDEO_FOLDER, how) for one in videos]
    )
