"""A training state as one safetensors file: its tensors, and in the header all else as JSON.

Texts, whole numbers, truth values, None, finite floats, lists, and mappings from texts are JSON's
own. Anything else is a JSON mapping with the key ``$``, which names its kind; what cannot be said
so is refused, never turned into something alike.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning.plugins.io import CheckpointIO
from torch import Tensor

from lp_core.atomic import atomic_write
from lp_core.errors import unwritable_as
from lp_core.trackers.weights import tensor_bytes
from lp_io import strict_json
from lp_io.errors import CheckpointError, TrainingStateError
from lp_io.tensor_file import dtype_name, read_tensor_file, write_tensor_file

FORMAT = "lp-training-state"
FORMAT_VERSION = "1"

_KIND, _VALUE = "$", "value"
_PLAIN = (str, int, bool, type(None))


class EncodedState:
    """A training state as text and tensors.

    Args:
        state: Nested mappings, lists and tuples of plain values, tensors and arrays.
        copy: Whether to copy all tensors to the host, so that the training may go on and change
            them before the state is written.

    Raises:
        TrainingStateError: The state holds something else; the message says where.
    """

    def __init__(self, state: Mapping[str, Any], *, copy: bool) -> None:
        self._tensors: dict[str, Tensor] = {}
        self._text = strict_json.dump(self._encoded(dict(state), "state"))
        if copy:
            self._tensors = {name: _on_host(tensor) for name, tensor in self._tensors.items()}

    def write(self, path: Path) -> None:
        """Write the state, replacing an existing file; it takes its name when it is on the disk.

        Raises:
            TrainingStateError: The file cannot be written.
        """
        metadata = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "state": self._text,
            "sha256": _digest(self._text, self._tensors),
        }
        what = "the training state"
        with unwritable_as(TrainingStateError, what, path), atomic_write(path) as temporary:
            write_tensor_file(temporary, self._tensors, metadata)

    def _encoded(self, value: Any, place: str) -> Any:
        """``value`` as JSON; ``place`` is where it is, for names and messages."""
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
        return [self._encoded(value, f"{place}/{number}") for number, value in enumerate(values)]

    def _mapping(self, value: Mapping[Any, Any], place: str) -> Any:
        if type(value) is dict and all(type(key) is str and key != _KIND for key in value):
            return {key: self._encoded(item, f"{place}/{key}") for key, item in value.items()}
        pairs = [
            [self._encoded(key, f"{place}, key"), self._encoded(item, f"{place}/{key}")]
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
        """Keep a tensor, and give the name under which it is kept."""
        if tensor.layout != torch.strided or dtype_name(tensor.dtype) is None:
            raise TrainingStateError(
                f"a tensor of type {tensor.dtype} and layout {tensor.layout} cannot be stored",
                where=place,
            )
        name = place
        while name in self._tensors:  # a key may hold the separator
            name += "'"
        self._tensors[name] = tensor
        return name


def _tagged(kind: str, value: Any) -> dict[str, Any]:
    return {_KIND: kind, _VALUE: value}


def _on_host(tensor: Tensor) -> Tensor:
    """A copy in the host's memory, in the order of the file."""
    copy = torch.empty_like(tensor, device="cpu", memory_format=torch.contiguous_format)
    return copy.copy_(tensor)


def write_training_state(path: str | Path, state: Mapping[str, Any]) -> None:
    """Write a training state; see `EncodedState`."""
    EncodedState(state, copy=False).write(Path(path))


def read_training_state(path: str | Path) -> Any:
    """Read what `write_training_state` wrote; tensors are on the CPU.

    Raises:
        TrainingStateError: The file is missing, is of a newer format, or was changed or damaged.
    """
    path = Path(path)
    try:
        file = read_tensor_file(path)
    except CheckpointError as error:
        raise TrainingStateError(error.problem, where=path, remedy=error.remedy) from error
    metadata = file.metadata
    if metadata.get("format") != FORMAT:
        raise TrainingStateError("this file holds no training state", where=path)
    if metadata.get("format_version") != FORMAT_VERSION:
        raise TrainingStateError(
            f"the training state has the format {metadata.get('format_version')}, this lp-io reads "
            f"{FORMAT_VERSION}",
            where=path,
            remedy="resume with the version that the training was started with",
        )
    text = metadata.get("state", "")
    if metadata.get("sha256") != _digest(text, file.tensors):
        raise TrainingStateError(
            "the training state was changed or damaged since it was written", where=path
        )
    try:
        state: dict[str, Any] = strict_json.parse(
            text, lambda value: _untagged(value, file.tensors)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingStateError("the training state is not consistent", where=path) from error
    return state


def _untagged(found: dict[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    """What a JSON mapping, whose values are decoded already, stands for."""
    if _KIND not in found:
        return found
    decoders: dict[str, Callable[[Any], Any]] = {
        "float": float,
        "tuple": tuple,
        "dict": dict,
        "ordered": OrderedDict,
        "tensor": tensors.__getitem__,
        "array": lambda name: tensors[name].numpy(),
        "scalar": lambda name: tensors[name].numpy()[()],
    }
    return decoders[found[_KIND]](found[_VALUE])


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    """A hash of everything that a training state says, in hexadecimal."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name}\n{tensor.dtype}\n{list(tensor.shape)}\n".encode())
        digest.update(tensor_bytes(tensor))
    return digest.hexdigest()


class TrainingStateIO(CheckpointIO):
    """Stores Lightning's checkpoints as safetensors with JSON instead of a pickle.

    Give it to the trainer: ``Trainer(plugins=[TrainingStateIO()])``. Optimisers, schedules,
    callbacks, loops, loaders and whatever else Lightning puts in a checkpoint come back exactly.

    Args:
        in_background: Copy the state, and leave it to a thread to hash and write the copy while the
            training goes on. Until that is done, the file before it is the newest. For use with
            `TrainingStateSaver`, which waits where it must.
    """

    def __init__(self, *, in_background: bool = False) -> None:
        super().__init__()
        self._in_background = in_background
        self._written: Future[None] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint; the file appears whole or not at all.

        Raises:
            TrainingStateError: It holds something other than plain values, tensors and arrays, or
                the file cannot be written; in the background, that the one before could not.
        """
        if not self._in_background:
            write_training_state(path, checkpoint)
            return
        self.wait()
        writer = ThreadPoolExecutor(max_workers=1)  # Python waits for it before it ends
        self._written = writer.submit(EncodedState(checkpoint, copy=True).write, Path(path))
        writer.shutdown(wait=False)

    def wait(self) -> None:
        """Wait until what is being written is on the disk.

        Raises:
            TrainingStateError: It could not be written.
        """
        written, self._written = self._written, None
        if written is not None:
            written.result()

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint to the CPU, from which Lightning moves it; only values are ever read.

        Raises:
            TrainingStateError: The file is missing or cannot be trusted.
        """
        self.wait()
        return read_training_state(path)

    def teardown(self) -> None:
        """Wait until what is being written is on the disk."""
        self.wait()

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint, if it is there."""
        self.wait()
        Path(path).unlink(missing_ok=True)
