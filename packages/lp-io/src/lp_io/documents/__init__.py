"""Documents in YAML that people write: values with their places, and all problems at once."""
