"""The bottom-up tracker: keypoints of all animals of a frame at once, grouped by their votes."""
