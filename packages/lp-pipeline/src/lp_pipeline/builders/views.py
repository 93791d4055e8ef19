"""The cameras of a project: their names, and which video is of which session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from lp_analysis.prediction.space import SpaceOptions
from lp_core.poses import PoseTable
from lp_data.sessions import (
    SessionManifest,
    ViewNames,
    calibrations_of_labels,
    find_sessions,
    listed_sessions,
    sizes_of_views,
)
from lp_io.calibration import packed_rigs
from lp_io.checkpoint import Manifest
from lp_pipeline.config.schema import Config


def get_views(config: Config) -> ViewNames | None:
    """The views of a project, with the frame offsets of its manifest; None of one camera.

    Raises:
        SessionError: The manifest cannot be read.
    """
    names = config.data.view_names
    return listed_sessions(names, [_project(config)]).view_names if names else None


def get_sessions(config: Config, inputs: Sequence[Path]) -> SessionManifest | None:
    """The sessions that videos, or those of folders, are of; None of one camera.

    Raises:
        SessionError: A manifest cannot be read, or two videos are the same view of a session.
        VideoError: There is no video in a folder.
    """
    names = config.data.view_names
    return find_sessions(names, inputs, [_project(config)]) if names else None


def get_cameras(
    config: Config, labels: PoseTable, views: ViewNames | None
) -> dict[str, Float[Tensor, "views parameters"]] | None:
    """For each labelled frame its cameras, packed; None where they are not calibrated.

    Raises:
        SessionError: Some frames are calibrated and others are not.
        CameraError: A rig lacks a view, or is of images of another size.
        CalibrationFileError: A file of cameras cannot be read.
    """
    if views is None:
        return None
    folder = _project(config)
    files = calibrations_of_labels(folder, labels, views, config.data.camera_params_file)
    packed = packed_rigs(sizes_of_views(folder, labels, views, files), views.names)
    return {moment: packed[file] for moment, file in files.items()} or None


def space_options(config: Config | None, manifest: Manifest) -> SpaceOptions:
    """How points in space are made of predictions, as their model and its config have it."""
    known = SpaceOptions.of_model(manifest)
    if config is None:
        return known
    return replace(known, project=_project(config), table=config.data.camera_params_file)


def _project(config: Config) -> Path:
    return Path(config.data.data_dir or ".")
