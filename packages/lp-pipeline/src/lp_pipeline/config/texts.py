"""Which keys hold text, whose characters are kept as they were written.

YAML reads ``2024.10``, ``007`` and ``1:30`` as numbers. As the name of a folder or a keypoint, each
of them is another name then.
"""

from __future__ import annotations

import re
import types
import typing
from typing import Any

from lp_pipeline.config.fields import config_fields
from lp_pipeline.config.report import KeyPath

_TEXTS: tuple[Any, ...] = (str, str | None)
_LISTS: tuple[Any, ...] = (list[str], list[str] | None)
_NESTED: tuple[Any, ...] = (list[list[str]], list[list[str]] | None)
_TEXT_OR_LIST = frozenset({("data", "csv_file"), ("data", "bbox_file")})
"""Keys of any type, of which a single value is text."""

_YAML = re.compile(
    r"""\s*(?:['"\[{].*|~|null|true|false|yes|no|on|off)?\s*""", re.IGNORECASE | re.DOTALL
)


def holds_text(path: KeyPath) -> bool:
    """Whether a single value at this place is text: that of a key, or an item of its list."""
    known, around = config_fields().get(path), config_fields().get(path[:-1])
    if known is not None:
        return known.annotation in _TEXTS or path in _TEXT_OR_LIST or _is_word(known.annotation)
    if around is not None:
        return around.annotation in _LISTS or path[:-1] in _TEXT_OR_LIST
    outer = config_fields().get(path[:-2])
    return outer is not None and outer.annotation in _NESTED


def _is_word(annotation: Any) -> bool:
    """Whether the type is a choice of words, or null."""
    if typing.get_origin(annotation) is typing.Literal:
        return True
    words = [kind for kind in typing.get_args(annotation) if kind is not types.NoneType]
    return bool(words) and all(typing.get_origin(kind) is typing.Literal for kind in words)


def is_plain_text(path: KeyPath, text: str) -> bool:
    """Whether an override's ``text`` for the key at ``path`` is meant as it stands.

    Quotes, lists, null and the words for truth values keep their meaning in YAML.
    """
    return holds_text(path) and not _YAML.fullmatch(text)


def swallowed(rest: str) -> str | None:
    """What YAML takes for a comment although it may be a value, such as ``#1``.

    Args:
        rest: What follows ``key:`` in the file.
    """
    line = (rest.splitlines() or [""])[0].strip()
    return line if re.match(r"#[^\s#]", line) else None
