"""What the author of a video reader needs to test it: hostile videos whose frames are numbered.

Importing this package imports nothing else; take what you need from its modules.
"""
