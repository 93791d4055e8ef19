"""Train the members of an ensemble one after the other, or make one of trained models."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lp_analysis.ensembles.labels import calibrate_ensemble
from lp_analysis.ensembles.members import check_members, found_ensemble, refuse_finder
from lp_analysis.labeled_predictions import read_labeled_prediction
from lp_core.display import Display
from lp_core.errors import LPError, reason_of
from lp_core.text import quoted
from lp_io.checkpoint import begin_ensemble, finish_member, member_folders, read_ensemble
from lp_io.model_directory import CONFIG_FILE, PREDICTIONS, STATE_FOLDER
from lp_io.training_lock import TrainingLock, check_model_dir
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.config.load import LoadedConfig, load_config
from lp_pipeline.config.paths import label_copies
from lp_pipeline.errors import TrainingError, TrainingStoppedError
from lp_pipeline.evaluation.after_training import follow_up
from lp_pipeline.evaluation.evaluate_model import show_errors, write_project_evaluation
from lp_pipeline.evaluation.model_project import ModelProject, find_project
from lp_pipeline.evaluation.model_report import write_model_report
from lp_pipeline.training.beforehand import check_beforehand
from lp_pipeline.training.resume import load_resumable_config, resume
from lp_pipeline.training.run import check_holds_no_data, prepare, start_model_dir, train

SEED = "training.rng_seed_model_pt"


def train_ensemble(
    loaded: LoadedConfig, seeds: Sequence[int], folder: Path, *, overwrite: bool, display: Display
) -> None:
    """Train a member for each seed, into ``folder/seed_<n>``, and then evaluate all together.

    Raises:
        LPError: Something cannot be used; the folder is not made by then.
        TrainingStoppedError: The user pressed Ctrl-C.
    """
    if loaded.origins.get(SEED) == "override":
        problem = f"the seeds of the members are those of --seeds, and not {SEED}"
        raise TrainingError(problem, remedy="leave one of the two out")
    training = loaded.config.training
    if training_devices(training).count * training.num_nodes > 1:
        raise TrainingError(
            "the members of an ensemble are trained on one device, one after the other",
            remedy=f"train each seed by itself with {SEED}, then: litpose ensemble MODEL_DIR...",
        )
    check_model_dir(folder, overwrite=overwrite)
    if overwrite:
        check_holds_no_data(loaded.config, folder)
    setup = prepare(loaded.config, display)
    check_beforehand(loaded, setup, display)
    refuse_finder(setup.extra, "--seeds")
    with TrainingLock(folder) as lock:
        start_model_dir(loaded, folder, lock, overwrite=overwrite)
        begin_ensemble(folder, [f"seed_{seed}" for seed in seeds])
        (folder / STATE_FOLDER).rmdir()  # the manifest marks the folder now
    resume_ensemble(folder, (), display)


def resume_ensemble(folder: Path, overrides: Sequence[str], display: Display) -> None:
    """Train those members of an ensemble that are not trained, and evaluate all together.

    Raises:
        LPError: Something cannot be used any more.
        TrainingStoppedError: The user pressed Ctrl-C.
    """
    with TrainingLock(folder) as lock:
        lock.acquire()
        ensemble = read_ensemble(folder)
        assert ensemble is not None  # the caller has seen it
        for name in ensemble.unfinished:
            display.message(f"{name} of {', '.join(ensemble.members)}")
            try:
                _train_member(folder, name, overrides, display)
            except (TrainingStoppedError, KeyboardInterrupt) as stop:
                raise TrainingStoppedError(
                    "the training was stopped",
                    remedy=f"go on with: litpose train --resume {quoted(folder)}",
                ) from stop
            ensemble = finish_member(folder, ensemble, name)
    evaluate_ensemble(folder, display)


def _train_member(folder: Path, name: str, overrides: Sequence[str], display: Display) -> None:
    """Train a member, or go on with its training."""
    member = folder / name
    if (member / CONFIG_FILE).is_file():
        loaded = load_resumable_config(member, overrides)
        setup = resume(loaded, member, display=display)
    else:
        own = [f"{SEED}={name.rpartition('_')[2]}", "eval.predict_vids_after_training=false"]
        loaded = load_config(folder / CONFIG_FILE, [*overrides, *own], check_paths=True)
        setup = train(loaded, member, display=display)
    follow_up(setup, loaded.config, member, display=display)


def make_ensemble(folder: Path, models: Sequence[Path], display: Display) -> None:
    """`found_ensemble`, and evaluate it."""
    check_members(models)
    project = find_project(models[0])
    copies = () if project is None else (CONFIG_FILE, *label_copies(project.config))
    found_ensemble(folder, models, copies)
    evaluate_ensemble(folder, display)


def evaluate_ensemble(folder: Path, display: Display) -> None:
    """Fit how sure an ensemble is on what its members predicted of the labels, and write a report.

    Where there is no such prediction, that is told.
    """
    try:
        project, ensemble = ModelProject.from_dir(folder), read_ensemble(folder)
        assert ensemble is not None  # it was just written
        members = [
            read_labeled_prediction(member / PREDICTIONS, project.labels, project.sets)
            for member in member_folders(folder, ensemble)
        ]
    except LPError as error:
        problem = "not all members have predictions of labels, so nothing says how sure all are"
        display.message(f"note: {problem}: {reason_of(error)}")
    else:
        result = calibrate_ensemble(folder, ensemble, members, project.sets)
        project = ModelProject.from_dir(folder)  # the manifest knows the calibration now
        write_project_evaluation(project, result)
        show_errors(result, display)
        display.message(f"report: {write_model_report(project, result, display=display)}")
    display.message(f"ensemble: {folder}")
