"""Go on with a training that was stopped, as if it had not been."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

from lp_core.display import SILENT, Display
from lp_io.model_directory import CONFIG_FILE, STATE_FOLDER
from lp_io.training_lock import TrainingLock
from lp_io.training_state.saver import latest_training_state, remove_unfinished_states
from lp_pipeline.config.load import LoadedConfig, load_config, save_config
from lp_pipeline.config.paths import csv_files, label_copies
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import TrainingError
from lp_pipeline.training.run import fit_all, is_secondary_process, prepare, tell_stale
from lp_pipeline.training.setup import TrainingSetup

CHANGEABLE = (
    "training.max_",
    "training.min_",
    "training.save_state_",
    "training.num_workers",
    "eval.",
    "data.data_dir",
    "data.video_dir",
    "data.csv_file",
    "model.checkpoint",
    "model.backbone_checkpoint",
)
"""What the keys begin with that a resumed training may change: its length, places, and `eval`.

Labels are compared by their content, wherever they are.
"""


def load_resumable_config(model_dir: Path, overrides: Sequence[str] = ()) -> LoadedConfig:
    """The config of a training that was begun in ``model_dir``.

    Args:
        model_dir: Its model directory.
        overrides: Each ``key=value``, of a key in `CHANGEABLE`.

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
                remedy="it may change its length, such as training.max_steps, places, such as "
                "data.data_dir, and eval.*; for anything else, start another training",
            )
    begun = latest_training_state(model_dir / STATE_FOLDER) is not None
    loaded = load_config(file, overrides, check_paths=True, check_weights=not begun)
    _check_labels(loaded, model_dir)
    return loaded


def resume(
    loaded: LoadedConfig,
    model_dir: Path,
    *,
    display: Display = SILENT,
    lock: TrainingLock | None = None,
) -> TrainingSetup:
    """Go on from the newest training state that is whole, or from the beginning without one.

    Returns:
        The tracker with its best weights, and the data. The rest is as for `train`.

    Raises:
        LPError: Something cannot be used any more.
        TrainingError: Another training works in the folder.
        TrainingStoppedError: The user pressed Ctrl-C.
    """
    if is_secondary_process():
        return _go_on(loaded, model_dir, display)
    with nullcontext(lock) if lock else TrainingLock(model_dir) as held:
        held.acquire()
        tell_stale(held, display)
        remove_unfinished_states(model_dir / STATE_FOLDER)
        save_config(loaded.config, model_dir / CONFIG_FILE)  # what follows finds new places there
        return _go_on(loaded, model_dir, display)


def _go_on(loaded: LoadedConfig, model_dir: Path, display: Display) -> TrainingSetup:
    state = latest_training_state(model_dir / STATE_FOLDER)
    config = loaded.config
    setup = prepare(config if state is None else _without_first_weights(config), display)
    if state is None:
        display.message("no training state was saved yet: training from the beginning")
    else:
        display.message(f"going on from {state.name}")
    return fit_all(setup, model_dir, display, state=state)


def _without_first_weights(config: Config) -> Config:
    """The config without weights to start from: the state has all of them."""
    without = {"checkpoint": None, "backbone_checkpoint": None, "backbone_pretrained": False}
    return config.model_copy(update={"model": config.model.model_copy(update=without)})


def _check_labels(loaded: LoadedConfig, model_dir: Path) -> None:
    """Refuse labels that are not those that the training began with, wherever they are."""
    config = load_config(model_dir / CONFIG_FILE).config
    begun, copies = csv_files(config), label_copies(config)
    files = csv_files(loaded.config)
    if len(begun) != len(files):
        raise TrainingError(
            f"the training began with {len(begun)} label files, but {len(files)} are given",
            where="data.csv_file",
            remedy=f"name those of which {model_dir} has copies",
        )
    for before, name, file in zip(begun, copies, files, strict=True):
        copy = model_dir / name
        if copy.is_file() and copy.read_bytes() != file.read_bytes():
            raise TrainingError(
                "the labels were changed since the training began",
                where=file,
                remedy=f"put back the labels, of which {copy} is a copy, or start another training",
            )
        if file.name != before.name:
            raise TrainingError(
                f"the label file was called {before.name} when the training began",
                where=file,
                remedy="give it that name again",
            )
