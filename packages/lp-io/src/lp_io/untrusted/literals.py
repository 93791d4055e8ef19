"""Lists, tuples, dicts, texts and numbers out of the attributes that PyTables pickles.

pandas' table format keeps column names in pickled attributes. Unpickling runs whatever a file says;
here the opcodes are read as text, and only those that build plain values are understood. Nothing is
imported, called or constructed beyond built-in containers.
"""

from __future__ import annotations

import pickletools  # parses opcodes; executes nothing
from typing import Any

from lp_io.untrusted.content import ContentError

_MARK = object()
_LITERALS = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "FLOAT", "BINFLOAT", "UNICODE",
    "BINUNICODE", "SHORT_BINUNICODE", "STRING", "BINSTRING", "SHORT_BINSTRING",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_IGNORED = {"PROTO", "FRAME"}
_MOST_BYTES = 8 * 1024 * 1024


def plain_value(pickled: bytes) -> Any:
    """The value of a pickle of plain containers, texts and numbers.

    Args:
        pickled: Such as an attribute that PyTables wrote.

    Raises:
        ContentError: It is no pickle, or would build anything else.
    """
    if len(pickled) > _MOST_BYTES:
        raise ContentError("a pickled attribute is larger than any list of column names")
    reader = _Reader()
    try:
        for opcode, argument, _ in pickletools.genops(pickled):
            if opcode.name == "STOP":
                return reader.stack.pop()
            reader.step(opcode.name, argument)
    except ContentError:
        raise
    except Exception as error:  # an empty stack, a missing memo, torn text
        raise ContentError("a pickled attribute is damaged") from error
    raise ContentError("a pickled attribute is damaged")


class _Reader:
    """The stack and the memo of a pickle that builds plain values."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in _IGNORED:
            return
        if name in _LITERALS:
            self.stack.append(argument)
        elif name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        else:
            action = getattr(self, f"_{name.lower()}", None)
            if action is None:
                raise ContentError(
                    f"a pickled attribute does more than hold names ({name}), and is not opened",
                    "save the table again with a newer pandas, or as CSV",
                )
            action(argument)

    def _mark(self, _: Any) -> None:
        self.stack.append(_MARK)

    def _since_mark(self) -> list[Any]:
        place = len(self.stack) - 1
        while self.stack[place] is not _MARK:
            place -= 1
            if place < 0:
                raise ContentError("a pickled attribute is damaged")
        found = self.stack[place + 1 :]
        del self.stack[place:]
        return found

    def _list(self, _: Any) -> None:
        self.stack.append(self._since_mark())

    def _tuple(self, _: Any) -> None:
        self.stack.append(tuple(self._since_mark()))

    def _dict(self, _: Any) -> None:
        items = self._since_mark()
        self.stack.append(dict(zip(_keys(items), items[1::2], strict=True)))

    def _empty_list(self, _: Any) -> None:
        self.stack.append([])

    def _empty_tuple(self, _: Any) -> None:
        self.stack.append(())

    def _empty_dict(self, _: Any) -> None:
        self.stack.append({})

    def _tuple1(self, _: Any) -> None:
        self._last(1)

    def _tuple2(self, _: Any) -> None:
        self._last(2)

    def _tuple3(self, _: Any) -> None:
        self._last(3)

    def _last(self, count: int) -> None:
        found = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(found)

    def _append(self, _: Any) -> None:
        item = self.stack.pop()
        self.stack[-1].append(item)

    def _appends(self, _: Any) -> None:
        items = self._since_mark()
        self.stack[-1].extend(items)

    def _setitem(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1].update(zip(_keys([key]), [value], strict=True))

    def _setitems(self, _: Any) -> None:
        items = self._since_mark()
        self.stack[-1].update(zip(_keys(items), items[1::2], strict=True))

    def _put(self, place: Any) -> None:
        self.memo[int(place)] = self.stack[-1]

    _binput = _long_binput = _put

    def _memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def _get(self, place: Any) -> None:
        self.stack.append(self.memo[int(place)])

    _binget = _long_binget = _get


def _keys(items: list[Any]) -> list[Any]:
    """Every other item, if all are texts or numbers: to hash a nested tuple may take for ever."""
    keys = items[::2]
    if not all(key is None or isinstance(key, str | int | float) for key in keys):
        raise ContentError("a pickled attribute names its values by something else than texts")
    return keys
