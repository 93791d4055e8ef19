"""Frames of videos by their exact index, as JPEG, cached and read ahead of the playhead."""
