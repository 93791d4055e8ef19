"""Augmentation of images and clips together with their keypoints."""
