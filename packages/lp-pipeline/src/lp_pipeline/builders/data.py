"""The datasets and the data module that a config describes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from lp_core.poses import PoseTable
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.augmentation.build import build_augmenter
from lp_data.augmentation.scene import SceneMotion
from lp_data.datamodule import LabeledDataModule, SemiSupervisedDataModule
from lp_data.datasets.clips import (
    BoxRun,
    ClipDataset,
    InStep,
    KnownVideo,
    build_clips,
    whole_runs,
)
from lp_data.datasets.joint import JointDataset, dataset_class
from lp_data.datasets.labeled import LabeledDataset
from lp_data.errors import VideoError
from lp_data.split import split_frames
from lp_data.video.listing import list_videos
from lp_pipeline.builders.animals import get_regions
from lp_pipeline.builders.devices import training_devices
from lp_pipeline.builders.labels import image_size
from lp_pipeline.builders.losses import camera_losses
from lp_pipeline.builders.videos import boxes_of_video
from lp_pipeline.builders.views import get_cameras, get_sessions, get_views
from lp_pipeline.config.paths import data_dir, video_dir
from lp_pipeline.config.schema import Config
from lp_pipeline.errors import ConfigError

_log = logging.getLogger(__name__)


def get_dataset(
    config: Config, tracker_class: type[BaseSupervisedTracker], labels: PoseTable
) -> LabeledDataset:
    """The labelled images, or the crops of the animals on them, with the context of the tracker.

    Raises:
        ImageFileError: An image of the labels is not there.
        DataError: The augmentation cannot be built.
    """
    training = config.training
    augmenter = build_augmenter(
        training.imgaug, labels.skeleton, horizontal_flip=training.imgaug_hflip
    )
    views = get_views(config)
    more: dict[str, Any] = {}
    kind = dataset_class(tracker_class)
    if tracker_class.views == "jointly" or camera_losses(config):
        kind = JointDataset
        still = training.imgaug_3d is False or training.imgaug in ("none", "default")
        more = {
            "cameras": get_cameras(config, labels, views),
            "motion": None if still else SceneMotion(),
        }
    return kind(
        labels,
        data_dir(config),
        image_size(config),
        **more,
        views=views,
        regions=get_regions(config, labels),
        jitter=config.animals.crop_jitter if config.animals.top_down else None,
        instances=tracker_class.instances,
        others=tracker_class.condition == "pose",
        context_frames=tracker_class.context_frames,
        augmenter=augmenter,
        seed=drawing_seed(config, training.rng_seed_data_pt),
        processes=training_devices(training).count * training.num_nodes,
    )


def drawing_seed(config: Config, seed: int) -> int:
    """That of batches, augmentation or clips, other ones for each model seed; not of the split."""
    return seed + (config.training.rng_seed_model_pt << 32)


def clip_length(config: Config, tracker_class: type[BaseSupervisedTracker]) -> int:
    """How many frames a clip has for a tracker of this kind."""
    clips = config.dali
    if tracker_class.context_frames > 1:
        return clips.context.train.batch_size
    return clips.base.train.sequence_length


def get_clips(
    config: Config,
    tracker_class: type[BaseSupervisedTracker],
    runs: Callable[[KnownVideo], Sequence[BoxRun]] | None = None,
) -> ClipDataset:
    """Unlabelled clips for semi-supervised training, as long as the tracker's kind needs.

    Args:
        config: Where the videos are, and how they are read.
        tracker_class: The kind of tracker.
        runs: The parts of a video that clips are drawn from, cut to boxes.

    Raises:
        ConfigError: There is no folder of videos.
        PredictionError: There is no video in it.
        VideoError: A video cannot be read with ``dali.reader``, or all are too short.
    """
    folder, clips = video_dir(config), config.dali
    if folder is None:
        raise ConfigError(
            "semi-supervised training needs unlabelled videos, but data.video_dir is not set",
            remedy="set data.video_dir, or leave model.losses_to_use empty",
        )
    sessions, in_step = get_sessions(config, [folder]), None
    videos = [] if sessions else list_videos(folder)
    if sessions is not None:
        if not sessions.videos:
            raise VideoError(
                "no video there is of one of the views", where=folder, remedy=sessions.text()
            )
        for note in sessions.notes():
            _log.info("%s", note)
        videos = [video.video for video in sessions.videos]
        jointly = tracker_class.views == "jointly"
        if runs is None or jointly:  # animals that are found are followed in each video by itself
            in_step = InStep(sessions, jointly)
    return build_clips(
        videos,
        clip_length(config, tracker_class),
        image_size(config),
        reader=clips.reader,
        seed=drawing_seed(config, clips.general.seed),
        runs=partial(_box_runs, config) if config.data.bbox_file else runs,
        in_step=in_step,
    )


def _box_runs(config: Config, video: KnownVideo) -> list[BoxRun]:
    boxes = boxes_of_video(config, video.path)
    return whole_runs(boxes, video) if boxes else []


def get_data_module(
    config: Config, tracker_class: type[BaseSupervisedTracker], dataset: LabeledDataset
) -> LabeledDataModule:
    """Loaders of labelled images and, where unsupervised losses are used, of unlabelled clips.

    Raises:
        SplitError: There are too few labelled frames.
        ConfigError: There are no videos although there are unsupervised losses.
    """
    training = config.training
    split = split_frames(
        dataset.table,
        training.train_prob,
        training.val_prob,
        training.rng_seed_data_pt,
        training.train_frames,
        dataset.views,
    )
    dataset.paste_animals(config.animals.copy_paste, dataset.samples_of(split.train))
    sizes: dict[str, Any] = {
        "train_batch_size": training.train_batch_size,
        "val_batch_size": training.val_batch_size,
        "test_batch_size": training.test_batch_size,
        "num_workers": training.num_workers,
        "seed": drawing_seed(config, training.rng_seed_data_pt),
    }
    if training.steps_per_epoch is not None:
        sizes["fewest_steps"] = training.steps_per_epoch
    if not config.model.losses_to_use:
        return LabeledDataModule(dataset, split, **sizes)
    top_down = config.animals.top_down  # its detector comes first
    clips = None if top_down else get_clips(config, tracker_class)
    return SemiSupervisedDataModule(dataset, split, clips, **sizes)
