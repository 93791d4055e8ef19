"""The conditioned heatmap tracker: it is told which animal of an image is meant."""
