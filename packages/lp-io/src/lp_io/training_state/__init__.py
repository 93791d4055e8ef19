"""Resume a training that was stopped as if it never had been."""

from lp_io.training_state.checkpoint_io import TrainingStateIO
from lp_io.training_state.saver import (
    TrainingStateSaver,
    latest_training_state,
    remove_unfinished_states,
)
from lp_io.training_state.storage import read_training_state, write_training_state

__all__ = [
    "TrainingStateIO",
    "TrainingStateSaver",
    "latest_training_state",
    "read_training_state",
    "remove_unfinished_states",
    "write_training_state",
]
