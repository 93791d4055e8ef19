"""Run trackers over frames."""
