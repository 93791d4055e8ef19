"""Regions of frames: files of boxes, crops on animals, and the cutting of frames."""

from lp_data.regions.box_file import Boxes, read_boxes
from lp_data.regions.centred import (
    CentredRegions,
    centred_box,
    check_count,
    crop_notes,
    crop_side,
    crop_size,
    finding_size,
    posing_size,
)
from lp_data.regions.cutting import CutVideo, cut, cutting, resized_part

__all__ = [
    "Boxes",
    "CentredRegions",
    "CutVideo",
    "centred_box",
    "check_count",
    "crop_notes",
    "crop_side",
    "crop_size",
    "cut",
    "cutting",
    "finding_size",
    "posing_size",
    "read_boxes",
    "resized_part",
]
