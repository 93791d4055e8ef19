"""Read a Lightning checkpoint of Lightning Pose, trusting nothing in it.

Such a file is a zip archive with a pickle that names Python objects: the tensors' parts, and the
OmegaConf containers in which the package keeps its options. Three things keep it harmless. Its
opcodes are read before anything is built, and every name that they import must be on a list. The
pickle is then read by torch's restricted reader. And of OmegaConf only the names are known here:
empty classes stand in for its own, so that none of its code runs.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from torch import Tensor

from lp_io.errors import ConversionError
from lp_io.lightning_pose.stand_ins import OLD_NAMES, STAND_INS, plain
from lp_io.untrusted.content import reading

_TENSOR_PARTS = frozenset(
    {"torch._utils _rebuild_tensor_v2", "collections OrderedDict", "collections Counter"}
    | {
        f"torch {kind}Storage"
        for kind in ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Byte", "Bool")
    }
)
_ALLOWED = _TENSOR_PARTS | {name.replace(":", " ") for name in STAND_INS} | OLD_NAMES
_REFUSED = frozenset({"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX"})
_LARGEST_PICKLE = 64 * 2**20


@dataclass(frozen=True)
class LightningPoseCheckpoint:
    """What a checkpoint of Lightning Pose holds that matters.

    Attributes:
        path: The file.
        weights: Tensors by name, on the CPU.
        hyper_parameters: The options of the tracker that are plain values, by name.
    """

    path: Path
    weights: Mapping[str, Tensor]
    hyper_parameters: Mapping[str, Any]


def read_lightning_pose_checkpoint(path: Path) -> LightningPoseCheckpoint:
    """Read a ``.ckpt`` file of Lightning Pose.

    Args:
        path: The file.

    Raises:
        ConversionError: It is missing, is damaged, is no Lightning checkpoint, or imports something
            that a checkpoint of Lightning Pose does not need; nothing of it has run by then.
    """
    _check_archive(path)
    try:
        with torch.serialization.safe_globals(_replacements()):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (
        UnpicklingError,
        RuntimeError,
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        AssertionError,
        OverflowError,
        EOFError,
    ) as error:
        raise _damaged(path, f"{type(error).__name__}: {str(error)[:200]}") from error
    return _checked(path, content)


def _replacements() -> list[Any]:
    """What torch's reader gets for each name."""
    return [(kind, name.replace(":", ".")) for name, kind in STAND_INS.items()]


def _checked(path: Path, content: Any) -> LightningPoseCheckpoint:
    """The parts that matter, if they are what they should be."""
    weights = content.get("state_dict") if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not weights:
        raise ConversionError("this is no Lightning checkpoint: it has no weights", where=path)
    for name, value in weights.items():
        if not isinstance(name, str) or type(value) is not Tensor:
            raise _damaged(path, f"'{name}' is not a tensor")
    with reading(path, ConversionError, "a Lightning checkpoint"):
        hyper_parameters = plain(content.get("hyper_parameters"))
    return LightningPoseCheckpoint(
        path, dict(weights), hyper_parameters if isinstance(hyper_parameters, dict) else {}
    )


def _check_archive(path: Path) -> None:
    """Refuse a file that is not a plain zip archive with one harmless pickle."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
            pickles = [entry for entry in entries if entry.filename.endswith("data.pkl")]
            if packed or len(pickles) != 1 or pickles[0].file_size > _LARGEST_PICKLE:
                raise _damaged(path, "its archive is not laid out as torch does")
            for name in _imports(archive.read(pickles[0])):
                if name not in _ALLOWED:
                    raise ConversionError(
                        f"the checkpoint wants to import '{name.replace(' ', '.')}', which is no "
                        "part of a model",
                        where=path,
                        remedy="do not load it with any other program, unless you made it yourself",
                    )
    except FileNotFoundError as error:
        raise ConversionError("there is no such checkpoint", where=path) from error
    except OSError as error:
        raise ConversionError(
            f"the checkpoint cannot be read: {error.strerror or error}", where=path
        ) from error
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _damaged(path, "it is not a zip archive, or a broken one") from error


def _imports(pickle: bytes) -> Iterator[str]:
    """What a pickle would import, ``module name`` each; nothing is built.

    Raises:
        ValueError: It is not a pickle, or imports in a way that torch does not write.
    """
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name in _REFUSED:
                yield f"something by {opcode.name}"
            elif opcode.name == "GLOBAL":
                yield str(argument)
    except ValueError:
        yield "something that is not a pickle"


def _damaged(path: Path, reason: str) -> ConversionError:
    return ConversionError(
        f"the checkpoint is damaged, or none of Lightning Pose: {reason}",
        where=path,
        remedy="copy the model directory again from where it was trained",
    )
