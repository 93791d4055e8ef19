"""The errors of lp-io, and the import of libraries that only some formats need."""

from __future__ import annotations

import importlib
from types import ModuleType

from lp_core.errors import LPError


class FileFormatError(LPError):
    """Base class of the errors of lp-io."""


class CheckpointError(FileFormatError):
    """A saved model, or another file of tensors, that cannot be written or cannot be trusted."""


class TrainingStateError(CheckpointError):
    """A training state that cannot be written, or cannot be resumed from."""


class ConversionError(FileFormatError):
    """A file or project of another tool that cannot be converted."""


class CalibrationFileError(FileFormatError):
    """A file of calibrated cameras that cannot be read or written."""


class MissingExtraError(FileFormatError):
    """A format whose library is not installed."""


class FolderInUseError(FileFormatError):
    """A model directory in which a training works."""


def require(module: str, extra: str) -> ModuleType:
    """A module of an optional library, such as ``"h5py"``, which an extra of lp-io brings.

    Raises:
        MissingExtraError: It is not installed, or cannot be imported; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this format needs the library '{module}', which cannot be imported: {error}",
            remedy=f"pip install 'lp-io[{extra}]'",
        ) from error
