"""The conformance kit: what the author of a tracker runs against it.

At once::

    from lp_core.testing import check_tracker
    check_tracker(MyTracker)

or, in a test, property by property::

    @pytest.mark.parametrize("check", CHECKS, ids=str)
    def test_my_tracker(check):
        check(Subject(MyTracker))

It needs lp-core alone: a toy problem, a tiny backbone, no weights from the hub.
"""

from lp_core.testing.run import CHECKS, Check, PremiseError, check_tracker
from lp_core.testing.subject import ConformanceError, Subject

__all__ = ["CHECKS", "Check", "ConformanceError", "PremiseError", "Subject", "check_tracker"]
