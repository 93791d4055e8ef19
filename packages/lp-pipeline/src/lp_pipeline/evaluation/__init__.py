"""Metrics, tables and plots of predictions."""
