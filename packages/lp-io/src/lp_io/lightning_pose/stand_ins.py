"""Empty classes in the place of those that Lightning Pose pickles its options with."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

_DEEPEST = 20


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


def plain(value: Any, depth: int = 0) -> Any:
    """Plain values out of a container of OmegaConf, or out of what holds such containers.

    What is neither is None.
    """
    if depth > _DEEPEST:
        return None
    if isinstance(value, StandIn):
        state = vars(value)
        return plain(state.get("_content", state.get("_val")), depth + 1)
    if isinstance(value, dict):
        return {str(name): plain(item, depth + 1) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    return value if isinstance(value, str | int | float) else None
