"""Draw keypoints on frames and videos."""
