"""One check, and the checks on which it relies."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from unittest import SkipTest

from lp_core.testing.subject import ConformanceError, Subject, one_thread, quiet_generators


class PremiseError(SkipTest):
    """A check that says nothing, since another one on which it relies fails; pytest skips it."""

    def __init__(self, check: Check, premise: ConformanceError) -> None:
        super().__init__(f"{check} relies on what fails: {premise}")
        self.premise = premise


@dataclass(frozen=True)
class Check:
    """One property that every tracker must have; call it with a `Subject`.

    Attributes:
        function: What checks it.
        premises: The checks that must pass for a failure of this one to mean what it says.
    """

    function: Callable[[Subject], None]
    premises: tuple[Check, ...] = ()

    @property
    def name(self) -> str:
        """The property, such as ``"lowers_its_loss"``."""
        return self.function.__name__

    def __str__(self) -> str:
        return self.name

    def __call__(self, subject: Subject) -> None:
        """Check the subject.

        Raises:
            ConformanceError: It lacks the property; the message names the defect.
            PremiseError: It lacks a property on which this check relies; that check names it.
        """
        try:
            self._run(subject)
        except ConformanceError as error:
            for premise in self.reliance:
                try:
                    premise._run(subject)
                except ConformanceError as broken:
                    raise PremiseError(self, broken) from error
            raise

    @property
    def reliance(self) -> tuple[Check, ...]:
        """All checks on which it relies, those of its premises included."""
        found: dict[Check, None] = {}
        for premise in self.premises:
            found |= dict.fromkeys((*premise.reliance, premise))
        return tuple(found)

    def _run(self, subject: Subject) -> None:
        with warnings.catch_warnings(), quiet_generators(), one_thread():
            warnings.filterwarnings("ignore", message=".*self.trainer.*")
            try:
                self.function(subject)
            except ConformanceError:
                raise
            except Exception as error:  # whatever a plug-in raises is its defect
                raise subject.fault(
                    f"while checking '{self.name}' it raised {type(error).__name__}: {error}"
                ) from error
