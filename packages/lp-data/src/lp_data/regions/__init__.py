"""Regions of frames: files of boxes, and the cutting of frames to boxes."""

from lp_data.regions.box_file import Boxes, read_boxes
from lp_data.regions.cutting import CutVideo, cut, cutting

__all__ = ["Boxes", "CutVideo", "cut", "cutting", "read_boxes"]
