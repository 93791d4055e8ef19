"""Several animals: whether they are found first, how large crops are, and who finds them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lp_analysis.metrics.oks import body_length
from lp_core.poses import PoseTable
from lp_core.poses.centroids import bounding_boxes
from lp_core.trackers.supervised import BaseSupervisedTracker
from lp_data.images import image_file
from lp_data.images import image_size as size_of_image
from lp_data.regions import CentredRegions, crop_side
from lp_pipeline.builders.labels import image_size
from lp_pipeline.config.completion import DEFAULT_SIZE
from lp_pipeline.config.paths import data_dir
from lp_pipeline.config.schema import Config, ImageResizeDims

_ANIMAL = 40
"""Model px across the median animal, as the detector sees it."""

_LONGEST, _STEP = 512, 32
"""The longest side of what the detector sees, and what its sides are multiples of, in model px."""


def is_top_down(
    config: Config, tracker_class: type[BaseSupervisedTracker], labels: PoseTable
) -> bool:
    """Whether animals are found first, and a tracker of one animal then looks at each."""
    if tracker_class.instances == "many" or config.data.bbox_file:
        return False
    wanted = config.animals.top_down
    return len(set(labels.frame)) < len(labels) if wanted is None else wanted


def settle_crops(config: Config, labels: PoseTable) -> None:
    """Write into the config what it leaves to the labels: the sizes of crops and of their images.

    Raises:
        BoxFileError: No animal is labelled.
    """
    if config.animals.crop_size is None:
        config.animals.crop_size = crop_side(labels)
    if config.data.image_resize_dims.height is None:
        side = min(_STEP * math.ceil(config.animals.crop_size / _STEP), DEFAULT_SIZE)
        config.data.image_resize_dims = ImageResizeDims(height=side, width=side)


def crop_of(config: Config) -> tuple[int, int]:
    """(height, width) of crops in frame px, of the shape of what the tracker sees."""
    height, width = image_size(config)
    side = config.animals.crop_size or max(height, width)
    longest = max(height, width)
    return tuple(4 * math.ceil(side * length / longest / 4) for length in (height, width))  # type: ignore[return-value]


def crops_on(config: Config, labels: PoseTable) -> CentredRegions:
    """A crop on each labelled animal."""
    return CentredRegions(labels, crop_of(config))


def what_it_knows(config: Config, labels: PoseTable) -> dict[str, Any]:
    """What a model directory keeps of the animals; see `TopDownOptions`."""
    return {
        "crop_size": list(crop_of(config)),
        "body_length": body_length(labels.points),
        "several": labels.individual is not None,
        "count": config.animals.count,
    }


def detector_config(config: Config, labels: PoseTable) -> Config:
    """The config of the tracker that finds the animals: the same, but for ``animals.detector``."""
    height, width = _detector_size(config, labels)
    values = _merged(
        config.model_dump(),
        {
            "data": {"image_resize_dims": {"height": height, "width": width}},
            "model": {
                "model_type": config.animals.detector_type,
                "losses_to_use": [],
                "checkpoint": None,
                "options": {},
            },
            "animals": {"top_down": False, "detector": {}},
        },
    )
    return Config.model_validate(_merged(values, config.animals.detector))


def _detector_size(config: Config, labels: PoseTable) -> tuple[int, int]:
    """(height, width) in model px of a frame as the detector sees it."""
    frame = size_of_image(image_file(data_dir(config), labels.image_paths[0]))
    low, high = bounding_boxes(labels.points).swapaxes(0, 1)
    across = float(np.nanmedian((high - low).max(axis=1)))
    scale = min(1.0, _ANIMAL / across, _LONGEST / max(frame))
    height, width = (max(_STEP, _STEP * round(scale * side / _STEP)) for side in frame)
    return height, width


def _merged(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested values with some of them changed."""
    merged = dict(values)
    for name, value in changes.items():
        inner = merged.get(name)
        both = isinstance(inner, dict) and isinstance(value, Mapping) and bool(value)
        merged[name] = _merged(inner, value) if both and isinstance(inner, dict) else value
    return merged
