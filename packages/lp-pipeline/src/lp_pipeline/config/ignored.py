"""Keys of Lightning Pose that are accepted, but have no effect here, or are refused."""

from __future__ import annotations

from typing import Any

from lp_io.documents.report import KeyPath, Report, key_path, section_of

_NO_HYDRA = "there is no Hydra here; give overrides as key=value on the command line"
_VIEWER = "there is no FiftyOne here"
_READ = "it is read from the files themselves"
_OLD = "Lightning Pose no longer has it"
_READER = "each video reader chooses for itself"

IGNORED: dict[str, str] = {
    "hydra": _NO_HYDRA,
    "defaults": _NO_HYDRA,
    "data.image_orig_dims": _READ,
    "data.header_rows": _READ,
    "training.gpu_id": "choose GPUs by training.devices, such as [0]",
    "training.dropout_rate": _OLD,
    "training.multiple_trainloader_mode": _OLD,
    "training.rng_seed_data_dali": "dali.general.seed is the seed of the clips",
    "model.head": "each tracker has its own head",
    "model.learn_weights": _OLD,
    "model.lightning_pose_version": "it names the program that wrote the config",
    "dali.general.device": _READER,
    "dali.general.device_id": _READER,
    "dali.general.num_threads": _READER,
    "dali.context.train.consecutive_sequences": "frames of a clip are always consecutive",
    "dali.context.predict.batch_size": "dali.context.predict.sequence_length counts frames",
    "eval.hydra_paths": _NO_HYDRA,
    "eval.fiftyone": _VIEWER,
    "eval.saved_vid_preds_dir": "predictions go to the model directory",
    "eval.video_file_to_plot": _VIEWER,
    "eval.pred_csv_files_to_plot": _VIEWER,
    "eval.create_labeled_video": "eval.save_vids_after_training says so",
}
"""Keys without effect, with the reason. Where they are null, false or empty, no note is needed.

Some are of older versions of Lightning Pose.
"""

REFUSED: dict[str, tuple[str, str]] = {
    "model.do_context": (
        "trackers with and without context have names of their own",
        "remove the key, and set model.model_type to a tracker with context",
    ),
}
"""Keys that would change the results, and so must not be ignored: what is wrong, and the remedy."""

OF_ONE_VIEW: dict[str, str] = dict.fromkeys(
    ("losses.supervised_pairwise_projections", "losses.supervised_reprojection_heatmap_mse"),
    "it compares what several calibrated cameras see",
)
"""Keys that Lightning Pose's configs of several views have, and that mean nothing for one view."""


def drop_ignored(report: Report) -> None:
    """Take the ignored and the refused keys out of the values.

    Those that say more than null, false or nothing become notes and problems.
    """
    values = report.values
    for key, (reason, remedy) in REFUSED.items():
        if _take(values, key_path(key)):
            report.problem(key, reason, remedy)
    views = (section_of(values, ("data", "view_names")) or {}).get("view_names")
    for key, reason in (IGNORED | ({} if views else OF_ONE_VIEW)).items():
        if _says_something(_take(values, key_path(key))):
            report.note(key, f"ignored: {reason}")
        report.forget(key_path(key))


def _says_something(value: Any) -> bool:
    """Whether a value is more than null, false or empty; 0 is, as the number of a GPU."""
    return not (value is None or value is False or value in ("", [], {}))


def _take(values: dict[str, Any], path: KeyPath) -> Any:
    """Remove a key and return its value; None where there is none."""
    section = section_of(values, path)
    return None if section is None else section.pop(path[-1])
