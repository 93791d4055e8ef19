"""Empty classes in the place of those that Lightning Pose pickles its options with."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from lp_io.untrusted.content import ContentError

_DEEPEST = 20
_MOST_VALUES = 100_000


class StandIn:
    """Holds what a pickle says of an object, and does nothing."""


_NODES = ("AnyNode", "BooleanNode", "BytesNode", "EnumNode", "FloatNode", "IntegerNode", "PathNode")

STAND_INS: dict[str, Any] = {
    "omegaconf.base:ContainerMetadata": StandIn,
    "omegaconf.base:Metadata": StandIn,
    "omegaconf.dictconfig:DictConfig": StandIn,
    "omegaconf.listconfig:ListConfig": StandIn,
    **{f"omegaconf.nodes:{name}": StandIn for name in (*_NODES, "StringNode")},
    "typing:Any": StandIn,
    **{f"builtins:{name}": StandIn for name in ("dict", "list", "int", "float", "str", "bool")},
    "collections:defaultdict": defaultdict,
}
"""By ``module:name``, what takes the place of an object."""

OLD_NAMES = frozenset(
    f"__builtin__ {name}"
    for name in ("dict", "list", "int", "long", "float", "str", "unicode", "bool")
)
"""What a pickle of the second protocol, which torch writes, may call built-in types."""


def plain(value: Any) -> Any:
    """Plain values out of a container of OmegaConf, or out of what holds such containers.

    What is neither is None.

    Raises:
        ContentError: There are more values than any options have; a small pickle can name one list
            any number of times.
    """
    return _Plain().of(value)


class _Plain:
    """Counts the values that it makes plain."""

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        """A value without containers of OmegaConf."""
        self._left -= 1
        if self._left < 0:
            raise ContentError("the options hold more values than those of any model")
        if depth > _DEEPEST:
            return None
        if isinstance(value, StandIn):
            state = vars(value)
            return self.of(state.get("_content", state.get("_val")), depth + 1)
        if isinstance(value, dict):
            named = ((name, item) for name, item in value.items() if isinstance(name, str | int))
            return {str(name): self.of(item, depth + 1) for name, item in named}
        if isinstance(value, list | tuple):
            return [self.of(item, depth + 1) for item in value]
        return value if isinstance(value, str | int | float) else None
