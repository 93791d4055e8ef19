"""The ``litpose`` command."""
