"""Libraries that only some formats need, imported when they are used."""

from __future__ import annotations

import importlib
from types import ModuleType

from lp_io.errors import MissingExtraError


def require(module: str, extra: str) -> ModuleType:
    """A module of an optional library.

    Args:
        module: The module's name, such as ``"h5py"``.
        extra: The extra of lp-io that brings it.

    Raises:
        MissingExtraError: It is not installed, or cannot be imported; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingExtraError(
            f"this format needs the library '{module}', which cannot be imported: {error}",
            remedy=f"pip install 'lp-io[{extra}]'",
        ) from error
