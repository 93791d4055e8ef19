"""The config: its schema, how it is read, and how it is checked."""
