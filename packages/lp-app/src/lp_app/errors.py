"""The errors of lp-app."""

from __future__ import annotations

from lp_core.errors import LPError


class AppError(LPError):
    """Base class of the errors of lp-app."""


class ProjectError(AppError):
    """A project that cannot be opened or made."""


class OutsideError(AppError):
    """A file that lies outside the folders that the app was given."""


class MissingError(AppError):
    """A video, an image or a model that the project does not have."""


class ConflictError(AppError):
    """A frame that somebody else has changed in the meantime."""
