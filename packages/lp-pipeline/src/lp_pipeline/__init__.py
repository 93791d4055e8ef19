"""Compose trackers, data and files from one config: train, predict, evaluate, and ``litpose``."""
