"""Find and read a Lightning checkpoint of Lightning Pose, trusting nothing in it.

Such a file is a zip archive with a pickle that names Python objects: the tensors' parts, and the
OmegaConf containers in which the package keeps its options. Three things keep it harmless. Its
opcodes are read before anything is built, and every name that they import must be on a list. The
pickle is then read by torch's restricted reader. And of OmegaConf only the names are known here:
empty classes stand in for its own, so that none of its code runs.
"""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lp_io.errors import ConversionError
from lp_io.model_directory import CONFIG_FILE, MANIFEST_NAME, TENSORBOARD_FOLDER
from lp_io.untrusted.content import ContentError, library_reading, reading

_CHECKPOINTS = "tb_logs/*/version_*/checkpoints/*.ckpt"
_VERSION = re.compile(r"version_(\d+)")
_STEP = re.compile(r"step=(\d+)")


def is_lightning_pose_model_dir(folder: Path) -> bool:
    """Whether a folder is a model directory of Lightning Pose: a config and logs, no manifest."""
    if (folder / MANIFEST_NAME).exists() or not (folder / CONFIG_FILE).is_file():
        return False
    return (folder / TENSORBOARD_FOLDER).is_dir()


def find_lightning_pose_checkpoint(folder: Path) -> Path:
    """The checkpoint in a model directory that Lightning Pose itself would predict with.

    That is the best one of the latest run, by the name that the package gives it; where it kept no
    best one, the one of the most steps.

    Raises:
        ConversionError: There is no checkpoint.
    """
    files = (file for file in sorted(folder.glob(_CHECKPOINTS)) if file.is_file())
    found = [file for file in files if not file.name.startswith(".")]
    if not found:
        raise ConversionError(
            "there is no checkpoint in this model directory",
            where=folder / _CHECKPOINTS,
            remedy="was its training interrupted before the first validation?",
        )
    return max(found, key=_rank)


def _rank(file: Path) -> tuple[int, bool, int]:
    """Run, whether it is the best of it, and steps."""
    version = _VERSION.fullmatch(file.parent.parent.name)
    step = _STEP.search(file.name)
    run, steps = (int(match[1]) if match else -1 for match in (version, step))
    return run, file.stem.endswith("-best"), steps


class StandIn:
    """Holds what a pickle says of an object, and does nothing."""


_NODES = ("Any", "Boolean", "Bytes", "Enum", "Float", "Integer", "Path", "String")
_BUILT_IN = ("dict", "list", "int", "float", "str", "bool")
_STAND_INS: dict[str, Any] = {
    "omegaconf.base.ContainerMetadata": StandIn,
    "omegaconf.base.Metadata": StandIn,
    "omegaconf.dictconfig.DictConfig": StandIn,
    "omegaconf.listconfig.ListConfig": StandIn,
    **{f"omegaconf.nodes.{name}Node": StandIn for name in _NODES},
    "typing.Any": StandIn,
    **{f"builtins.{name}": StandIn for name in _BUILT_IN},
    "collections.defaultdict": defaultdict,
}
"""What takes the place of an object, by its name."""

_STORAGES = ("Double", "Float", "Half", "BFloat16", "Long", "Int", "Short", "Byte", "Bool")
_ALLOWED = frozenset(
    (
        *_STAND_INS,
        *(f"torch.{kind}Storage" for kind in _STORAGES),
        *("torch._utils._rebuild_tensor_v2", "collections.OrderedDict", "collections.Counter"),
        # pickles of the second protocol, which torch writes, may call built-in types so
        *(f"__builtin__.{name}" for name in (*_BUILT_IN, "long", "unicode")),
    )
)
_REFUSED = frozenset({"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX"})
_LARGEST_PICKLE = 64 * 2**20
_DEEPEST = 20
_MOST_VALUES = 100_000


class LightningPoseCheckpoint(NamedTuple):
    """A file, its tensors by name, on the CPU, and the tracker's options that are plain values."""

    path: Path
    weights: Mapping[str, Tensor]
    hyper_parameters: Mapping[str, Any]

    def check_made_with(self, config: Mapping[str, Any]) -> None:
        """Refuse a checkpoint that was trained with other options than a config says.

        ``config`` has them by name; None where the config does not tell one.

        Raises:
            ConversionError: An option differs.
        """
        for key, value in config.items():
            found = self.hyper_parameters.get(key)
            if None not in (found, value) and found != value:
                raise ConversionError(
                    f"the checkpoint was trained with {key} {found}, but the config says {value}",
                    where=self.path,
                    remedy="bring the config.yaml back that the training wrote",
                )


def read_lightning_pose_checkpoint(path: Path) -> LightningPoseCheckpoint:
    """Read a ``.ckpt`` file of Lightning Pose.

    Raises:
        ConversionError: It is missing, is damaged, is no Lightning checkpoint, or imports something
            that a checkpoint of Lightning Pose does not need; nothing of it has run by then.
    """
    replacements: list[Any] = [(kind, name) for name, kind in _STAND_INS.items()]
    with reading(path, ConversionError, "the checkpoint"):
        _check_archive(path)
        with library_reading("torch"), torch.serialization.safe_globals(replacements):
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        weights = content.get("state_dict") if isinstance(content, dict) else None
        if not isinstance(weights, dict) or not weights:
            raise ContentError("this is no Lightning checkpoint: it has no weights")
        for name, value in weights.items():
            if not isinstance(name, str) or type(value) is not Tensor:
                raise _damaged(f"'{name}' is not a tensor")
        options = _Plain().of(content.get("hyper_parameters"))
    return LightningPoseCheckpoint(
        path, dict(weights), options if isinstance(options, dict) else {}
    )


def _check_archive(path: Path) -> None:
    """Refuse a file that is not a plain zip archive with one harmless pickle."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            packed = [entry for entry in entries if entry.compress_type != zipfile.ZIP_STORED]
            pickles = [entry for entry in entries if entry.filename.endswith("data.pkl")]
            if packed or len(pickles) != 1 or pickles[0].file_size > _LARGEST_PICKLE:
                raise _damaged("its archive is not laid out as torch does")
            imports = list(_imports(archive.read(pickles[0])))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise _damaged("it is not a zip archive, or a broken one") from error
    unknown = next((name for name in imports if name not in _ALLOWED), None)
    if unknown is not None:
        raise ContentError(
            f"the checkpoint wants to import '{unknown}', which is no part of a model",
            "do not load it with any other program, unless you made it yourself",
        )


def _imports(pickle: bytes) -> Iterator[str]:
    """What a pickle would import; nothing is built. What torch does not write has no such name."""
    try:
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name in _REFUSED:
                yield f"something by {opcode.name}"
            elif opcode.name == "GLOBAL":
                yield str(argument).replace(" ", ".")
    except ValueError:
        yield "something that is not a pickle"


def _damaged(reason: str) -> ContentError:
    return ContentError(
        f"the checkpoint is damaged, or none of Lightning Pose: {reason}",
        "copy the model directory again from where it was trained",
    )


class _Plain:
    """Takes plain values out of containers of OmegaConf, and of what holds such containers.

    It counts them: a small pickle can name one list any number of times.
    """

    def __init__(self) -> None:
        self._left = _MOST_VALUES

    def of(self, value: Any, depth: int = 0) -> Any:
        """A value without containers of OmegaConf; what is not plain is None."""
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
