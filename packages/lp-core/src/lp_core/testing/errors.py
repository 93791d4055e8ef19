"""What a failed check says."""

from __future__ import annotations

from lp_core.errors import CoreError


class ConformanceError(CoreError):
    """A tracker that does not keep the contract of `lp_core.trackers`; it names the defect."""
