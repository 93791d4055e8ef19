"""Several animals: whether they are found first, how large crops are, and who finds them."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import Any

from lp_analysis.metrics.oks import body_length
from lp_analysis.metrics.shape import usual_shape
from lp_core.poses import PoseTable
from lp_core.poses.centroids import centroids
from lp_core.poses.limbs import limbs_of
from lp_core.regions import RegionSource
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data import regions
from lp_data.images import image_file
from lp_data.images import image_size as size_of_image
from lp_data.labels import unique_note
from lp_io.documents.report import Report, set_value
from lp_io.documents.validation import validated
from lp_io.model_directory import TOP_DOWN, WHOLE_FRAME
from lp_pipeline.builders.labels import get_labels, image_size
from lp_pipeline.builders.videos import get_boxes
from lp_pipeline.config.completion import DEFAULT_SIZE
from lp_pipeline.config.paths import csv_files, data_dir
from lp_pipeline.config.schema import AnimalsConfig, Config, ImageResizeDims
from lp_pipeline.errors import ConfigError

_ENLARGED = 1.5
"""Model px per frame px of crops, up to the default size of images."""

_STRIDE = 16
"""Model px per feature cell for trackers that look at crops, where the config does not say it."""

_STEP = regions.centred.STEP


def settle(config: Config, tracker_class: type[BaseSupervisedTracker]) -> PoseTable:
    """Write into the config what it leaves to the labels: the sizes of images and crops.

    Returns:
        The labels of animals, which a tracker that finds them learns as centroids.

    Raises:
        LPError: The labels cannot be read.
        BoxFileError: No animal is labelled.
        DataModuleError: More animals are labelled on an image than there should be.
        ConfigError: The tracker finds several animals itself, but is to look at each, or at boxes.
    """
    labels, animals = get_labels(config), config.animals
    regions.check_count(labels, animals.count)
    _check_looks_at_whole_frames(config, tracker_class)
    if tracker_class.instances == "many" or config.data.bbox_file:
        animals.top_down = False
    elif animals.top_down is None:
        animals.top_down = len(set(labels.frame)) < len(labels)
    declared = {field.name for field in dataclasses.fields(tracker_class.Options)}
    if animals.top_down:
        side = animals.crop_size = animals.crop_size or regions.crop_side(labels)
        if config.data.image_resize_dims.height is None:
            side = min(_STEP * math.ceil(_ENLARGED * side / _STEP), DEFAULT_SIZE)
            config.data.image_resize_dims = ImageResizeDims(height=side, width=side)
        if tracker_class.target_kind == "heatmaps":  # crops are small: the deepest maps are coarse
            config.model.options.setdefault("feature_stride", _STRIDE)
        if "occluded_targets" in declared and labels.individual is not None:
            config.model.options.setdefault("occluded_targets", "position")
    if finds_poses(tracker_class) and config.data.image_resize_dims.height is None:
        height, width = regions.posing_size(labels, _frame_size(config, labels))
        config.data.image_resize_dims = ImageResizeDims(height=height, width=width)
    height, width = image_size(config)
    config.data.image_resize_dims = ImageResizeDims(height=height, width=width)
    if "body_length" in declared:
        scale = math.sqrt(height * width / math.prod(_frame_size(config, labels)))
        config.model.options.setdefault("body_length", scale * body_length(labels.points))
    if "shape" in declared and (shape := usual_shape(labels.points)) is not None:
        config.model.options.setdefault("shape", shape.round(3).tolist())
    return labels


def _check_looks_at_whole_frames(
    config: Config, tracker_class: type[BaseSupervisedTracker]
) -> None:
    """Refuse to let a tracker that finds several animals look at each by itself."""
    if tracker_class.instances == "many" and config.animals.top_down:
        raise ConfigError(
            f"true, but '{config.model.model_type}' finds several animals itself",
            where="animals.top_down",
            remedy="leave it out, or choose a model.model_type that looks at one animal",
        )
    if finds_poses(tracker_class) and config.data.bbox_file:
        raise ConfigError(
            f"set, but '{config.model.model_type}' finds all animals of the whole frame",
            where="data.bbox_file",
            remedy="leave it out, or choose a model.model_type that looks at one animal",
        )


def finds_poses(tracker_class: type[BaseSupervisedTracker]) -> bool:
    """Whether a tracker finds the keypoints of any number of animals by itself."""
    return tracker_class.instances == "many" and tracker_class.learns == "keypoints"


def learned_labels(labels: PoseTable, tracker_class: type[BaseSupervisedTracker]) -> PoseTable:
    """The labels as the tracker learns them."""
    return centroids(labels) if tracker_class.learns == "centroids" else labels


def get_regions(config: Config, labels: PoseTable) -> RegionSource | None:
    """The parts of labelled images that the tracker looks at; None where at whole images.

    Raises:
        BoxFileError: A file of boxes cannot be read.
    """
    if config.animals.top_down:
        return regions.CentredRegions(labels, _crop_size(config))
    return get_boxes(config)


def _crop_size(config: Config) -> tuple[int, int]:
    size = image_size(config)
    return regions.crop_size(config.animals.crop_size or max(size), size)


def known_of_animals(
    config: Config, labels: PoseTable, tracker_class: type[BaseSupervisedTracker]
) -> dict[str, Any]:
    """What a model directory keeps of the animals; see `TopDownOptions` and `WholeFrameOptions`."""
    if not (config.animals.top_down or finds_poses(tracker_class)):
        return {}
    known = {
        "body_length": body_length(labels.points),
        "several": labels.individual is not None,
        "count": config.animals.count,
    }
    if config.animals.top_down:
        limbs = [list(limb) for limb in limbs_of(labels.points)]
        return {TOP_DOWN: {"crop_size": list(_crop_size(config)), "limbs": limbs, **known}}
    return {WHOLE_FRAME: known}


def notes_on_animals(config: Config, labels: PoseTable) -> tuple[str, ...]:
    """What the user should know of the labels of animals, and of the crops on them."""
    notes = [note for note in map(unique_note, csv_files(config)) if note]
    if config.animals.top_down:
        notes += regions.crop_notes(labels, _crop_size(config), _frame_size(config, labels))
    return tuple(notes)


def _frame_size(config: Config, labels: PoseTable) -> tuple[int, int]:
    return size_of_image(image_file(data_dir(config), labels.image_paths[0]))


def detector_config(config: Config, labels: PoseTable) -> Config:
    """The config of the tracker that finds the animals: the same, but for ``animals.detector``.

    Raises:
        ConfigError: ``animals.detector`` cannot be used.
    """
    detector, changes = config.model_copy(deep=True), config.animals.detector
    height, width = regions.finding_size(labels, _frame_size(config, labels))
    detector.data.image_resize_dims = ImageResizeDims(height=height, width=width)
    detector.model.model_type = config.animals.detector_type
    detector.model.losses_to_use, detector.model.options = [], {}
    detector.model.checkpoint = detector.data.extra_labels = None
    detector.animals = AnimalsConfig(top_down=False)
    place = "animals.detector"
    report = Report(Path(place), detector.model_dump())
    for name, value in changes.items():
        set_value(report, (name,), value, place)
    chosen = validated(Config, report)
    report.raise_if_any(ConfigError)
    return chosen
