"""Go on with a training that was stopped, as if it had not been."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_io.training_state import latest_training_state, remove_unfinished_states
from lp_pipeline.config.load import LoadedConfig, load_config
from lp_pipeline.config.paths import CONFIG_FILE, csv_files
from lp_pipeline.display import Display, SilentDisplay
from lp_pipeline.errors import TrainingError
from lp_pipeline.training.run import STATE_FOLDER, fit, follows, prepare
from lp_pipeline.training.setup import TrainingSetup

CHANGEABLE = ("training.max_", "training.min_", "training.save_state_", "eval.")
"""What the keys begin with that a resumed training may change."""

_NO_FIRST_WEIGHTS = (
    "model.checkpoint=null",
    "model.backbone_checkpoint=null",
    "model.backbone_pretrained=false",
)
"""A training that goes on from a state needs no weights to start from."""


def load_resumable_config(model_dir: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """The config of a training that was begun in ``model_dir``.

    Args:
        model_dir: Its model directory.
        overrides: Each ``key=value``; of the training, its length may change only.

    Raises:
        TrainingError: No training was begun there, an override may not change, or the labels are
            others now.
        ConfigError: A path in the config is not there any more.
    """
    file = model_dir / CONFIG_FILE
    if not file.is_file():
        raise TrainingError(
            "there is no training to resume: it has no config.yaml",
            where=model_dir,
            remedy="name a folder that `litpose train` began",
        )
    for override in overrides:
        if not override.startswith(CHANGEABLE):
            raise TrainingError(
                f"a resumed training cannot change {override.partition('=')[0]}",
                remedy="it may change its length, such as training.max_steps, and eval.*; for "
                "anything else, train anew",
            )
    if latest_training_state(model_dir / STATE_FOLDER) is not None:
        overrides = [*overrides, *_NO_FIRST_WEIGHTS]
    loaded = load_config(file, overrides, check_paths=True)
    _check_labels(loaded, model_dir)
    return loaded


def resume(
    loaded: LoadedConfig, model_dir: Path, *, display: Display | None = None
) -> TrainingSetup:
    """Go on from the newest training state that is whole, or from the beginning without one.

    Args:
        loaded: What `load_resumable_config` gave.
        model_dir: The model directory.
        display: Where to report to; None shows nothing.

    Returns:
        The tracker with its best weights, and the data.

    Raises:
        LPError: Something cannot be used any more.
        TrainingStoppedError: The user pressed Ctrl-C.
    """
    display = display or SilentDisplay()
    states = model_dir / STATE_FOLDER
    if not follows():
        remove_unfinished_states(states)
    state = latest_training_state(states)
    setup = prepare(loaded, display)
    if state is None:
        display.message("no training state was saved yet: training from the beginning")
    else:
        display.message(f"going on from {state.name}")
    return fit(loaded, setup, model_dir, display, state=state)


def _check_labels(loaded: LoadedConfig, model_dir: Path) -> None:
    """Refuse labels that are not those that the training began with.

    Raises:
        TrainingError: They differ.
    """
    for file in csv_files(loaded.config):
        copy = model_dir / file.name
        if copy.is_file() and copy.read_bytes() != file.read_bytes():
            raise TrainingError(
                "the labels were changed since the training began",
                where=file,
                remedy=f"put back the labels, of which {copy} is a copy, or train anew",
            )
