"""Manifests of older formats, brought to the current one step by step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from lp_io.errors import CheckpointError

Migration = Callable[[dict[str, Any]], dict[str, Any]]

MIGRATIONS: Mapping[int, Migration] = MappingProxyType({})
"""By version v, what turns the content of a manifest of version v into one of version v + 1."""


def migrate(
    content: dict[str, Any],
    *,
    to_version: int,
    where: str,
    migrations: Mapping[int, Migration] = MIGRATIONS,
) -> dict[str, Any]:
    """The content of a manifest as version ``to_version`` has it, without ``format_version``.

    Args:
        content: The manifest as JSON values, with its ``format_version``.
        to_version: The version to reach.
        where: The file, for messages.
        migrations: The steps, by the version that each starts from.

    Raises:
        CheckpointError: The version is newer, or none that ever was.
    """
    content = dict(content)
    version = content.pop("format_version", None)
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CheckpointError(f"'{version}' is no version of the model format", where=where)
    if version > to_version:
        raise CheckpointError(
            f"the model was saved in format {version}, this lp-io reads up to {to_version}",
            where=where,
            remedy="upgrade lp-io",
        )
    for step in range(version, to_version):
        content = migrations[step](content)
    return content
