"""Run trackers over frames that show several animals or views, and write what they find."""
