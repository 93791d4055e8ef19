"""The errors of lp-data."""

from __future__ import annotations

from lp_core.errors import LPError


class DataError(LPError):
    """Base class of the errors of lp-data."""


class ImageFileError(DataError):
    """An image that is missing, cannot be decoded, or is of a kind that lp does not read."""


class BoxFileError(DataError):
    """A file of boxes that cannot be read without guessing, or that does not fit the frames."""


class VideoError(DataError):
    """A video that is missing, cannot be decoded, or cannot be decoded frame by frame."""


class SplitError(DataError):
    """A split into training, validation and test frames that cannot be made."""


class AugmentationError(DataError):
    """An augmentation that is not known, or whose options cannot be met."""


class DataModuleError(DataError):
    """Datasets and options that do not go together in one data module."""


class SessionError(DataError):
    """Views, sessions or their files that do not go together, or a manifest that cannot be read."""
