"""The cameras of a project: their names, and which video is of which session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from lp_data.sessions import (
    MANIFEST,
    Manifest,
    ViewNames,
    group_videos,
    read_manifest,
    videos_in,
)
from lp_pipeline.config.schema import Config


def get_views(config: Config) -> ViewNames | None:
    """The views of a project, with the frame offsets of its manifest; None of one camera.

    Raises:
        SessionError: The manifest cannot be read.
    """
    names = config.data.view_names
    if names is None:
        return None
    listed = _listed(names, [_project(config)])
    return ViewNames(tuple(names), listed.offsets)


def get_sessions(config: Config, inputs: Sequence[Path]) -> Manifest | None:
    """Which sessions videos are of, as the manifest of their folder or of the project lists them.

    Args:
        config: Names the project and its views.
        inputs: Videos, or folders of them.

    Returns:
        The sessions; None of one camera.

    Raises:
        SessionError: A manifest cannot be read, or two videos are the same view of a session.
        VideoError: There is no video in a folder.
    """
    names = config.data.view_names
    return None if names is None else sessions_of(names, inputs, [_project(config)])


def sessions_of(
    names: Sequence[str], inputs: Sequence[Path], folders: Iterable[Path] = ()
) -> Manifest:
    """The sessions that videos are of, of cameras of these names.

    Args:
        names: The views.
        inputs: Videos, or folders of them.
        folders: Where manifests may be besides the folders of the inputs.

    Raises:
        SessionError: A manifest cannot be read, or two videos are the same view of a session.
        VideoError: There is no video in a folder.
    """
    beside = (path if path.is_dir() else path.parent for path in inputs)
    listed = _listed(names, [*folders, *beside])
    videos: list[Path] = []
    for path in inputs:
        videos += videos_in(path, listed) if path.is_dir() else [path]
    return group_videos(videos, ViewNames(tuple(names)), listed)


def _project(config: Config) -> Path:
    return Path(config.data.data_dir or ".")


def _listed(names: Sequence[str], folders: Iterable[Path]) -> Manifest:
    """What the manifests in some folders list."""
    files = dict.fromkeys(folder.absolute() / MANIFEST for folder in folders)
    found = [read_manifest(file, names) for file in files if file.is_file()]
    return Manifest(tuple(names), tuple(video for each in found for video in each.videos))
