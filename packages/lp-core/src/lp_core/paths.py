"""Names written a little differently, paths of other systems, and what lies there already."""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from lp_core.errors import LPError, nearest_name

_NUMBER = re.compile(r"\d+")


def same_name(one: str, other: str) -> bool:
    """Whether two names differ at most in their Unicode form.

    macOS decomposes accents (``a`` and a combining diaeresis) that other systems compose (``ä``).
    """
    return unicodedata.normalize("NFC", one) == unicodedata.normalize("NFC", other)


def find_file(folder: Path, name: str) -> Path | None:
    """The file ``name`` in ``folder``, in whichever Unicode form it is there; None if none is."""
    if (folder / name).is_file():
        return folder / name
    if name.isascii():
        return None
    found = folder
    for part in name.split("/"):
        found = _entry_named(found, part)
    return found if found.is_file() else None


def nearest_file(folder: Path, name: str) -> str | None:
    """The file in ``folder`` that is most likely meant by a name that no file has; None if none is.

    It may differ in capital letters, in its ending, in zeros before a number, or by a slip; but not
    in a number, which would be another frame. Names are relative paths with forward slashes.
    """
    found: list[str] = []
    parts = name.split("/")
    for part in parts:
        last = len(found) == len(parts) - 1
        match = _nearest(part, _entries(folder.joinpath(*found)), is_file=last)
        if match is None:
            return None
        found.append(match)
    return "/".join(found) if folder.joinpath(*found).is_file() else None


def is_windows_path(text: str) -> bool:
    """Whether a text is an absolute path of Windows on a machine with another system."""
    return os.name != "nt" and bool(PureWindowsPath(text).drive)


def foreign_path_hint(text: str) -> str | None:
    """What to change about a path that another system has written; None where it is one of here.

    Args:
        text: A path that was not found.
    """
    if os.name == "nt" or ("\\" not in text and not is_windows_path(text)):
        return None
    if is_windows_path(text):
        return "this is a path of Windows; write where it is on this machine, as in /path/to/it"
    forward = text.replace("\\", "/")
    return f"backslashes part folders on Windows only; write '{forward}'"


def _entry_named(folder: Path, name: str) -> Path:
    """The entry of a folder in whichever Unicode form; the folder is listed only if need be."""
    if name.isascii() or (folder / name).exists():
        return folder / name
    same = (entry for entry in _entries(folder) if same_name(entry, name))
    return folder / next(same, name)


def _entries(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in folder.iterdir())
    except OSError:
        return []


def _nearest(name: str, entries: list[str], *, is_file: bool) -> str | None:
    """The entry that is most like ``name``."""
    if name in entries:
        return name
    for part in (str, _stem) if is_file else (str,):
        alike = [entry for entry in entries if _folded(part(entry)) == _folded(part(name))]
        if alike:
            return alike[0]
    numbers = _numbers(name)
    return nearest_name(name, [entry for entry in entries if _numbers(entry) == numbers])


def _stem(name: str) -> str:
    return Path(name).stem


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _numbers(name: str) -> list[int]:
    return [int(number[:18]) for number in _NUMBER.findall(name)]


def is_newer(path: Path, other: Path) -> bool:
    """Whether a file is there and was made after another one, from which it follows."""
    return path.exists() and path.stat().st_mtime_ns >= other.stat().st_mtime_ns


def refuse_existing(*paths: Path, overwrite: bool) -> None:
    """Refuse to replace files, unless that is asked for.

    Raises:
        LPError: One of them exists.
    """
    for path in paths:
        if path.exists() and not overwrite:
            raise LPError("this file exists already", where=path, remedy="--overwrite replaces it")


def check_output_file(path: Path, endings: Sequence[str]) -> None:
    """Refuse a file to write that is a folder, or whose name has none of the endings."""
    if path.suffix.lower() not in endings:
        ending = f"a file that ends in '{path.suffix}'" if path.suffix else "a file without ending"
        raise LPError(
            f"{ending} cannot be written here",
            where=path,
            remedy=f"give a name that ends in {' or '.join(endings)}",
        )
    if path.is_dir():
        raise LPError("this is a folder", where=path, remedy="give the name of a file in it")


def check_output_folder(path: Path) -> None:
    """Refuse a folder whose name a file has."""
    if path.exists() and not path.is_dir():
        raise LPError(
            "this is a file, but results go into a folder",
            where=path,
            remedy="give the name of a folder, which need not exist yet",
        )


def refuse_same_names(inputs: Sequence[Path], remedy: str = "rename one of them") -> None:
    """Refuse inputs whose predictions would go to one and the same file."""
    names = Counter(path.stem for path in inputs)
    same = [path for path in inputs if names[path.stem] > 1]
    if same:
        raise LPError(
            "inputs of the same name would be predicted into the same file",
            where=", ".join(map(str, same)),
            remedy=remedy,
        )


def view_and_file(text: str) -> tuple[str, Path]:
    """The view and the file of ``VIEW=FILE``.

    Raises:
        LPError: It is not such a text.
    """
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise LPError(
            f"'{text}' does not say which view a file is of", remedy="write it as VIEW=FILE"
        )
    return name, Path(path)
