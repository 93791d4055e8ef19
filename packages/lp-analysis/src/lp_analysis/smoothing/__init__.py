"""Keypoints smoothed over time, and over views, by a Kalman smoother."""
