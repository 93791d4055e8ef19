"""Labelled images as other tools keep them: DeepLabCut, SLEAP and COCO."""

from lp_io.projects.labels import ImageSource, LabeledImages

__all__ = ["ImageSource", "LabeledImages"]
