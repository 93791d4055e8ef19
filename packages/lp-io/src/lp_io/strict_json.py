"""JSON that can be read in one way only: no repeated keys, no NaN."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

MAX_BYTES = 64 * 1024 * 1024


class JSONContentError(ValueError):
    """Text that is not strict JSON; the message says why."""


def parse(text: bytes | str, decode: Callable[[dict[str, Any]], Any] = dict) -> Any:
    """The value of a strict JSON text.

    Args:
        text: The text.
        decode: What to make of each object, the innermost first.

    Raises:
        JSONContentError: It is not JSON, repeats a key, holds NaN or infinity, or is nested so
            deeply that no tool would have written it.
    """

    def decoded(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise JSONContentError("a key is given twice")
        return decode(found)

    def refuse(constant: str) -> Any:
        raise JSONContentError(f"{constant} is not a JSON number")

    try:
        return json.loads(text, object_pairs_hook=decoded, parse_constant=refuse)
    except JSONContentError:
        raise
    except RecursionError as error:
        raise JSONContentError("it is nested too deeply") from error
    except ValueError as error:  # also undecodable bytes, and numbers with too many digits
        raise JSONContentError(str(error)) from error


def dump(value: Any, *, indent: int | None = None) -> str:
    """Strict JSON text of ``value``; tuples become lists.

    Raises:
        JSONContentError: ``value`` holds something that JSON cannot say.
    """
    try:
        return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise JSONContentError(str(error)) from error


def checksum(value: Any) -> str:
    """SHA-256 of ``value``, whatever the order of its keys or the layout of its text."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
