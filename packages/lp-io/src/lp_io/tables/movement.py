"""Predictions as a dataset of movement in NetCDF: dims time, space, keypoint and individual.

The library movement is not needed: the layout is xarray's.
"""

from __future__ import annotations

from pathlib import Path

from lp_core.poses import Animals, PoseTable
from lp_core.poses.interchange import from_xarray, to_xarray
from lp_io.errors import require
from lp_io.untrusted import hdf5
from lp_io.untrusted.content import ContentError, library_reading


def write_movement(table: PoseTable, path: Path, *, fps: float | None = None) -> None:
    """Write predictions to ``path``, in place; with ``fps``, time is in seconds, else in frames.

    Raises:
        ContentError: A name is not a valid text.
        MissingExtraError: xarray or h5netcdf is not installed.
    """
    require("xarray", "movement"), require("h5netcdf", "movement")
    names = (*table.image_paths, *table.keypoint_names, *filter(None, table.individual or ()))
    lost = [name for name in (*names, *(table.split or ())) if "\0" in name]
    if lost:
        raise ContentError(f"the name {lost[0]!r} holds a null character, which NetCDF cannot keep")
    try:
        to_xarray(table, fps=fps).to_netcdf(path, engine="h5netcdf")
    except (UnicodeEncodeError, ValueError) as error:
        raise ContentError(f"NetCDF cannot keep a name: {error}") from error


def read_movement(path: Path, animals: Animals) -> PoseTable:
    """Read predictions that movement or lp wrote; dims may have their older names.

    Raises:
        ContentError: The file is damaged.
        PoseError: It is no such dataset, or holds several animals of which none is chosen.
        MissingExtraError: xarray or h5netcdf is not installed.
    """
    xarray = require("xarray", "movement")
    require("h5netcdf", "movement")
    with hdf5.checked(path, "movement"):
        pass
    with library_reading("xarray"), xarray.open_dataset(path, engine="h5netcdf") as opened:
        return from_xarray(opened.load(), animals)
