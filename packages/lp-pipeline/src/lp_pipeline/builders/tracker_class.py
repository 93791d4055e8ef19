"""Which tracker class a config asks for."""

from __future__ import annotations

from lp_core.errors import TrackerError
from lp_core.registry import MODELS, load_plugin
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_pipeline.config.schema import Config


def get_tracker_class(config: Config) -> type[BaseSupervisedTracker]:
    """The registered class, or its semi-supervised twin where unsupervised losses are used.

    Raises:
        UnknownNameError: No tracker is registered under ``model.model_type``.
        TrackerError: What is registered is not a tracker, or it has no semi-supervised twin.
    """
    name = config.model.model_type
    tracker_class = load_plugin(MODELS, name)
    if not (isinstance(tracker_class, type) and issubclass(tracker_class, BaseSupervisedTracker)):
        raise TrackerError(f"what is registered as '{name}' is not a tracker class")
    if not config.model.losses_to_use:
        return tracker_class
    twin = tracker_class.semi_supervised_class()
    if twin is None:
        raise TrackerError(
            f"'{name}' cannot learn from unlabelled video",
            where="model.losses_to_use",
            remedy="leave model.losses_to_use empty, or choose another model.model_type",
        )
    return twin
