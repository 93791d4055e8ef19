"""Predict videos, folders and label files with a trained tracker."""
