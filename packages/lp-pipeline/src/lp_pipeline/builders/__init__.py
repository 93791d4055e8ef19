"""Build datasets, losses and trackers from a config."""
