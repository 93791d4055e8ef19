"""Write a plug-in distribution with a tracker, ready to install and to change."""

from __future__ import annotations

import keyword
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from lp_core.errors import LPError, unwritable
from lp_core.registry import MODELS, registered

SUFFIX = ".template"
_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


class ScaffoldError(LPError):
    """A plug-in that cannot be written under a name, or in a folder."""


@dataclass(frozen=True)
class PluginNames:
    """What a plug-in and its parts are called; ``name`` is the one for ``model.model_type``."""

    name: str

    @property
    def module(self) -> str:
        """The import package."""
        return f"{self.name.removesuffix('_tracker')}_tracker"

    @property
    def distribution(self) -> str:
        """The distribution, which is also the folder's usual name."""
        return self.module.replace("_", "-")

    @property
    def title(self) -> str:
        """What class names begin with."""
        words = self.name.removesuffix("_tracker").split("_")
        return "".join(word.capitalize() for word in words)

    def values(self) -> dict[str, str]:
        """What the templates' placeholders stand for."""
        own = {key: getattr(self, key) for key in ("name", "module", "distribution", "title")}
        return own | {key: _range(key.replace("_", "-")) for key in ("lp_core", "lp_models")}


def checked_names(name: str) -> PluginNames:
    """The names that follow from ``name``.

    Raises:
        ScaffoldError: It is not a name for a module, or is taken.
    """
    if not _NAME.fullmatch(name) or keyword.iskeyword(name):
        guess = _mended(name)
        raise ScaffoldError(
            f"'{name}' cannot name a model: use lower-case letters, digits and underscores, "
            "beginning with a letter",
            remedy=f"litpose new-model {guess}" if guess else None,
        )
    taken = registered(MODELS).get(name)
    if taken is not None:
        raise ScaffoldError(
            f"there is a model '{name}' already, of {taken.distribution} {taken.version}",
            remedy="choose another name; `litpose list models` lists those that are taken",
        )
    return PluginNames(name)


def _mended(name: str) -> str | None:
    """A name that can be used, made of what can be kept of ``name``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    guess = re.sub(r"[^a-z0-9]+", "_", spaced).strip("_").lstrip("0123456789_")
    if keyword.iskeyword(guess):
        guess += "_model"
    return guess if _NAME.fullmatch(guess) else None


def write_plugin(names: PluginNames, folder: Path) -> None:
    """Write the distribution; ``folder`` appears whole or not at all.

    Raises:
        ScaffoldError: The folder holds something already, or cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ScaffoldError(
            "there is something already", where=folder, remedy="name another --folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}.") as beside:
            whole = Path(beside) / "plugin"
            _write_files(names, whole)
            if folder.exists():
                folder.rmdir()  # it is empty
            whole.rename(folder)
    except OSError as error:
        raise unwritable(ScaffoldError, "the plug-in", folder, error) from error


def _write_files(names: PluginNames, folder: Path) -> None:
    root = files("lp_models").joinpath("templates", "new_model")
    for parts, template in _templates(root, ()):
        path = folder.joinpath(*(part.replace("package", names.module) for part in parts))
        path.parent.mkdir(parents=True, exist_ok=True)
        text = Template(template.read_text(encoding="utf-8")).substitute(names.values())
        path.with_name(path.name.removesuffix(SUFFIX)).write_text(text, encoding="utf-8")


def _templates(
    folder: Traversable, parts: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], Traversable]]:
    """The templates below a folder, each with its path as parts."""
    for item in folder.iterdir():
        inner = (*parts, item.name)
        if item.is_dir():
            yield from _templates(item, inner)
        elif item.name.endswith(SUFFIX):
            yield inner, item


def _range(distribution: str) -> str:
    """The versions that work like the installed one: those that differ in the last part."""
    major, minor = version(distribution).split(".")[:2]
    return f">={major}.{minor},<{major}.{int(minor) + 1}"
