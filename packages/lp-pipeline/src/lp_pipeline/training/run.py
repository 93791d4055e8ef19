"""Train a tracker and leave a model directory."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

from pytorch_lightning.utilities import rank_zero_only

from lp_analysis.metrics.score_threshold import LEAST
from lp_core.display import SILENT, Display
from lp_core.errors import unwritable
from lp_data.datasets.neighbours import context_warning, prove_neighbours, videos_by_name
from lp_io.model_directory import CONFIG_FILE, STATE_FOLDER, WHOLE_FRAME
from lp_io.training_lock import TrainingLock, check_model_dir, content
from lp_pipeline.config.load import LoadedConfig, save_config
from lp_pipeline.config.paths import (
    csv_files,
    data_dir,
    label_copies,
    test_videos_directory,
    video_dir,
)
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import TrainingError
from lp_pipeline.training.beforehand import check_beforehand
from lp_pipeline.training.detector import calibrate_score, fit_detector
from lp_pipeline.training.fit import fit
from lp_pipeline.training.setup import TrainingSetup, set_up
from lp_pipeline.training.unlabeled_animals import add_clips


def train(
    loaded: LoadedConfig,
    model_dir: Path,
    *,
    overwrite: bool = False,
    display: Display = SILENT,
    lock: TrainingLock | None = None,
) -> TrainingSetup:
    """Train as a config says.

    Args:
        loaded: The config.
        model_dir: The folder to fill; it must be new or empty.
        overwrite: Replace the folder if it is an earlier model directory.
        display: Where to report to; the default shows nothing.
        lock: The folder's lock, for a caller that keeps it for what follows; None takes it for the
            training only.

    Returns:
        The tracker with its best weights, and the data.

    Raises:
        LPError: Something cannot be used; the folder is not made by then.
        TrainingError: The folder holds something, another training works in it, or it cannot be
            written.
        TrainingStoppedError: The user pressed Ctrl-C.
    """
    if is_secondary_process():
        return fit_all(prepare(loaded.config, display), model_dir, display)
    check_model_dir(model_dir, overwrite=overwrite)
    if overwrite:
        check_holds_no_data(loaded.config, model_dir)
    setup = prepare(loaded.config, display)
    check_beforehand(loaded, setup, display)
    with nullcontext(lock) if lock else TrainingLock(model_dir) as held:
        start_model_dir(loaded, model_dir, held, overwrite=overwrite)
        tell_stale(held, display)
        return fit_all(setup, model_dir, display)


def fit_all(
    setup: TrainingSetup, model_dir: Path, display: Display, *, state: Path | None = None
) -> TrainingSetup:
    """`fit`; where there are several animals, after what finds them, or with the least score."""
    fit_detector(setup, model_dir, display)
    add_clips(setup, model_dir, display)
    trained = fit(setup, model_dir, display, state=state)
    if known := setup.extra.get(WHOLE_FRAME):
        calibrate_score(trained, model_dir, known["body_length"] / 2, lowest=LEAST)
    return trained


def tell_stale(lock: TrainingLock, display: Display) -> None:
    """Say so where an earlier training was cut off without giving its lock back."""
    if lock.stale is not None:
        display.message(f"note: an earlier training was cut off here: {lock.stale}")


def is_secondary_process() -> bool:
    """Whether this is one of several training processes, and not the one that writes."""
    return bool(getattr(rank_zero_only, "rank", 0))


def prepare(config: Config, display: Display) -> TrainingSetup:
    """Build everything that a training needs, and find what is wrong with it."""
    display.message("building the model and reading the data")
    setup = set_up(config)
    if not is_secondary_process():  # the first one reports, and fills the cache that all share
        _tell_unproved_context(setup, display)
        for note in setup.notes:
            display.message(note)
        _read_images(setup, display)
    return setup


def _tell_unproved_context(setup: TrainingSetup, display: Display) -> None:
    """Warn where a tracker with context would learn from frames that may be no neighbours."""
    config, dataset = setup.config, setup.data.dataset
    if dataset.context_frames == 1:
        return
    videos = videos_by_name(video_dir(config) or dataset.data_dir / "videos")
    proofs = prove_neighbours(dataset.table.image_paths, dataset.data_dir, videos)
    if warning := context_warning(proofs, config.model.model_type):
        display.message(warning)


def _read_images(setup: TrainingSetup, display: Display) -> None:
    """Decode every image once, so that a broken one is told before anything is written.

    They stay in the dataset's cache, which all processes of this machine share, so the first epoch
    is no slower than the others.
    """
    plain = setup.data.dataset.without_augmentation()
    with display.task("reading images", len(plain)) as update:
        for row in range(len(plain)):
            plain[row]
            update(row + 1)


def check_holds_no_data(config: Config, model_dir: Path) -> None:
    """Refuse to replace a folder in which something lies that is trained on or predicted."""
    place = model_dir.resolve()
    folders = (data_dir(config), video_dir(config), test_videos_directory(config))
    for path in (*csv_files(config), *(folder for folder in folders if folder is not None)):
        if path.resolve().is_relative_to(place):
            raise TrainingError(
                f"{path} lies in the folder that is to be replaced",
                where=model_dir,
                remedy="choose another --output-dir",
            )


def start_model_dir(
    loaded: LoadedConfig, model_dir: Path, lock: TrainingLock, *, overwrite: bool
) -> None:
    """Make the folder, or empty it, and put a copy of the labels and the resolved config there."""
    loaded.config.creation_datetime = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        check_model_dir(model_dir, overwrite=overwrite, locked=True)  # others may have been faster
        for path in content(model_dir):
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        (model_dir / STATE_FOLDER).mkdir()  # marks the folder as a training's from the beginning
        names = label_copies(loaded.config)
        for file, name in zip(csv_files(loaded.config), names, strict=True):
            shutil.copyfile(file, model_dir / name)
        save_config(loaded.config, model_dir / CONFIG_FILE)  # last: it makes the folder resumable
    except OSError as error:
        raise unwritable(TrainingError, "the model directory", model_dir, error) from error
