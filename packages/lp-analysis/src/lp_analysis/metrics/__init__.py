"""Errors and other metrics of predicted keypoints, in memory and in files."""
