"""The errors of lp-io."""

from __future__ import annotations

from lp_core.errors import LPError


class FileFormatError(LPError):
    """Base class of the errors of lp-io."""


class CheckpointError(FileFormatError):
    """A saved model, or another file of tensors, that cannot be written or cannot be trusted."""


class TrainingStateError(CheckpointError):
    """A training state that cannot be written, or cannot be resumed from."""


class ConversionError(FileFormatError):
    """A file or project of another tool that cannot be converted."""


class MissingExtraError(FileFormatError):
    """A format whose library is not installed."""


class FolderInUseError(FileFormatError):
    """A model directory in which a training works."""
