"""The temporal context tracker: one frame's heatmaps, and the same from five frames."""
