"""Resume a training that was stopped as if it never had been."""
