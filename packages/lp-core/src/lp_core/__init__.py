"""Contracts and geometry that every lp package shares.

Importing this package imports nothing heavy; take what you need from its modules.
"""
