"""Decoded and resized images, kept so that no file is decoded twice.

The pixels of all images lie in one array: in memory that worker processes share, or, beyond a
budget or where several processes train together, in a file that is mapped into memory. An image is
decoded the first time that any process asks for it. Each entry carries a stamp of the source file's
path, size and time of change, so that an image that changed is decoded again.
"""

from lp_data.cache.image_cache import CachedImage, ImageCache
from lp_data.cache.opening import DEFAULT_BUDGET, default_folder, open_cache
from lp_data.cache.stores import MappedFiles, SharedMemory

__all__ = [
    "DEFAULT_BUDGET",
    "CachedImage",
    "ImageCache",
    "MappedFiles",
    "SharedMemory",
    "default_folder",
    "open_cache",
]
