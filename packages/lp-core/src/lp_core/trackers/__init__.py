"""Base classes of trackers."""
