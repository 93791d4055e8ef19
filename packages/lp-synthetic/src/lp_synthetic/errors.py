"""The errors of lp-synthetic."""

from __future__ import annotations

from lp_core.errors import LPError


class SyntheticProjectError(LPError):
    """A synthetic project that cannot be generated or read as it was asked for."""
