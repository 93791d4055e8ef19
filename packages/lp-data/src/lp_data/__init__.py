"""The data of lp: label tables, datasets, augmentation, frame-exact video.

Importing this package imports nothing else; take what you need from its modules.
"""
