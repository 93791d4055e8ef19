"""The heatmap tracker: one probability map per keypoint, from one frame."""
