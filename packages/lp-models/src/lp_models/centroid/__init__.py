"""The centroid tracker: finds every animal of a frame as the peak of one map."""
