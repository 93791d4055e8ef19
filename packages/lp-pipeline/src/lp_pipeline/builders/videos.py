"""The videos that a config wants predicted after training."""

from __future__ import annotations

from pathlib import Path

from lp_data.video.listing import find_videos
from lp_pipeline.config.paths import test_videos_directory
from lp_pipeline.config.schema import Config


def folder_videos(config: Config) -> list[Path]:
    """The videos of ``eval.test_videos_directory``; an empty list where there are none."""
    folder = test_videos_directory(config)
    if folder is None or not folder.exists():
        return []
    return list(find_videos(folder).files) if folder.is_dir() else [folder]


def videos_to_predict(config: Config) -> list[Path]:
    """The videos that are predicted after training; none where the config does not ask for it."""
    return folder_videos(config) if config.eval.predict_vids_after_training else []
