"""Careful reading of files that may be damaged or hostile, shared by the formats of other tools."""
