"""Several trackers that predict together: one position and its covariance from all of them."""
