"""The errors of lp-pipeline."""

from __future__ import annotations

from lp_core.errors import LPError


class PipelineError(LPError):
    """Base class of the errors of lp-pipeline."""


class ConfigError(PipelineError):
    """A config that cannot be used; the message tells every problem that was found."""


class TrainingError(PipelineError):
    """Training that cannot start or go on."""


class PredictionError(PipelineError):
    """An input that cannot be predicted."""


class TrainingStoppedError(TrainingError):
    """A training that the user stopped; its state is saved."""
