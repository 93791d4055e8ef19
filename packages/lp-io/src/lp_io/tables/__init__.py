"""Pose tables in the file formats of other tools: a reader and a writer of each."""
