"""Errors of exported models."""

from lp_core.errors import LPError


class ExportError(LPError):
    """A model that cannot be exported, or an exported one that cannot be run."""
