"""Nested Python values as JSON and a list of tensors, and back, without loss.

Texts, whole numbers, truth values, None, finite floats, lists, and mappings from texts are JSON's
own. Anything else is a JSON mapping with the key ``$``, which names its kind; what cannot be said
so is refused, never turned into something alike.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lp_io.errors import TrainingStateError
from lp_io.tensor_file import dtype_name

_KIND, _VALUE = "$", "value"
_PLAIN = (str, int, bool, type(None))
_MAPPINGS: dict[str, type] = {"dict": dict, "ordered": OrderedDict}
_SPECIAL_FLOATS = ("nan", "inf", "-inf")


class Encoder:
    """Turns values into JSON and collects their tensors by name.

    Attributes:
        tensors: The tensors so far; a name tells where in the value the tensor is.
    """

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}

    def encode(self, value: Any, place: str = "state") -> Any:
        """``value`` as JSON.

        Args:
            value: The value.
            place: Where it is, for names and messages.

        Raises:
            TrainingStateError: It holds something that cannot be stored; the message says where.
        """
        if type(value) in _PLAIN:
            return value
        if type(value) is float:
            return value if math.isfinite(value) else _tagged("float", str(value))
        if type(value) is list:
            return self._items(value, place)
        if type(value) in (tuple, torch.Size):
            return _tagged("tuple", self._items(value, place))
        if type(value) in (dict, OrderedDict):
            return self._mapping(value, place)
        return self._array(value, place)

    def _items(self, values: Any, place: str) -> list[Any]:
        return [self.encode(value, f"{place}/{number}") for number, value in enumerate(values)]

    def _mapping(self, value: Mapping[Any, Any], place: str) -> Any:
        if type(value) is dict and all(type(key) is str and key != _KIND for key in value):
            return {key: self.encode(item, f"{place}/{key}") for key, item in value.items()}
        pairs = [
            [self.encode(key, f"{place}, key"), self.encode(item, f"{place}/{key}")]
            for key, item in value.items()
        ]
        return _tagged("ordered" if type(value) is OrderedDict else "dict", pairs)

    def _array(self, value: Any, place: str) -> Any:
        if isinstance(value, Tensor):
            return _tagged("tensor", self._store(value.detach(), place))
        if isinstance(value, np.generic | np.ndarray):
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            try:
                return _tagged(kind, self._store(torch.from_numpy(np.array(value)), place))
            except TypeError:  # an element type that torch does not know
                pass
        raise TrainingStateError(
            f"a {type(value).__module__}.{type(value).__qualname__} cannot be stored in a training "
            "state",
            where=place,
            remedy="give the callback or data module a state of plain values and tensors",
        )

    def _store(self, tensor: Tensor, place: str) -> str:
        if tensor.layout != torch.strided or dtype_name(tensor.dtype) is None:
            raise TrainingStateError(
                f"a tensor of type {tensor.dtype} and layout {tensor.layout} cannot be stored",
                where=place,
            )
        name = place
        while name in self.tensors:  # a key may hold the separator
            name += "'"
        self.tensors[name] = tensor
        return name


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {_KIND: kind, _VALUE: value}


def decode(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `Encoder.encode` turned into ``value``; its tensors are those of ``tensors``.

    Raises:
        TrainingStateError: ``value`` is not what an encoder makes.
    """
    if isinstance(value, list):
        return [decode(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _KIND not in value:
        return {key: decode(item, tensors) for key, item in value.items()}
    try:
        return _untagged(value[_KIND], value[_VALUE], tensors)
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingStateError("the training state is not consistent") from error


def _untagged(kind: str, value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if kind == "float" and value in _SPECIAL_FLOATS:
        return float(value)
    if kind == "tuple":
        return tuple(decode(item, tensors) for item in value)
    if kind in _MAPPINGS:
        pairs = ((decode(key, tensors), decode(item, tensors)) for key, item in value)
        return _MAPPINGS[kind](pairs)
    if kind == "tensor":
        return tensors[value]
    if kind == "array":
        return tensors[value].numpy()
    if kind == "scalar":
        return tensors[value].numpy()[()]
    raise ValueError(kind)
