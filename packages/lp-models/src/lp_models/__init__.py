"""The trackers and losses of lp.

Importing this package imports nothing else; everything is registered under the entry points
``lp.models`` and ``lp.losses``, or can be taken from its modules.
"""
