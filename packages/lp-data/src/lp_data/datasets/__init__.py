"""Datasets: labelled images, with or without context, and unlabelled clips of video."""
