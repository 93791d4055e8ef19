"""Labelled images as other tools keep them: DeepLabCut, SLEAP and COCO."""

from lp_io.projects.labels import LabeledImages

__all__ = ["LabeledImages"]
