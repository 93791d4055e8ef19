"""What would fail after a training, found before its first step."""

from __future__ import annotations

from pathlib import Path

from lp_core.display import Display
from lp_core.errors import LPError
from lp_data.datasets.joint import dataset_class
from lp_data.sessions import label_sets, read_label_set
from lp_data.video.open import open_video
from lp_pipeline.builders.animals import get_regions, learned_labels
from lp_pipeline.builders.labels import image_size, other_label_files
from lp_pipeline.builders.model import get_tracker_class
from lp_pipeline.builders.videos import boxes_of_video, videos_to_predict
from lp_pipeline.config.load import DEFAULT, LoadedConfig
from lp_pipeline.config.paths import data_dir, test_videos_directory
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import ConfigError, TrainingError
from lp_pipeline.training.setup import TrainingSetup

_SWITCH = "eval.predict_vids_after_training"


def check_beforehand(loaded: LoadedConfig, setup: TrainingSetup, display: Display) -> None:
    """Read what is evaluated and predicted after the training.

    Raises:
        LPError: A video or a label file could not be used then.
    """
    detector = setup.detector
    if detector is not None and get_tracker_class(detector).learns != "centroids":
        raise ConfigError(
            f"'{detector.model.model_type}' does not find animals",
            where="animals.detector_type",
            remedy="choose a tracker that learns centroids, such as centroid",
        )
    _check_label_files(loaded.config, setup)
    config, folder = loaded.config, test_videos_directory(loaded.config)
    if not config.eval.predict_vids_after_training or folder is None:
        return
    videos = videos_to_predict(config)
    if not videos:
        _say_no_video(loaded, folder, display)
    with display.task("checking videos", len(videos)) as update:
        for number, video in enumerate(videos, 1):
            _check_video(video, config)
            update(number)


def _say_no_video(loaded: LoadedConfig, folder: Path, display: Display) -> None:
    problem = f"there is no video to predict after the training in {folder}"
    if loaded.origins.get(_SWITCH, DEFAULT) == DEFAULT:
        display.message(f"note: {problem}")
        return
    raise ConfigError(
        problem,
        where=_SWITCH,
        remedy=f"set eval.test_videos_directory to a folder with videos, or {_SWITCH}=false",
    )


def _check_video(video: Path, config: Config) -> None:
    try:
        with open_video(video, reader=config.dali.reader) as source:
            if boxes := boxes_of_video(config, video):
                boxes.of_video(len(source))
    except LPError as error:
        raise TrainingError(
            f"this video could not be predicted after the training: {error.problem}",
            where=error.where or video,
            remedy=f"move it out of the folder, or set {_SWITCH}=false",
        ) from error


def _check_label_files(config: Config, setup: TrainingSetup) -> None:
    """Read the label files that are evaluated by themselves, and find their images."""
    tracker, views = setup.tracker, setup.data.dataset.views
    for files in label_sets(other_label_files(config), tracker, views):
        table = learned_labels(read_label_set(files, views), type(tracker))
        table = table.select_keypoints(tracker.options.keypoint_names)
        dataset_class(tracker)(
            table,
            data_dir(config),
            image_size(config),
            views=None if table.view is None else views,
            regions=get_regions(config, table),
            instances=tracker.instances,
            context_frames=tracker.context_frames,
        )
