"""Train a tracker from a config."""
