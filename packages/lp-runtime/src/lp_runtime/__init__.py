"""Trackers as one graph from uint8 frames to keypoints, and what runs them."""

from lp_runtime.contract import Runtime
from lp_runtime.errors import ExportError
from lp_runtime.model import ExportedModel

__all__ = ["ExportError", "ExportedModel", "Runtime"]
