"""One coordinate language: affine maps between spaces, and heatmaps."""
