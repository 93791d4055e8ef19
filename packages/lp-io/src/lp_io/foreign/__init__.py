"""Ground that every format of another tool stands on: careful reading of files from anywhere."""
