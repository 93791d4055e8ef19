"""Frame-exact video: ``open_video`` and the readers behind it.

Importing this package imports nothing else; take what you need from its modules.
"""
