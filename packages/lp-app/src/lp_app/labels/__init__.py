"""Labels: the state of a frame, the journal of edits, and the ordinary label files."""
