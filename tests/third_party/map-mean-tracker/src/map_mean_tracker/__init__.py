"""A tracker that shares nothing with those of lp but their contract."""
