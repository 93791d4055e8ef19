"""From datasets to batches: which samples come when, on which process, and again after a stop."""
