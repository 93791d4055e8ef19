"""From a model directory of Lightning Pose to one of ours."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from lp_data.sessions import ViewNames
from lp_io.checkpoint import get_model_class, save_model
from lp_io.errors import ConversionError
from lp_io.lightning_pose.checkpoint import (
    find_lightning_pose_checkpoint,
    read_lightning_pose_checkpoint,
)
from lp_io.lightning_pose.weights import check_backbone, fill, get_adapter, report_of
from lp_io.model_directory import CONFIG_FILE, MANIFEST_NAME, VIEWS
from lp_io.projects.folders import folder_beside
from lp_io.projects.report import ConversionReport
from lp_pipeline.builders.model import get_options
from lp_pipeline.config.load import load_config, save_config
from lp_pipeline.config.schema import Config


def convert_lightning_pose(
    source: Path, target: Path, *, overwrite: bool = False
) -> ConversionReport:
    """Convert a trained model, so that it predicts what it predicts in Lightning Pose.

    ``source`` is a model directory of Lightning Pose, with its ``config.yaml`` and ``tb_logs``.

    Raises:
        ConversionError: The target is there already, this kind of model cannot be converted, or its
            checkpoint is damaged or cannot be trusted.
        ConfigError: Its config cannot be used.
    """
    loaded = load_config(source / CONFIG_FILE)
    config = loaded.config
    adapter = get_adapter(config.model.model_type, source / CONFIG_FILE)
    config.model.options |= adapter.options
    kind = get_model_class(config.model.model_type)
    check_backbone(config.model.backbone, f"{source / CONFIG_FILE}, model.backbone")
    checkpoint = read_lightning_pose_checkpoint(find_lightning_pose_checkpoint(source))
    names = _keypoint_names(config, source)
    checkpoint.check_made_with(
        {
            "backbone": config.model.backbone,
            "downsample_factor": config.data.downsample_factor,
            "num_keypoints": len(names),
        }
    )
    options = get_options(config, kind, names)
    tracker = kind(replace(options, backbone_pretrained=False, backbone_checkpoint=None))
    left_out = fill(tracker, checkpoint)
    with folder_beside(target, overwrite=overwrite, mark=MANIFEST_NAME) as folder:
        made = {"program": "lightning-pose", "checkpoint": checkpoint.path.name}
        views = config.data.view_names
        known = {VIEWS: ViewNames(tuple(views)).to_dict()} if views else {}
        save_model(folder, tracker, extra={"converted_from": made, **known})
        for file in sorted(source.glob("CollectedData*.csv")):
            shutil.copyfile(file, folder / file.name)
        save_config(loaded.config, folder / CONFIG_FILE)
    report = report_of(target, checkpoint, config.model.model_type, tracker.options, left_out)
    report.left_out += loaded.notes
    return report


def _keypoint_names(config: Config, source: Path) -> tuple[str, ...]:
    if not config.data.keypoint_names:
        raise ConversionError(
            "the config does not name the keypoints",
            where=f"{source / CONFIG_FILE}, data.keypoint_names",
            remedy="add them, in the order of the label file",
        )
    return tuple(config.data.keypoint_names)
